// MQTT.js in Node against the real program: MQTT 3.1.1 and 5, over TCP and over WebSocket.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { once, packages, until, withBroker } from './broker.mjs';

const mqtt = packages('mqtt');

async function connect(url, options) {
  const client = mqtt.connect(url, { reconnectPeriod: 50, connectTimeout: 30_000, ...options });
  client.inbox = [];
  client.waiting = [];
  client.on('message', (topic, payload, packet) => {
    const message = { topic, payload: payload.toString(), packet };
    const waiter = client.waiting.shift();
    if (waiter) waiter(message); else client.inbox.push(message);
  });
  client.take = () => (client.inbox.length > 0 ? Promise.resolve(client.inbox.shift())
    : new Promise((resolve) => client.waiting.push(resolve)));
  const [connack] = await once(client, 'connect');
  client.connack = connack;
  return client;
}

for (const protocolVersion of [4, 5]) {
  for (const transport of ['tcp', 'websocket']) {
    const name = `MQTT ${protocolVersion === 4 ? '3.1.1' : '5'} over ${transport}`;
    const durable = { protocolVersion, clean: false, properties: protocolVersion === 5 ? { sessionExpiryInterval: 3600 } : undefined };

    test(`${name}: messages of every QoS arrive in order`, { timeout: 120_000 }, () => withBroker({}, async (broker) => {
      const reader = await connect(broker[transport], { protocolVersion, clientId: 'reader' });
      const writer = await connect(broker[transport], { protocolVersion, clientId: 'writer' });
      for (const qos of [0, 1, 2]) {
        const [granted] = await reader.subscribeAsync(`t/${qos}`, { qos });
        assert.equal(granted.qos, qos);
        for (let n = 0; n < 50; ++n) await writer.publishAsync(`t/${qos}`, `m${n}`, { qos });
        for (let n = 0; n < 50; ++n) {
          const got = await reader.take();
          assert.deepEqual([got.topic, got.payload, got.packet.qos], [`t/${qos}`, `m${n}`, qos]);
        }
      }
      await reader.endAsync();
      await writer.endAsync();
    }));

    test(`${name}: retained messages and wills`, { timeout: 120_000 }, () => withBroker({}, async (broker) => {
      const writer = await connect(broker[transport], {
        protocolVersion, clientId: 'writer', will: { topic: 'state/writer', payload: Buffer.from('gone'), qos: 1, retain: true } });
      await writer.publishAsync('state/writer', 'here', { qos: 1, retain: true });
      const reader = await connect(broker[transport], { protocolVersion, clientId: 'reader' });
      await reader.subscribeAsync('state/+', { qos: 1 });
      const here = await reader.take();
      assert.deepEqual([here.payload, here.packet.retain], ['here', true]);
      writer.options.reconnectPeriod = 0;
      writer.stream.destroy();
      assert.equal((await reader.take()).payload, 'gone');
      await reader.endAsync();
      await writer.endAsync(true);
    }));

    test(`${name}: a session misses nothing while the broker is killed and restarted`, { timeout: 180_000 }, () =>
      withBroker({}, async (broker) => {
        const reader = await connect(broker[transport], { ...durable, clientId: 'reader' });
        const writer = await connect(broker[transport], { ...durable, clientId: 'writer' });
        await reader.subscribeAsync('t', { qos: 1 });
        const total = 400;
        let acknowledged = 0;
        let killing = Promise.resolve();
        for (let n = 0; n < total; ++n) {
          writer.publish('t', `m${n}`, { qos: 1 }, (error) => { if (!error) ++acknowledged; });
          if (n % 10 === 9) await new Promise(setImmediate);
          if (n === total / 2) killing = broker.restart();
        }
        await killing;
        const seen = new Set();
        let highest = -1;
        while (seen.size < total) {
          const { payload } = await reader.take();
          const number = Number(payload.slice(1));
          if (seen.has(number)) continue;
          assert.ok(number > highest, `${number} came after ${highest}`);
          highest = number;
          seen.add(number);
        }
        assert.ok(acknowledged > 0);
        await reader.endAsync(true);
        await writer.endAsync(true);
      }));
  }
}

