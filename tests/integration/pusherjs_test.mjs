// Unmodified pusher-js and Laravel Echo in Node against the real program: every kind of channel, every kind of event.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { npmDirectory, once, packages, until, withBroker } from './broker.mjs';
import { Server } from './app_server.mjs';

const Pusher = packages('pusher-js');
// Its CommonJS build declares itself a module and cannot be required.
const { default: Echo } = await import(pathToFileURL(join(npmDirectory, 'node_modules/laravel-echo/dist/echo.js')));
const mqtt = packages('mqtt');
const nacl = packages('tweetnacl');
const limit = { timeout: 120_000 };

function options(server, more = {}) {
  return {
    cluster: 'none', wsHost: '127.0.0.1', wsPort: server.broker.ports.http, forceTLS: false, enabledTransports: ['ws'],
    disableStats: true,
    channelAuthorization: {
      customHandler: ({ socketId, channelName }, done) => done(null, server.authorize(socketId, channelName, more.member)),
    },
    userAuthentication: {
      customHandler: ({ socketId }, done) => {
        const user_data = JSON.stringify(more.user);
        done(null, { auth: server.sign(`${socketId}::user::${user_data}`), user_data });
      },
    },
    ...more.options,
  };
}

const open = new Set();

async function connect(server, more = {}) {
  const pusher = new Pusher(server.key, options(server, more));
  open.add(pusher);
  await state(pusher, 'connected');
  return pusher;
}

function state(pusher, wanted) {
  return until(() => pusher.connection.state === wanted, `the connection is ${wanted} (${pusher.connection.state})`);
}

// The values with which `emitter` emits `event`, in order.
function inbox(emitter, event) {
  const values = [];
  emitter.bind(event, (value, metadata) => values.push(metadata ? { value, metadata } : { value }));
  values.take = async () => {
    await until(() => values.length > 0, `${event} is emitted`);
    return values.shift();
  };
  return values;
}

async function subscribe(pusher, name) {
  const channel = pusher.subscribe(name);
  if (!channel.subscribed) await inbox(channel, 'pusher:subscription_succeeded').take();
  return channel;
}

function pusherTest(name, body, settings = {}) {
  test(name, limit, () => withBroker(settings, async (broker) => {
    try {
      await body(new Server(broker), broker);
    } finally {
      for (const pusher of open) pusher.disconnect();
      open.clear();
    }
  }));
}

pusherTest('events reach public, private, presence and cache channels', async (server) => {
  const pusher = await connect(server, { member: { user_id: '1' } });
  for (const name of ['open', 'private-a', 'presence-a', 'cache-a', 'private-cache-a', 'presence-cache-a']) {
    const channel = await subscribe(pusher, name);
    const events = inbox(channel, 'news');
    for (let n = 0; n < 20; ++n) await server.trigger(name, 'news', { n, text: 'Größe "1"\n' });
    for (let n = 0; n < 20; ++n) assert.deepEqual((await events.take()).value, { n, text: 'Größe "1"\n' });
  }
  assert.deepEqual(Object.keys((await server.request('GET', '/channels')).channels).sort(),
    ['cache-a', 'open', 'presence-a', 'presence-cache-a', 'private-a', 'private-cache-a']);
});

pusherTest('encrypted events reach those who have the key, and nobody can read them on the way', async (server) => {
  const name = 'private-encrypted-a';
  const key = createHash('sha256').update(name).update(Buffer.alloc(32, 7)).digest();
  const pusher = await connect(server, { options: { channelAuthorization: {
    customHandler: ({ socketId, channelName }, done) =>
      done(null, { ...server.authorize(socketId, channelName), shared_secret: key.toString('base64') }),
  } } });
  const events = inbox(await subscribe(pusher, name), 'news');
  const nonce = nacl.randomBytes(24);
  const text = JSON.stringify({ secret: 'x'.repeat(5000) });
  const ciphertext = nacl.secretbox(Buffer.from(text), nonce, key);
  await server.trigger(name, 'news',
    { nonce: Buffer.from(nonce).toString('base64'), ciphertext: Buffer.from(ciphertext).toString('base64') });
  assert.deepEqual((await events.take()).value, JSON.parse(text));
});

