// MQTT.js in Chromium over WebSocket while the broker is killed and restarted.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openPage } from './browser_page.mjs';
import { packages, until, withBroker } from './broker.mjs';

const mqtt = packages('mqtt');

test('two pages exchange messages and miss nothing while the broker is killed', { timeout: 240_000 }, () =>
  withBroker({}, async (broker) => {
    const one = await openPage();
    const two = await openPage();
    try {
      await one.begin(broker.websocket, 'page-one', 'from/two');
      await two.begin(broker.websocket, 'page-two', 'from/one');
      const total = 60;
      for (let n = 0; n < total; ++n) {
        await one.say('from/one', String(n));
        await two.say('from/two', String(n));
        if (n === total / 3) await broker.restart();
        if (n === (total * 2) / 3) await broker.restart();
      }
      for (const [page, topic] of [[one, 'from/two'], [two, 'from/one']]) {
        await until(async () => await page.acknowledged() === total, 'everything is acknowledged');
        const got = await until(async () => {
          const list = [...new Set(await page.received())];
          // What had to be said again comes late: order is the ledger's subject, completeness this test's.
          return list.length === total && list.sort((a, b) => Number(a.split(' ')[1]) - Number(b.split(' ')[1]));
        }, `all of ${topic} arrives`);
        assert.deepEqual(got, Array.from({ length: total }, (_, n) => `${topic} ${n}`));
        assert.deepEqual(page.errors, []);
      }
    } finally {
      await one.close();
      await two.close();
    }
  }));

test('a page and a Node client over TCP see the same topics', { timeout: 120_000 }, () =>
  withBroker({}, async (broker) => {
    const page = await openPage();
    const client = await mqtt.connectAsync(broker.tcp, { protocolVersion: 4, clientId: 'node' });
    try {
      const got = [];
      client.on('message', (topic, payload) => got.push(`${topic} ${payload}`));
      await client.subscribeAsync('#', { qos: 1 });
      await page.begin(broker.websocket, 'page', 'to/page/#');
      await client.publishAsync('to/page/ünï', 'grüße', { qos: 1 });
      await until(async () => (await page.received()).length === 1, 'the page receives');
      assert.deepEqual(await page.received(), ['to/page/ünï grüße']);
      await page.say('to/node', 'hello');
      await until(() => got.includes('to/node hello'), 'Node receives');
    } finally {
      await client.endAsync(true);
      await page.close();
    }
  }));
