// Unmodified pusher-js and Laravel Echo with durable sessions: cut off at random moments, over and over, while events are
// published steadily; nothing is missing and nothing is out of order. FULMAR_CUTS: how often (200); FULMAR_SEED: when.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { npmDirectory, packages, until, withBroker } from './broker.mjs';
import { Server } from './app_server.mjs';
import { Wire } from './cut_wire.mjs';

const Pusher = packages('pusher-js');
const { default: Echo } = await import(pathToFileURL(join(npmDirectory, 'node_modules/laravel-echo/dist/echo.js')));
const cuts = Number(process.env.FULMAR_CUTS ?? 200);
const seed = Number(process.env.FULMAR_SEED ?? Date.now() % 1_000_000);

// The same moments for the same seed.
function randomNumbers(from) {
  let state = from >>> 0 || 1;
  return () => {
    state ^= state << 13; state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5; state >>>= 0;
    return state / 2 ** 32;
  };
}

function options(server, port, wsPath) {
  return {
    cluster: 'none', wsHost: '127.0.0.1', wsPort: port, wsPath, forceTLS: false, enabledTransports: ['ws'],
    disableStats: true,
    channelAuthorization: {
      customHandler: ({ socketId, channelName }, done) => done(null, server.authorize(socketId, channelName,
        channelName.startsWith('presence-') ? { user_id: '1' } : undefined)),
    },
  };
}

// One client, and what its application is given.
class Listener {
  constructor(server, port, wsPath, channels) {
    this.pusher = new Pusher(server.key, options(server, port, wsPath));
    this.ledger = new Map(channels.map((name) => [name, new Set()]));  // in the order in which they came first
    this.duplicates = 0;
    this.verdicts = [];
    for (const name of channels) {
      const channel = this.pusher.subscribe(name);
      channel.bind('tick', ({ n }) => {
        const got = this.ledger.get(name);
        if (got.has(n)) ++this.duplicates;
        got.add(n);
      });
      channel.bind('pusher:subscription_succeeded', (data) => this.verdicts.push({ name, ...data }));
    }
  }

  subscribed() {
    return this.pusher.allChannels().every((channel) => channel.subscribed);
  }

  missing(published) {
    return [...published].reduce((sum, [name, count]) => sum + count - this.ledger.get(name).size, 0);
  }

  // How many came twice; throws if one is missing or came before an older one that was new.
  check(published) {
    for (const [name, got] of this.ledger)
      assert.deepEqual([...got], Array.from({ length: published.get(name) ?? 0 }, (_, n) => n), `the ledger of ${name}`);
    return this.duplicates;
  }
}

async function publishUntil(server, channels, published, stopped) {
  while (!stopped()) {
    for (const name of channels) {
      const n = published.get(name) ?? 0;
      try {
        await server.trigger(name, 'tick', { n });
      } catch (error) {
        if (stopped()) return;
        await new Promise((resolve) => setTimeout(resolve, 20));  // the broker restarts: the same number again
        continue;
      }
      published.set(name, n + 1);
    }
  }
}

// Many clients in one process, and a slow broker, need their time: as long as something new comes, it is waited for. A client
// whose handshake was cut off three times in a row waits a minute before it tries again.
async function complete(listeners, published) {
  const missing = () => listeners.reduce((sum, one) => sum + one.missing(published), 0);
  for (let left = missing(); left > 0;)
    left = await until(() => missing() < left && { now: missing() }, `any of the ${left} events that are missing`, 150)
      .then(({ now }) => now);
}

test(`a client that is cut off ${cuts} times misses nothing and gets everything in order`, { timeout: 600_000 }, () =>
  withBroker({}, async (broker) => {
    console.log(`seed ${seed}`);
    const random = randomNumbers(seed);
    const server = new Server(broker);
    const wire = await new Wire().open(broker.ports.http);
    const channels = ['orders', 'private-orders', 'presence-orders'];
    const listeners = Array.from({ length: 16 }, (_, i) => new Listener(server, wire.port, `/session/ledger-${i}`, channels));
    const published = new Map();
    let stop = false;
    try {
      await until(() => listeners.every((one) => one.subscribed()), 'all are subscribed');
      const publishing = publishUntil(server, channels, published, () => stop);
      let done = 0;
      while (done < cuts) {
        await new Promise((resolve) => setTimeout(resolve, 1 + random() * 120));
        if (wire.cut(Math.floor(random() * 1000))) ++done;
      }
      stop = true;
      await publishing;
      await complete(listeners, published);
      const duplicates = listeners.map((one) => one.check(published)).reduce((a, b) => a + b);
      const total = [...published.values()].reduce((a, b) => a + b);
      // The first subscription is new; whatever follows it has to know what was missed.
      for (const { verdicts } of listeners) {
        for (const name of ['orders', 'private-orders']) {
          const [first, ...others] = verdicts.filter((verdict) => verdict.name === name);
          assert.equal(first.reason, 'new');
          assert.ok(others.every(({ recovered }) => recovered === true), JSON.stringify(others));
        }
      }
      console.log(`${done} cuts, ${total} events to ${listeners.length} clients, none missing, ${duplicates} came twice`);
    } finally {
      stop = true;
      for (const one of listeners) one.pusher.disconnect();
      wire.close();
    }
  }));

