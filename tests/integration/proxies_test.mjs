// Behind nginx and behind HAProxy, with the configurations of docs/operations.md: SSE (at once, signs of life, resumption over a
// restart of the broker, clients that leave), kept connections to the broker, MQTT and Pusher over WebSocket, PROXY protocol v2.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { connect as netConnect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePort, metric, once, packages, start, until, withBroker } from './broker.mjs';
import { Server } from './app_server.mjs';

const { EventSource } = packages('eventsource');
const Pusher = packages('pusher-js');
const mqtt = packages('mqtt');
const limit = { timeout: 240_000 };
const history = '[[history]]\nfilter = "news/#"\nmax_age = "1h"\n';
const manual = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');

function configurationOf(proxy) {
  const found = new RegExp(`\`\`\`${proxy}\n(.*?)\n\`\`\``, 's').exec(manual);
  assert.ok(found, `docs/operations.md shows a configuration of ${proxy}`);
  return found[1];
}

// Replaces exactly one occurrence: what the manual says must be what is run.
function replaceOnce(text, from, to) {
  assert.equal(text.split(from).length, 2, `'${from}' stands once in the configuration`);
  return text.replace(from, to);
}

function nginx(broker, ports) {
  let text = replaceOnce(configurationOf('nginx'), 'listen 8000;', `listen 127.0.0.1:${ports.web};`);
  text = replaceOnce(text, '127.0.0.1:8080', `127.0.0.1:${broker.ports.http}`);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${broker.directory}/${kind};`);
  const file = join(broker.directory, 'nginx.conf');
  writeFileSync(file, `daemon off; master_process off; pid ${broker.directory}/nginx.pid; error_log stderr crit;
    events { worker_connections 512; }
    http { access_log off; ${temporary.join(' ')}
    ${text} }`);
  return start('/usr/sbin/nginx', ['-e', 'stderr', '-p', broker.directory, '-c', file], { stdio: 'inherit' });
}

function haproxy(broker, ports) {
  let text = replaceOnce(configurationOf('haproxy'), 'bind :8000', `bind 127.0.0.1:${ports.web}`);
  text = replaceOnce(text, 'bind :8001', `bind 127.0.0.1:${ports.mqtt}`);
  text = replaceOnce(text, '127.0.0.1:8080', `127.0.0.1:${broker.ports.http}`);
  text = replaceOnce(text, '127.0.0.1:1883', `127.0.0.1:${broker.ports.mqtt}`);
  const file = join(broker.directory, 'haproxy.cfg');
  writeFileSync(file, `global\n    maxconn 500\n${text}\n`);
  return start('/usr/sbin/haproxy', ['-db', '-q', '-f', file], { stdio: 'inherit' });
}

function answers(port) {
  return new Promise((resolve) => {
    const socket = netConnect(port, '127.0.0.1');
    socket.once('connect', () => { socket.destroy(); resolve(true); });
    socket.once('error', () => resolve(false));
  });
}

const proxies = [
  { name: 'nginx', run: nginx, settings: {} },
  // Who comes through a PROXY header is not on this machine: the tests let everybody in.
  { name: 'HAProxy', run: haproxy, settings: { 'proxy_protocol.trusted': '127.0.0.1', 'mqtt.allow_anonymous': 'true' } },
];

function behind(proxy, settings, body) {
  return withBroker({ configuration: history, ...proxy.settings, ...settings }, async (broker) => {
    const ports = { web: await freePort(), mqtt: await freePort() };
    const child = proxy.run(broker, ports);
    try {
      await until(() => answers(ports.web), `${proxy.name} listens`);
      await body(broker, `http://127.0.0.1:${ports.web}`, ports);
    } finally {
      child.kill('SIGKILL');
      await child.ended;
    }
  });
}

async function publish(base, topic, data, more = {}) {
  const answer = await fetch(`${base}/v1/publish`, { method: 'POST', headers: { 'content-type': 'application/json', ...more },
    body: JSON.stringify({ topic, data }) });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer.json();
}

async function publishSurely(base, topic, data) {
  return until(() => publish(base, topic, data, { 'idempotency-key': `${topic} ${data}` }).catch(() => null), `${data} is published`);
}

function curl(url, ...args) {
  const child = start('curl', ['-sN', ...args, url], { stdio: ['ignore', 'pipe', 'inherit'] });
  const reader = { text: '', child };
  child.stdout.setEncoding('utf8').on('data', (part) => { reader.text += part; });
  return reader;
}

