// REST and tokens against the real program: the OpenAPI document, publishing, sessions, and one JWT for every protocol.

import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { packages, until, withBroker, Broker } from './broker.mjs';

const mqtt = packages('mqtt');
const { EventSource } = packages('eventsource');
const Pusher = packages('pusher-js');
const apps = '[[apps]]\nid = "1"\nkey = "key"\nsecret = "secret"\n';
const basic = { authorization: `Basic ${Buffer.from('key:secret').toString('base64')}` };

const base = (broker) => `http://127.0.0.1:${broker.ports.http}`;
function call(broker, method, path, { body, headers = {} } = {}) {
  const json = body !== undefined && Object.getPrototypeOf(body) === Object.prototype;
  return fetch(base(broker) + path, { method, body: json ? JSON.stringify(body) : body,
    headers: { ...(json ? { 'content-type': 'application/json' } : {}), ...headers } });
}

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const inAMinute = () => Math.floor(Date.now() / 1000) + 60;
function token(claims, signer, header = {}) {
  const text = `${part(header)}.${part({ exp: inAMinute(), ...claims })}`;
  return `${text}.${signer(text).toString('base64url')}`;
}

test('every call of the OpenAPI document is served', { timeout: 120_000 }, () =>
  withBroker({ configuration: `${apps}[[history]]\nfilter = "news/#"\n` }, async (broker) => {
    const document = await (await call(broker, 'GET', '/v1/openapi.json')).json();
    const examples = {
      '/v1/publish': { topic: 'news/1', data: 'x' },
      '/v1/publish/batch': { messages: [{ topic: 'news/1', data: 'x' }] },
      '/v1/tickets': { topics: ['news/#'] },
    };
    let calls = 0;
    for (const [path, methods] of Object.entries(document.paths))
      for (const [method, { responses }] of Object.entries(methods)) {
        ++calls;
        const target = path.replace('{topic}', 'news/1').replace('{client_id}', 'nobody').replace('{id}', '0-1');
        const query = path === '/v1/connections' && method === 'delete' ? '?user=nobody' : '';
        const answer = await call(broker, method.toUpperCase(), target + query, { headers: basic, body: examples[path] });
        assert.ok(String(answer.status) in responses, `${method} ${target}: ${answer.status} is not described`);
        assert.ok(answer.status < 500 && answer.status !== 401 && answer.status !== 403, `${method} ${target}: ${answer.status}`);
        const wanted = Object.keys(responses[answer.status].content ?? {})[0];
        if (wanted) assert.equal(answer.headers.get('content-type'), wanted);
      }
    assert.equal(calls, 17);
  }));

test('what REST publishes reaches MQTT, and what it kicks is gone', { timeout: 120_000 }, () =>
  withBroker({ configuration: apps }, async (broker) => {
    const client = mqtt.connect(broker.tcp, { protocolVersion: 5, clientId: 'c/1', reconnectPeriod: 0 });
    const got = [];
    client.on('message', (topic, payload, packet) => got.push([topic, payload.toString('hex'), packet.retain]));
    await new Promise((resolve) => client.once('connect', resolve));
    await client.subscribeAsync('#', { qos: 1 });
    const raw = await call(broker, 'POST', '/v1/publish?topic=raw&retain=true', { body: new Uint8Array([255, 0]) });
    assert.deepEqual(await raw.json(), { matched: true });
    const batch = await call(broker, 'POST', '/v1/publish/batch', { body: '{"topic":"a","data":"1"}\n{"topic":"b","data":"2"}\n',
      headers: { 'content-type': 'application/x-ndjson' } });
    assert.deepEqual(await batch.json(), { results: [{ matched: true }, { matched: true }] });
    await until(() => got.length === 3, 'all arrive');
    assert.deepEqual(got, [['raw', 'ff00', false], ['a', '31', false], ['b', '32', false]]);

    const key = { 'idempotency-key': 'k' };
    await Promise.all([1, 2].map(() => call(broker, 'POST', '/v1/publish', { body: { topic: 'once', data: 'x' }, headers: key })));
    await until(() => got.length === 4, 'once');
    const connected = await (await call(broker, 'GET', '/v1/connections', { headers: basic })).json();
    assert.deepEqual(connected.connections.map((row) => row.client_id), ['c/1']);
    const gone = new Promise((resolve) => client.once('disconnect', resolve));
    const ended = await call(broker, 'DELETE', `/v1/connections/${connected.connections[0].id}`, { headers: basic });
    assert.equal(ended.status, 202);
    assert.equal((await gone).reasonCode, 0x98);
    assert.equal(got.length, 4);
    assert.equal((await call(broker, 'GET', '/v1/sessions')).status, 401);
    await client.endAsync(true);
  }));