pusherTest('the sender of an event is left out', async (server) => {
  const [sender, other] = [await connect(server), await connect(server)];
  const [mine, others] = [inbox(await subscribe(sender, 'room'), 'news'), inbox(await subscribe(other, 'room'), 'news')];
  await server.trigger('room', 'news', 1, { socket_id: sender.connection.socket_id });
  await server.trigger('room', 'news', 2);
  assert.deepEqual([(await others.take()).value, (await others.take()).value], [1, 2]);
  assert.equal((await mine.take()).value, 2);
});

pusherTest('a cache channel greets with the last event, or with cache_miss', async (server) => {
  const first = (await connect(server)).subscribe('cache-c');
  await inbox(first, 'pusher:cache_miss').take();
  await server.trigger('cache-c', 'news', 'old');
  await server.trigger('cache-c', 'news', 'last');
  const late = inbox((await connect(server)).subscribe('cache-c'), 'news');
  assert.equal((await late.take()).value, 'last');
});

pusherTest('a cache channel with history greets with the last event after kill -9, too', async (server, broker) => {
  await server.trigger('cache-c', 'news', 'old');
  await server.trigger('cache-c', 'news', 'last');
  // What was triggered is logged when the answer comes, or a moment later: its place can be asked for.
  await until(async () => {
    const answer = await fetch(`http://127.0.0.1:${broker.ports.http}/v1/history/cache-c`, { headers: {
      authorization: `Basic ${Buffer.from(`${server.key}:${server.secret}`).toString('base64')}` } });
    return answer.ok && (await answer.json()).messages.length === 2;
  }, 'both events are in the history');
  await broker.restart();
  const late = inbox((await connect(server)).subscribe('cache-c'), 'news');
  assert.equal((await late.take()).value, 'last');
}, { configuration: '[[history]]\nfilter = "cache-c"\n' });

pusherTest('members of a presence channel see each other come and go', async (server) => {
  const anna = await connect(server, { member: { user_id: 'anna', user_info: { name: 'Anna' } } });
  const room = await subscribe(anna, 'presence-room');
  assert.equal(room.members.me.info.name, 'Anna');
  const [added, removed] = [inbox(room, 'pusher:member_added'), inbox(room, 'pusher:member_removed')];
  const bert = { member: { user_id: 'bert', user_info: { name: 'Bert' } } };
  const [bert1, bert2] = [await connect(server, bert), await connect(server, bert)];
  const his = await subscribe(bert1, 'presence-room');
  assert.deepEqual([his.members.count, his.members.get('anna').info.name], [2, 'Anna']);
  await subscribe(bert2, 'presence-room');
  assert.deepEqual((await added.take()).value, { id: 'bert', info: { name: 'Bert' } });
  const state = await server.request('GET', '/channels/presence-room?info=user_count,subscription_count');
  assert.deepEqual([state.user_count, state.subscription_count], [2, 3]);
  bert1.disconnect();
  bert2.unsubscribe('presence-room');
  assert.equal((await removed.take()).value.id, 'bert');
  assert.deepEqual([added.length, removed.length, room.members.count], [0, 0, 1]);
});

pusherTest('clients whisper to each other, with their user id in presence channels', async (server) => {
  const one = await connect(server, { member: { user_id: 'one' } });
  const two = await connect(server, { member: { user_id: 'two' } });
  for (const name of ['private-w', 'presence-w']) {
    const [from, to] = [await subscribe(one, name), await subscribe(two, name)];
    const [own, others] = [inbox(from, 'client-typing'), inbox(to, 'client-typing')];
    assert.ok(from.trigger('client-typing', { n: 1 }));
    const got = await others.take();
    assert.deepEqual(got.value, { n: 1 });
    if (name.startsWith('presence-')) assert.equal(got.metadata.user_id, 'one');
    assert.equal(own.length, 0);
  }
});

