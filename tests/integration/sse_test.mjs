// Server-Sent Events against the real program: curl, the npm package eventsource, and EventSource in Chromium, while the
// broker is killed and restarted. What was acknowledged to the publisher must reach every reader once, in order.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { launchBrowser, packages, start, until, withBroker } from './broker.mjs';
import { base, check, listen, publish, publishSurely } from './sse_peers.mjs';

const mqtt = packages('mqtt');
const configuration = '[[history]]\nfilter = "news/#"\nmax_age = "1h"\n';

function curl(url, ...args) {
  const child = start('curl', ['-sN', ...args, url], { stdio: ['ignore', 'pipe', 'inherit'] });
  const reader = { text: '', child };
  child.stdout.setEncoding('utf8').on('data', (part) => { reader.text += part; });
  return reader;
}

test('curl listens, resumes, and reads lines', { timeout: 120_000 }, () => withBroker({ configuration }, async (broker) => {
  const live = curl(`${base(broker)}/sse?topic=news/1&topic=plain/%2B`);
  await until(() => live.text.includes('event: ready'), 'the stream is open');
  await publish(broker, 'news/1', 'one\ntwo');
  await publish(broker, 'plain/x', { a: 1 });
  await until(() => live.text.includes('topic: plain/x\ndata: {"a":1}\n\n'), 'both arrive');
  assert.match(live.text, /id: 0\.1\ntopic: news\/1\ndata: one\ndata: two\n\n/);
  live.child.kill();

  await publish(broker, 'news/2', 'three');
  const lines = curl(`${base(broker)}/sse?topic=news/%23&format=ndjson`, '-H', 'Last-Event-ID: 0.1');
  await until(() => lines.text.includes('\n'), 'a line arrives');
  assert.equal(JSON.parse(lines.text.split('\n')[0]).data, 'three');
  lines.child.kill();

  const posted = curl(`${base(broker)}/sse`, '-d', '{"topics":["news/1"],"history":1}');
  await until(() => posted.text.includes('data: one\ndata: two\n\n'), 'a body says the same as a query');
  posted.child.kill();

  const head = curl(`${base(broker)}/sse?topic=a`, '-I');
  await until(() => head.text.endsWith('\r\n\r\n'), 'the head arrives');
  assert.match(head.text, /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(head.text, /\r\nX-Accel-Buffering: no\r\n/);
}));

test('the npm package eventsource misses nothing while the broker is killed', { timeout: 240_000 }, () =>
  withBroker({ configuration }, async (broker) => {
    const one = await listen(`${base(broker)}/sse?topic=news/1`);
    const all = await listen(`${base(broker)}/sse?topic=news/%23`);
    try {
      const total = 1200;
      let killing = Promise.resolve();
      for (let n = 0; n < total; ++n) {
        await publishSurely(broker, 'news/1', String(n));
        if (n === total / 3 || n === (2 * total) / 3) killing = killing.then(() => broker.restart());
      }
      await killing;
      for (const [who, source] of [['one topic', one], ['a wildcard', all]]) {
        await until(() => source.got.some((event) => event.data === String(total - 1)), `${who} catches up`);
        check(source.got.map((event) => ({ data: event.data, id: event.lastEventId })), total, who);
      }
    } finally {
      one.close();
      all.close();
    }
  }));

test('a page in Chromium misses nothing while the broker is killed', { timeout: 240_000 }, () =>
  withBroker({ configuration }, async (broker) => {
    const server = createServer((request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' });
      response.end('<!doctype html><title>events</title>');
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const browser = await launchBrowser();
    try {
      const page = await browser.newPage();
      await page.goto(`http://127.0.0.1:${server.address().port}/`);
      await page.evaluate((url) => new Promise((resolve) => {
        window.got = [];
        window.gaps = [];
        window.source = new EventSource(url);
        window.source.onmessage = (event) => window.got.push({ data: event.data, id: event.lastEventId });
        window.source.addEventListener('gap', (event) => window.gaps.push(event.data));
        window.source.addEventListener('ready', () => resolve(), { once: true });
      }), `${base(broker)}/sse?topic=news/1`);
      const total = 600;
      let killing = Promise.resolve();
      for (let n = 0; n < total; ++n) {
        await publishSurely(broker, 'news/1', String(n));
        if (n === total / 3 || n === (2 * total) / 3) killing = killing.then(() => broker.restart());
      }
      await killing;
      const got = await until(async () => {
        const list = await page.evaluate(() => window.got);
        return list.some((event) => event.data === String(total - 1)) && list;
      }, 'the page catches up');
      check(got, total, 'the page');
      assert.deepEqual(await page.evaluate(() => window.gaps), []);
    } finally {
      await browser.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }));

test('MQTT and SSE share topics, payloads and retained state', { timeout: 120_000 }, () =>
  withBroker({ configuration }, async (broker) => {
    const client = await mqtt.connectAsync(broker.tcp, { protocolVersion: 5, clientId: 'm' });
    const source = await listen(`${base(broker)}/sse?topic=t/%23&topic=news/%23&format=json`);
    try {
      await client.publishAsync('t/bytes', Buffer.from([0xff, 0, 1]), { qos: 0 });
      await client.publishAsync('news/ü', 'grüße', { qos: 2 });
      await until(() => source.got.length === 2, 'both arrive');
      const [bytes, text] = source.got.map((event) => JSON.parse(event.data));
      assert.deepEqual([bytes.topic, bytes.data, bytes.encoding, bytes.id], ['t/bytes', '/wAB', 'base64', undefined]);
      assert.deepEqual([text.topic, text.data, text.id], ['news/ü', 'grüße', '0.1']);
    } finally {
      source.close();
      await client.endAsync(true);
    }
  }));