for (const proxy of proxies) {
  // Nothing follows that could push an event out of a buffer: the next sign of life is minutes away.
  test(`${proxy.name} passes events on at once`, limit, () => behind(proxy, { 'http.keep_alive': '10m' }, async (broker, base) => {
    const reader = curl(`${base}/sse?topic=news/1`, '-i');
    await until(() => reader.text.includes('event: ready'), 'the stream is open');
    assert.match(reader.text, /^HTTP\/1\.1 200 OK\r\n/);
    for (const data of ['one', 'two']) {
      await publish(base, 'news/1', data);
      await until(() => reader.text.includes(`data: ${data}\n\n`), `${data} arrives`);
    }
    reader.child.kill();
  }));

  test(`${proxy.name} passes signs of life on, and the broker notices who has gone`, limit, () =>
    behind(proxy, { 'http.keep_alive': '1s' }, async (broker, base) => {
      const readers = [curl(`${base}/sse?topic=plain/1`), curl(`${base}/sse?topic=plain/2`)];
      for (const reader of readers) await until(() => /\n\n:\n\n/.test(reader.text), 'a comment arrives');
      assert.equal(await metric(broker, 'fulmar_sse_streams'), 2);
      readers[0].child.kill('SIGKILL');
      await until(async () => await metric(broker, 'fulmar_sse_streams') === 1, 'one stream is left');
      readers[1].child.kill('SIGTERM');
      await until(async () => await metric(broker, 'fulmar_sse_streams') === 0, 'no stream is left');
    }));

  test(`${proxy.name}: a reader misses nothing while the broker is killed`, limit, () => behind(proxy, {}, async (broker, base) => {
    const source = new EventSource(`${base}/sse?topic=news/1`);
    const got = [];
    source.onmessage = (event) => got.push({ data: event.data, id: event.lastEventId });
    await new Promise((resolve) => source.addEventListener('ready', resolve, { once: true }));
    try {
      const total = 300;
      let killing = Promise.resolve();
      for (let n = 0; n < total; ++n) {
        await publishSurely(base, 'news/1', String(n));
        if (n === total / 3 || n === (2 * total) / 3) killing = killing.then(() => broker.restart());
      }
      await killing;
      await until(() => got.some(({ data }) => data === String(total - 1)), 'the reader catches up');
      assert.equal(new Set(got.map(({ id }) => id)).size, got.length, 'no id comes twice');
      // What was said again because its answer was lost may be in the log twice, under two ids.
      assert.deepEqual([...new Set(got.map(({ data }) => data))], Array.from({ length: total }, (_, n) => String(n)));
    } finally {
      source.close();
    }
  }));

  // A client of the specification gives up at any status but 200: one answers with an empty stream, the other waits.
  test(`${proxy.name}: who comes while the broker is away is not turned away for good`, limit, () =>
    behind(proxy, {}, async (broker, base) => {
      await publish(base, 'news/1', 'one');
      await broker.kill();
      const ask = async () => {
        const call = httpRequest(`${base}/sse?topic=news/1&since=earliest`);
        call.end();
        await once(call, 'finish');
        return once(call, 'response');
      };
      const asked = ask();
      if (proxy.name === 'nginx') {
        const [answer] = await asked;
        assert.deepEqual([answer.statusCode, answer.headers['content-type']], [200, 'text/event-stream']);
        answer.setEncoding('utf8');
        let text = '';
        for await (const part of answer) text += part;
        assert.equal(text, 'retry: 2000\n\n');
      }
      await broker.start();
      const [answer] = await (proxy.name === 'nginx' ? ask() : asked);
      assert.equal(answer.statusCode, 200);
      let text = '';
      answer.setEncoding('utf8').on('data', (part) => { text += part; }).on('error', () => {});
      await until(() => text.includes('data: one\n\n'), 'the stream begins');
      answer.destroy();
    }));

  test(`${proxy.name} keeps its connections to the broker`, limit, () => behind(proxy, {}, async (broker, base) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const before = await metric(broker, 'fulmar_connections_opened_total');
    for (let n = 0; n < 20; ++n) {
      const call = httpRequest(`${base}/v1/publish`, { method: 'POST', agent, headers: { 'content-type': 'application/json' } });
      call.end('{"topic":"plain/1","data":"x"}');
      const [answer] = await once(call, 'response');
      answer.resume();
      await once(answer, 'end');
      assert.equal(answer.statusCode, 200);
    }
    // One through the proxy; each look at the metrics is one of its own.
    assert.ok(await metric(broker, 'fulmar_connections_opened_total') - before <= 3);
    agent.destroy();
  }));

  test(`${proxy.name} passes MQTT over WebSocket on`, limit, () => behind(proxy, {}, async (broker, base) => {
    const url = `${base.replace('http', 'ws')}/mqtt`;
    const reader = await mqtt.connectAsync(url, { protocolVersion: 5, clientId: 'reader' });
    const writer = await mqtt.connectAsync(url, { protocolVersion: 5, clientId: 'writer' });
    const got = [];
    reader.on('message', (topic, payload) => got.push(payload.toString()));
    await reader.subscribeAsync('t', { qos: 1 });
    for (let n = 0; n < 50; ++n) await writer.publishAsync('t', `m${n}`, { qos: 1 });
    await until(() => got.length === 50, 'everything arrives');
    assert.deepEqual(got, Array.from({ length: 50 }, (_, n) => `m${n}`));
    await reader.endAsync();
    await writer.endAsync();
  }));

  test(`${proxy.name} passes Pusher on, over WebSocket and HTTP`, limit, () => behind(proxy, {}, async (broker, base, ports) => {
    const server = new Server({ directory: broker.directory, ports: { http: ports.web } });
    const pusher = new Pusher(server.key, { cluster: 'none', wsHost: '127.0.0.1', wsPort: ports.web, forceTLS: false,
      enabledTransports: ['ws'], disableStats: true });
    try {
      const channel = pusher.subscribe('orders');
      const got = [];
      channel.bind('created', (value) => got.push(value));
      await until(() => channel.subscribed, 'the channel is subscribed');
      await server.trigger('orders', 'created', { number: 1 });
      await until(() => got.length === 1, 'the event arrives');
      assert.deepEqual(got[0], { number: 1 });
    } finally {
      pusher.disconnect();
    }
  }));
}

test('HAProxy says who the client is, with PROXY protocol v2', limit, () => behind(proxies[1], {}, async (broker, base, ports) => {
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${ports.mqtt}`, { protocolVersion: 5, clientId: 'c' });
  await client.subscribeAsync('t', { qos: 1 });
  await client.endAsync();
  // A peer that breaks the rules is named in the log by its own address.
  const peer = netConnect({ port: ports.mqtt, host: '127.0.0.1', localAddress: '127.0.0.77' });
  peer.on('error', () => {});
  peer.write('GET / HTTP/1.1\r\n\r\n');
  await until(() => broker.log().includes('127.0.0.77'), 'the log names the client');
  peer.destroy();
}));