pusherTest('a client that whispers too fast is told so and stays', async (server) => {
  const pusher = await connect(server);
  const channel = await subscribe(pusher, 'private-w');
  const errors = inbox(pusher.connection, 'error');
  for (let n = 0; n < 60; ++n) channel.trigger('client-x', n);
  assert.equal((await errors.take()).value.data.code, 4301);
  assert.equal(pusher.connection.state, 'connected');
});

pusherTest('a subscription with a wrong signature is refused', async (server) => {
  const pusher = await connect(server, { options: { channelAuthorization: {
    customHandler: (_, done) => done(null, { auth: `${server.key}:abc` }),
  } } });
  const errors = inbox(pusher.connection, 'error');
  const refused = inbox(pusher.subscribe('private-no'), 'pusher:subscription_error');
  assert.equal((await refused.take()).value.status, 401);
  assert.match((await errors.take()).value.data.message, /Invalid signature/);
});

pusherTest('a user signs in, is reached as a user, and is sent away', async (server) => {
  const pusher = await connect(server, { user: { id: 'u1', user_info: { name: 'U' }, watchlist: ['u2', 'u3'] } });
  const online = inbox(pusher.user.watchlist, 'online');
  const offline = inbox(pusher.user.watchlist, 'offline');
  const personal = inbox(pusher.user, 'news');
  pusher.signin();
  assert.deepEqual((await offline.take()).value.user_ids.sort(), ['u2', 'u3']);
  const friend = await connect(server, { user: { id: 'u2' } });
  friend.signin();
  assert.deepEqual((await online.take()).value.user_ids, ['u2']);
  friend.disconnect();
  assert.deepEqual((await offline.take()).value.user_ids, ['u2']);
  await until(async () => (await server.request('GET', '/channels')).channels['#server-to-user-u1'], 'his channel is occupied');
  await server.trigger('#server-to-user-u1', 'news', 'for you');
  assert.equal((await personal.take()).value, 'for you');
  await server.request('POST', '/users/u1/terminate_connections', {});
  await state(pusher, 'disconnected');
});

pusherTest('a presence channel needs no channel_data from a signed-in user', async (server) => {
  const pusher = await connect(server, { user: { id: 'u1', user_info: { name: 'U' } } });
  pusher.signin();
  const channel = await subscribe(pusher, 'presence-p');
  assert.deepEqual([channel.members.myID, channel.members.me.info.name], ['u1', 'U']);
});

pusherTest('an unknown key is refused for good', async (server) => {
  const pusher = new Pusher('nobody', options(server));
  open.add(pusher);
  await state(pusher, 'disconnected');
});

pusherTest('clients come back after a broken connection and a killed broker', async (server, broker) => {
  const pusher = await connect(server);
  const events = inbox(await subscribe(pusher, 'room'), 'news');
  const before = pusher.connection.socket_id;
  await broker.restart();
  await until(() => pusher.connection.state === 'connected' && pusher.connection.socket_id !== before, 'a new connection');
  await until(async () => (await server.request('GET', '/channels')).channels.room, 'the channel is occupied again');
  await server.trigger('room', 'news', 'again');
  assert.equal((await events.take()).value, 'again');
});