test('connections of every protocol are listed, and end with a farewell of their own', { timeout: 120_000 }, () =>
  withBroker({ configuration: apps }, async (broker) => {
    const list = async (query = '') => (await (await call(broker, 'GET', `/v1/connections${query}`, { headers: basic })).json()).connections;
    const before = Date.now();
    const mqttClient = mqtt.connect(`ws://127.0.0.1:${broker.ports.http}/mqtt`, { protocolVersion: 5, clientId: 'over/ws', reconnectPeriod: 0 });
    await new Promise((resolve) => mqttClient.once('connect', resolve));
    const options = { cluster: 'none', wsHost: '127.0.0.1', wsPort: broker.ports.http, httpHost: '127.0.0.1',
      httpPort: broker.ports.http, forceTLS: false, disableStats: true, activityTimeout: 120_000 };
    const pushers = ['ws', 'xhr_polling'].map((transport) => new Pusher('key', { ...options, enabledTransports: [transport] }));
    const source = new EventSource(`${base(broker)}/sse?topic=a`);
    try {
      await until(async () => (await list()).length === 4, 'all are listed');
      const rows = await list();
      const kinds = rows.map(({ protocol, transport }) => `${protocol} over ${transport}`).sort();
      assert.deepEqual(kinds, ['mqtt over websocket', 'pusher over http', 'pusher over websocket', 'sse over http']);
      for (const row of rows) {
        assert.equal(row.peer, '127.0.0.1');
        assert.ok(row.port > 0 && row.tls === false && row.backlog_bytes >= 0);
        assert.ok(row.connected_at >= before - 1000 && row.connected_at <= Date.now());
        assert.deepEqual(await (await call(broker, 'GET', `/v1/connections/${row.id}`, { headers: basic })).json(), row);
      }
      assert.deepEqual(rows.filter(({ protocol }) => protocol === 'pusher').map((row) => row.client_id).sort(),
        pushers.map(({ connection }) => connection.socket_id).sort());
      const pages = [];
      for (let after = ''; ;) {
        const page = await (await call(broker, 'GET', `/v1/connections?limit=1&after=${after}`, { headers: basic })).json();
        pages.push(...page.connections.map(({ id }) => id));
        if (!page.next) break;
        after = page.next;
      }
      assert.deepEqual(pages, rows.map(({ id }) => id));

      const farewells = [new Promise((resolve) => mqttClient.once('disconnect', (packet) => resolve(packet.reasonCode))),
        ...pushers.map(({ connection }) => new Promise((resolve) => connection.bind('error', ({ data }) => resolve(data?.code)))),
        new Promise((resolve) => source.addEventListener('error', () => resolve('ended'), { once: true }))];
      const told = await call(broker, 'DELETE', '/v1/connections?peer=127.0.0.0/8', { headers: basic });
      assert.deepEqual(await told.json(), { ended: 4 });
      assert.deepEqual(await Promise.all(farewells), [0x98, 4009, 4009, 'ended']);
    } finally {
      source.close();
      for (const one of pushers) one.disconnect();
      await mqttClient.endAsync(true);
    }
  }));

const secret = '0123456789abcdef0123456789abcdef';
const pairs = {
  HS256: () => ({ key: secret, signer: (text) => createHmac('sha256', secret).update(text).digest() }),
  RS256: () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    return { key: publicKey.export({ type: 'spki', format: 'pem' }), signer: (text) => sign('sha256', Buffer.from(text), privateKey) };
  },
  ES256: () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    return { key: publicKey.export({ type: 'spki', format: 'pem' }),
      signer: (text) => sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' }) };
  },
  EdDSA: () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    return { key: publicKey.export({ type: 'spki', format: 'pem' }), signer: (text) => sign(null, Buffer.from(text), privateKey) };
  },
};