test('a broker that is killed and comes back has lost nothing', { timeout: 120_000 }, () =>
  withBroker({}, async (broker) => {
    const server = new Server(broker);
    const channels = ['orders', 'private-orders'];
    const listener = new Listener(server, broker.ports.http, '/session/kill', channels);
    const published = new Map();
    let stop = false;
    try {
      await until(() => listener.subscribed(), 'it is subscribed');
      const publishing = publishUntil(server, channels, published, () => stop);
      await until(() => (published.get('orders') ?? 0) > 50, 'events are published');
      await broker.restart();
      const before = published.get('orders');
      await until(() => listener.subscribed() && published.get('orders') > before + 50, 'events are published again');
      stop = true;
      await publishing;
      await complete([listener], published);
      console.log(`${listener.check(published)} came twice`);
      const last = listener.verdicts.filter(({ name }) => name === 'orders').at(-1);
      assert.equal(last.recovered, true);
    } finally {
      stop = true;
      listener.pusher.disconnect();
    }
  }));

test('a client that was away is told how much it missed, or that something is gone', { timeout: 120_000 }, () =>
  withBroker({ configuration: `[[apps]]
id = "shop"
key = "key"
secret = "secret"
[apps.sessions]
enabled = true
messages_max = 5
` }, async (broker) => {
    const server = { key: 'key', broker };
    const whole = Object.assign(Object.create(Server.prototype), { broker, id: 'shop', key: 'key', secret: 'secret' });
    const token = `away.${createHmac('sha256', 'secret').update('session:away').digest('hex')}`;
    const printed = execFileSync(broker.program, ['session-token', '--config', broker.configFile, 'away'], { encoding: 'utf8' });
    assert.equal(printed, `/session/${token}\n`);
    let listener = new Listener(server, broker.ports.http, printed.trim(), ['orders']);
    try {
      await until(() => listener.subscribed(), 'it is subscribed');
      assert.deepEqual(listener.verdicts.shift(), { name: 'orders', recovered: false, reason: 'new', missed: 0 });
      for (const [count, verdict, first] of [[3, { recovered: true, missed: 3 }, 0], [8, { recovered: false, reason: 'limit', missed: 5 }, 3]]) {
        listener.pusher.disconnect();
        for (let n = 0; n < count; ++n) await whole.trigger('orders', 'tick', { n });
        listener = new Listener(server, broker.ports.http, printed.trim(), ['orders']);
        await until(() => listener.ledger.get('orders').size === verdict.missed, 'what was missed has come');
        assert.deepEqual(listener.verdicts.shift(), { name: 'orders', ...verdict });
        assert.deepEqual([...listener.ledger.get('orders')], Array.from({ length: verdict.missed }, (_, n) => n + first));
        assert.equal(listener.duplicates, 0);
        // What the application has had is acknowledged: a ping of the broker comes and is answered.
        await acknowledged(broker, listener);
      }
    } finally {
      listener.pusher.disconnect();
    }
  }));

// Until the broker has asked once more and had its answer.
async function acknowledged(broker, listener) {
  let asked = false;
  listener.pusher.connection.connection.bind('ping', () => { asked = true; });
  await until(() => asked, 'the broker asks whether everything has come');
  const before = listener.verdicts.length;
  const again = listener.pusher.subscribe(`settled-${Math.random().toString(36).slice(2)}`);
  await until(() => again.subscribed, 'the answer has been read');
  listener.pusher.unsubscribe(again.name);
  listener.verdicts.length = before;
}

test('Laravel Echo gets what it missed', { timeout: 120_000 }, () =>
  withBroker({}, async (broker) => {
    const server = new Server(broker);
    const wire = await new Wire().open(broker.ports.http);
    const echo = new Echo({ broadcaster: 'pusher', client: new Pusher(server.key, options(server, wire.port, '/session/echo')) });
    const got = [];
    let times = 0;
    try {
      echo.private('orders').listen('.shipped', ({ n }) => got.push(n)).subscribed(() => { ++times; });
      await until(() => times === 1, 'it is subscribed');
      await server.trigger('private-orders', 'shipped', { n: 1 });
      await until(() => got.length === 1, 'the first has come');
      wire.cut();
      for (const n of [2, 3]) await server.trigger('private-orders', 'shipped', { n });
      await until(() => new Set(got).size === 3, 'those that it missed have come');
      assert.deepEqual([...new Set(got)], [1, 2, 3]);
    } finally {
      echo.disconnect();
      wire.close();
    }
  }));