pusherTest('MQTT and Pusher clients share topics, events and payloads', async (server, broker) => {
  const pusher = await connect(server);
  const channel = await subscribe(pusher, 'shared');
  const [plain, named] = [inbox(channel, 'message'), inbox(channel, 'alarm')];
  const client = mqtt.connect(broker.tcp, { protocolVersion: 5 });
  await once(client, 'connect');
  await client.subscribeAsync('shared', { qos: 1 });
  const received = [];
  client.on('message', (topic, payload, packet) =>
    received.push([topic, payload.toString(), packet.properties?.userProperties?.event]));
  await client.publishAsync('shared', 'from MQTT', { qos: 1 });
  await client.publishAsync('shared', '{"level":3}', { qos: 0, properties: { userProperties: { event: 'alarm' } } });
  await client.publishAsync('shared', Buffer.from([0xff, 0x00]), { qos: 1 });
  assert.equal((await plain.take()).value, 'from MQTT');
  assert.deepEqual((await named.take()).value, { level: 3 });
  assert.equal((await plain.take()).value, '/wA=');
  await server.trigger('shared', 'alarm', { level: 4 });
  await until(() => received.length === 4, 'everything reaches the MQTT client');
  assert.deepEqual(received[3], ['shared', '{"level":4}', 'alarm']);
  assert.deepEqual(received[1], ['shared', '{"level":3}', 'alarm']);
  await client.endAsync(true);
});

pusherTest('Laravel Echo listens, whispers and sees who is here', async (server) => {
  const echo = (id) => {
    const pusher = new Pusher(server.key, options(server, { member: { user_id: id, user_info: { name: id } } }));
    open.add(pusher);
    return new Echo({ broadcaster: 'pusher', client: pusher, key: server.key, namespace: false });
  };
  const [anna, bert] = [echo('anna'), echo('bert')];
  const seen = { here: [], joining: [], leaving: [], events: [], whispers: [] };
  anna.join('room').here((users) => seen.here.push(...users)).joining((user) => seen.joining.push(user))
    .leaving((user) => seen.leaving.push(user)).listen('Shipped', (event) => seen.events.push(event))
    .listenForWhisper('typing', (event) => seen.whispers.push(event));
  await until(() => seen.here.length > 0, 'the members are here');
  const his = bert.join('room');
  await until(() => seen.joining.length > 0, 'he has joined');
  await until(() => his.subscription.subscribed, 'he is subscribed');
  his.whisper('typing', { at: 1 });
  await until(() => seen.whispers.length > 0, 'the whisper is heard');
  await server.trigger('presence-room', 'Shipped', { order: 7 });
  await until(() => seen.events.length > 0, 'the event is heard');
  bert.leave('room');
  await until(() => seen.leaving.length > 0, 'he has left');
  assert.deepEqual(seen, { here: [{ name: 'anna' }], joining: [{ name: 'bert' }], leaving: [{ name: 'bert' }],
    events: [{ order: 7 }], whispers: [{ at: 1 }] });
});

// README.md, "Instead of Pusher", with other ports.
pusherTest('the lines of the README connect', async (server, broker) => {
  const { http } = broker.ports;
  const lines = { cluster: 'none', wsHost: 'localhost', wsPort: http, httpHost: 'localhost', httpPort: http, forceTLS: false,
    enabledTransports: ['ws', 'xhr_streaming', 'xhr_polling'], disableStats: true };
  const pusher = new Pusher(server.key, lines);
  const echo = new Echo({ broadcaster: 'pusher', key: server.key, Pusher, ...lines });
  open.add(pusher).add(echo.connector.pusher);
  const library = packages('pusher');
  const backend = new library({ appId: server.id, key: server.key, secret: server.secret, host: 'localhost', port: http, useTLS: false });
  const got = [];
  pusher.subscribe('orders').bind('created', (value) => got.push(['pusher-js', value]));
  echo.channel('orders').listen('.created', (value) => got.push(['Echo', value]));
  await until(async () => (await server.request('GET', '/channels/orders?info=subscription_count')).subscription_count === 2,
    'both are subscribed');
  await backend.trigger('orders', 'created', { number: 1 });
  await until(() => got.length === 2, 'both are told');
  assert.deepEqual(got.sort(), [['Echo', { number: 1 }], ['pusher-js', { number: 1 }]]);
});