for (const alg of Object.keys(pairs))
  test(`one ${alg} token serves REST, SSE and MQTT, and nothing that it does not say`, { timeout: 120_000 }, async () => {
    const { key, signer } = pairs[alg]();
    const broker = new Broker({});
    const keyFile = join(broker.directory, 'key');
    writeFileSync(keyFile, key, { mode: 0o600 });
    broker.configure(`${apps}[jwt]\nalgorithm = "${alg}"\nkey_file = "${keyFile}"\n`);
    let failed = true;
    try {
      await broker.start();
      const mine = token({ sub: 'ann', publish: ['up/#'], subscribe: ['up/+'] }, signer, { alg, typ: 'JWT' });
      const bearer = { authorization: `Bearer ${mine}` };
      const status = async (method, path, body, headers) => (await call(broker, method, path, { body, headers })).status;
      assert.equal(await status('POST', '/v1/publish', { topic: 'up/1' }, bearer), 200);
      assert.equal(await status('POST', '/v1/publish', { topic: 'down' }, bearer), 403);
      assert.equal(await status('GET', '/v1/sessions', undefined, bearer), 403);

      const client = await mqtt.connectAsync(broker.tcp, { protocolVersion: 5, clientId: 'c', username: 'jwt', password: mine });
      const got = [];
      client.on('message', (topic, payload) => got.push(`${topic} ${payload}`));
      await client.subscribeAsync('up/+', { qos: 1 });
      await assert.rejects(client.subscribeAsync('#', { qos: 1 }));
      const { ticket } = await (await call(broker, 'POST', '/v1/tickets', { body: { topics: ['up/1'] }, headers: bearer })).json();
      const source = new EventSource(`${base(broker)}/sse?topic=up/1&ticket=${ticket}`);
      const events = [];
      source.onmessage = (event) => events.push(event.data);
      await new Promise((resolve) => source.addEventListener('ready', resolve, { once: true }));
      await client.publishAsync('up/1', 'hello', { qos: 1 });
      await until(() => got.length === 1 && events.length === 1, 'both hear it');
      source.close();
      await client.endAsync();

      const forged = [
        token({ sub: 'ann', publish: ['#'] }, () => Buffer.alloc(0), { alg: 'none' }),
        token({ sub: 'ann', publish: ['#'] }, (text) => createHmac('sha256', key).update(`${text} `).digest(), { alg: 'HS256' }),
        ...(alg === 'HS256' ? [] : [token({ sub: 'ann', publish: ['#'] }, (text) => createHmac('sha256', key).update(text).digest(), { alg: 'HS256' }),
          token({ sub: 'ann', publish: ['#'] }, (text) => createHmac('sha256', key).update(text).digest(), { alg })]),
        token({ sub: 'ann', publish: ['#'], exp: 1_000_000 }, signer, { alg }),
        `${mine}x`, mine.slice(0, -5), 'a'.repeat(14_000),
      ];
      for (const bad of forged)
        assert.equal(await status('POST', '/v1/publish', { topic: 'up/1' }, { authorization: `Bearer ${bad}` }), 401, bad.slice(0, 80));
      await assert.rejects(mqtt.connectAsync(broker.tcp, { username: 'jwt', password: forged[0], reconnectPeriod: 0 }));
      assert.ok(!readFileSync(broker.logFile, 'utf8').includes(mine.split('.')[2]), 'no token in the log');
      failed = false;
    } finally {
      await broker.end(failed);
    }
  });

test('an MQTT connection ends with its token', { timeout: 60_000 }, async () => {
  const broker = new Broker({});
  const keyFile = join(broker.directory, 'key');
  writeFileSync(keyFile, secret, { mode: 0o600 });
  broker.configure(`${apps}[jwt]\nalgorithm = "HS256"\nkey_file = "${keyFile}"\nleeway = "0s"\n`);
  let failed = true;
  try {
    await broker.start();
    const { signer } = pairs.HS256();
    const short = token({ sub: 'ann', exp: Date.now() / 1000 + 5 }, signer, { alg: 'HS256' });
    const client = await mqtt.connectAsync(broker.tcp, { protocolVersion: 5, username: 'jwt', password: short, reconnectPeriod: 0 });
    const [reason] = await new Promise((resolve) => client.once('disconnect', (packet) => resolve([packet.reasonCode])));
    assert.equal(reason, 0x98);
    await client.endAsync(true);
    failed = false;
  } finally {
    await broker.end(failed);
  }
});