test('MQTT 5 properties, shared subscriptions and subscription identifiers', { timeout: 120_000 }, () =>
  withBroker({}, async (broker) => {
    const options = { protocolVersion: 5 };
    const first = await connect(broker.websocket, { ...options, clientId: 'first' });
    const second = await connect(broker.tcp, { ...options, clientId: 'second' });
    await first.subscribeAsync('$share/g/job', { qos: 1, properties: { subscriptionIdentifier: 5 } });
    await second.subscribeAsync('$share/g/job', { qos: 1, properties: { subscriptionIdentifier: 6 } });
    const properties = { contentType: 'application/json', responseTopic: 'r', correlationData: Buffer.from([0, 1]),
      userProperties: { k: ['v1', 'v2'] }, messageExpiryInterval: 100 };
    for (let n = 0; n < 20; ++n) await first.publishAsync('job', `j${n}`, { qos: 1, properties });
    const seen = new Set();
    const take = async (client, identifier) => {
      for (;;) {
        const got = await client.take();
        seen.add(got.payload);
        assert.equal(got.packet.properties.contentType, 'application/json');
        assert.equal(got.packet.properties.responseTopic, 'r');
        assert.deepEqual([...got.packet.properties.correlationData], [0, 1]);
        assert.deepEqual({ ...got.packet.properties.userProperties }, { k: ['v1', 'v2'] });
        assert.equal([got.packet.properties.subscriptionIdentifier].flat()[0], identifier);
        if (seen.size === 20) return;
      }
    };
    await Promise.race([take(first, 5), take(second, 6)]);
    assert.equal(seen.size, 20);
    await first.endAsync(true);
    await second.endAsync(true);
  }));

test('a client id is assigned and a large binary payload arrives unchanged', { timeout: 120_000 }, () =>
  withBroker({}, async (broker) => {
    const client = await connect(broker.websocket, { protocolVersion: 5, clientId: '' });
    assert.ok(client.connack.properties.assignedClientIdentifier.length > 0);
    await client.subscribeAsync('bytes', { qos: 1 });
    const bytes = Buffer.from(Array.from({ length: 900_000 }, (_, i) => (i * 31) & 255));
    await client.publishAsync('bytes', bytes, { qos: 1 });
    const got = await client.take();
    assert.ok(got.packet.payload.equals(bytes));
    await client.endAsync();
  }));

const historyRules = '[[history]]\nfilter = "news/#"\nmax_age = "1h"\n';
const position = ({ packet }) => packet.properties?.userProperties?.position;

// A reader whose SUBSCRIBE asks for history; resolves when SUBACK has said what comes of it.
async function asking(url, userProperties, qos = 1) {
  const reader = await connect(url, { protocolVersion: 5, clientId: `reader-${Math.random()}` });
  const suback = new Promise((resolve) => reader.on('packetreceive', (packet) => { if (packet.cmd === 'suback') resolve(packet); }));
  await reader.subscribeAsync('news/#', { qos, properties: { userProperties } });
  reader.history = (await suback).properties?.userProperties?.history;
  return reader;
}

for (const transport of ['tcp', 'websocket']) {
  test(`MQTT 5 over ${transport}: history is asked for with SUBSCRIBE and goes on where the last position was, over kill -9`,
    { timeout: 180_000 }, () => withBroker({ configuration: historyRules }, async (broker) => {
      const writer = await connect(broker[transport], { protocolVersion: 5, clientId: 'writer' });
      const total = 1500;
      for (let n = 0; n < total; n += 100)
        await Promise.all(Array.from({ length: 100 }, (_, i) => writer.publishAsync(`news/${(n + i) % 3}`, `${n + i}`, { qos: 1 })));
      const newest = await asking(broker[transport], { history: '3' });
      for (const wanted of ['1497', '1498', '1499']) assert.equal((await newest.take()).payload, wanted);
      await newest.endAsync();

      const first = await asking(broker[transport], { since: 'earliest' });
      assert.equal(first.history, '0.0');
      let last;
      for (let n = 0; n < 700; ++n) {
        const got = await first.take();
        assert.equal(got.payload, `${n}`);
        last = position(got);
      }
      first.options.reconnectPeriod = 0;
      first.stream.destroy();

      await broker.restart();
      await until(() => writer.connected, 'the writer is back');
      const second = await asking(broker[transport], { since: last });
      assert.equal(second.history, last);
      const live = writer.publishAsync('news/0', `${total}`, { qos: 1 });
      for (let n = 700; n <= total; ++n) {
        const got = await second.take();
        assert.equal(got.payload, `${n}`);
        assert.ok(position(got));
      }
      await live;
      assert.equal(second.inbox.length, 0);
      await second.endAsync(true);
      await writer.endAsync(true);
    }));
}

test('MQTT 5: history that makes no sense is refused with a reason', { timeout: 60_000 }, () =>
  withBroker({ configuration: historyRules }, async (broker) => {
    const reader = await connect(broker.tcp, { protocolVersion: 5, clientId: 'reader' });
    const suback = new Promise((resolve) => reader.on('packetreceive', (packet) => { if (packet.cmd === 'suback') resolve(packet); }));
    await reader.subscribeAsync('news/1', { qos: 0, properties: { userProperties: { history: 'ten' } } }).catch(() => {});
    const { granted, properties } = await suback;
    assert.deepEqual([...granted], [0x83]);
    assert.match(properties.reasonString, /history/);
    await reader.endAsync();
  }));
