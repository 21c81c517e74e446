// The unmodified npm package `pusher` (the library of application servers) against the real program: triggers that reach
// pusher-js, questions, errors, webhooks through failures and kills, and a configuration that changes under way.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { test } from 'node:test';
import { packages, until, withBroker } from './broker.mjs';

const Server = packages('pusher');
const Client = packages('pusher-js');
const limit = { timeout: 120_000 };

const id = 'shop';
const key = 'public-key';
const secret = 'not-so-public';

function configuration({ hooks = [], more = '', keys = [{ key, secret }] } = {}) {
  const list = keys.map((each) => `{ key = "${each.key}", secret = "${each.secret}" }`).join(', ');
  const webhooks = hooks.map(({ url, events, headers }) => `[[apps.webhooks]]\nurl = "${url}"\nevents = ${JSON.stringify(events)}\n`
    + (headers ? `headers = { ${Object.entries(headers).map(([n, v]) => `${n} = "${v}"`).join(', ')} }\n` : ''));
  return `[[apps]]\nid = "${id}"\nkeys = [${list}]\nclient_events = true\n${more}\n${webhooks.join('')}`;
}

function library(broker, more = {}) {
  return new Server({ appId: id, key, secret, host: '127.0.0.1', port: String(broker.ports.http), useTLS: false, ...more });
}

function options(broker, server, user) {
  return {
    cluster: 'none', wsHost: '127.0.0.1', wsPort: broker.ports.http, forceTLS: false, enabledTransports: ['ws'],
    disableStats: true,
    channelAuthorization: {
      customHandler: ({ socketId, channelName }, done) => done(null, server.authorizeChannel(socketId, channelName,
        channelName.startsWith('presence-') ? { user_id: user, user_info: { name: user } } : undefined)),
    },
    userAuthentication: { customHandler: ({ socketId }, done) => done(null, server.authenticateUser(socketId, { id: user })) },
  };
}

async function connect(broker, server, user = 'u1') {
  const client = new Client(key, options(broker, server, user));
  await until(() => client.connection.state === 'connected', `connected (${client.connection.state})`);
  return client;
}

async function subscribe(client, name) {
  const channel = client.subscribe(name);
  channel.inbox = [];
  channel.bind_global((event, data) => { if (!event.startsWith('pusher:')) channel.inbox.push([event, data]); });
  await until(() => channel.subscribed, `subscribed to ${name}`);
  return channel;
}

const received = (channel, ...events) => until(() => channel.inbox.length >= events.length, `events on ${channel.name}`)
  .then(() => assert.deepEqual(channel.inbox.splice(0), events));

async function json(answer) {
  assert.equal(answer.status, 200);
  return answer.json();
}

// Where webhooks arrive. `answer` decides what becomes of a request; null: it is never answered.
class Receiver {
  constructor() {
    this.events = [];
    this.requests = [];
    this.answer = () => 200;
    this.http = createServer((request, response) => {
      let body = '';
      request.on('data', (part) => { body += part; });
      request.on('end', () => {
        const status = this.answer(this.requests.length);
        this.requests.push({ headers: request.headers, body, status });
        if (status === null) return;
        if (status >= 200 && status < 300) this.events.push(...JSON.parse(body).events);
        response.writeHead(status).end();
      });
    });
  }

  async listen() {
    this.http.listen(0, '127.0.0.1');
    await once(this.http, 'listening');
    this.url = `http://127.0.0.1:${this.http.address().port}/hook`;
    return this;
  }

  end() {
    this.http.close();
    this.http.closeAllConnections();
  }

  has(name, channel) {
    return until(() => this.events.find((each) => each.name === name && each.channel === channel), `${name} of ${channel}`);
  }
}

async function withReceivers(count, body) {
  const receivers = await Promise.all(Array.from({ length: count }, () => new Receiver().listen()));
  try {
    await body(...receivers);
  } finally {
    receivers.forEach((each) => each.end());
  }
}

async function withClients(body) {
  const open = [];
  try {
    await body(async (...args) => {
      const client = await connect(...args);
      open.push(client);
      return client;
    });
  } finally {
    open.forEach((each) => each.disconnect());
  }
}

test('triggers reach pusher-js: one, several channels, batches, without the sender', limit,
  () => withBroker({ configuration: configuration() }, (broker) => withClients(async (open) => {
    const server = library(broker);
    const one = await open(broker, server);
    const two = await open(broker, server);
    const [news, secretNews] = [await subscribe(one, 'news'), await subscribe(one, 'private-news')];
    const others = await subscribe(two, 'news');

    assert.deepEqual(await json(await server.trigger('news', 'e', { text: 'ü"\\' })), {});
    await received(news, ['e', { text: 'ü"\\' }]);
    await received(others, ['e', { text: 'ü"\\' }]);

    assert.deepEqual(await json(await server.trigger(['news', 'private-news'], 'f', 'plain')), {});
    await received(news, ['f', 'plain']);
    await received(secretNews, ['f', 'plain']);
    await received(others, ['f', 'plain']);

    assert.deepEqual(await json(await server.triggerBatch([
      { channel: 'news', name: '1', data: { n: 1 } }, { channel: 'news', name: '2', data: { n: 2 } }])), {});
    await received(news, ['1', { n: 1 }], ['2', { n: 2 }]);
    await received(others, ['1', { n: 1 }], ['2', { n: 2 }]);

    await json(await server.trigger('news', 'not-you', {}, { socket_id: one.connection.socket_id }));
    await json(await server.trigger('news', 'everybody', {}, { socket_id: '123.456' }));
    await received(others, ['not-you', {}], ['everybody', {}]);
    await received(news, ['everybody', {}]);
  })));

test('attributes, channels, users and termination are answered as the libraries expect', limit,
  () => withBroker({ configuration: configuration() }, (broker) => withClients(async (open) => {
    const server = library(broker);
    const [first, again, second] = [await open(broker, server, 'u1'), await open(broker, server, 'u1'), await open(broker, server, 'u2')];
    for (const client of [first, again, second]) await subscribe(client, 'presence-room');
    await subscribe(first, 'plain');

    assert.deepEqual(await json(await server.trigger(['presence-room', 'plain'], 'e', {}, { info: 'user_count,subscription_count' })),
      { channels: { 'presence-room': { user_count: 2, subscription_count: 3 }, plain: { subscription_count: 1 } } });
    assert.deepEqual(await json(await server.triggerBatch([
      { channel: 'plain', name: 'e', data: {}, info: 'subscription_count' }, { channel: 'plain', name: 'e', data: {} },
      { channel: 'presence-room', name: 'e', data: {}, info: 'user_count,subscription_count' }])),
    { batch: [{ subscription_count: 1 }, {}, { user_count: 2, subscription_count: 3 }] });

    const get = async (path, params) => json(await server.get({ path, params }));
    assert.deepEqual(await get('/channels'), { channels: { plain: {}, 'presence-room': {} } });
    assert.deepEqual(await get('/channels', { filter_by_prefix: 'presence-', info: 'user_count' }),
      { channels: { 'presence-room': { user_count: 2 } } });
    assert.deepEqual(await get('/channels/presence-room', { info: 'user_count,subscription_count' }),
      { occupied: true, user_count: 2, subscription_count: 3 });
    assert.deepEqual(await get('/channels/nobody'), { occupied: false });
    assert.deepEqual((await get('/channels/presence-room/users')).users.sort((a, b) => a.id.localeCompare(b.id)),
      [{ id: 'u1' }, { id: 'u2' }]);

    second.signin();
    await until(() => second.user.user_data, 'signed in');
    const mine = [];
    second.user.bind('hello', (data) => mine.push(data));
    await until(() => server.sendToUser('u2', 'hello', { to: 'you' }).then(() => mine.length > 0), 'the user is reached');
    assert.deepEqual(mine[0], { to: 'you' });
    assert.deepEqual(await json(await server.terminateUserConnections('u2')), {});
    await until(() => second.connection.state === 'disconnected', 'the connection was closed');
    assert.equal(first.connection.state, 'connected');
  })));

test('what is wrong is an error with status and words', limit,
  () => withBroker({ configuration: configuration() }, async (broker) => {
    const server = library(broker);
    const refused = async (promise, status, words) => {
      const error = await promise.then(() => assert.fail('accepted'), (reason) => reason);
      assert.equal(error.status, status, error.body);
      assert.match(JSON.parse(error.body).error, words);
    };
    await refused(server.trigger('a', 'e', 'x'.repeat(10_241)), 413, /exceeds the allowed maximum/);
    await refused(server.triggerBatch(Array(11).fill({ channel: 'a', name: 'e', data: {} })), 400, /Batch too large/);
    await refused(server.get({ path: '/channels', params: { info: 'user_count' } }), 400, /presence/);
    await refused(library(broker, { secret: 'guessed' }).trigger('a', 'e', {}), 401, /Invalid signature/);
    await refused(library(broker, { key: 'guessed' }).trigger('a', 'e', {}), 401, /auth_key/);
    await refused(library(broker, { appId: 'other' }).trigger('a', 'e', {}), 404, /no app/);
  }));

test('webhooks tell of channels, members and client events, signed', limit,
  () => withReceivers(1, (receiver) => withBroker({
    configuration: configuration({ hooks: [{ url: receiver.url, headers: { 'X-Token': 'mine' },
      events: ['channel_occupied', 'channel_vacated', 'member_added', 'member_removed', 'client_event'] }] }),
  }, (broker) => withClients(async (open) => {
    const server = library(broker);
    const client = await open(broker, server, 'u7');
    const room = await subscribe(client, 'presence-room');
    await receiver.has('channel_occupied', 'presence-room');
    assert.deepEqual(await receiver.has('member_added', 'presence-room'),
      { name: 'member_added', channel: 'presence-room', user_id: 'u7' });
    room.trigger('client-typing', { on: true });
    assert.deepEqual(await receiver.has('client_event', 'presence-room'), {
      name: 'client_event', channel: 'presence-room', event: 'client-typing', data: '{"on":true}',
      socket_id: client.connection.socket_id, user_id: 'u7' });
    client.unsubscribe('presence-room');
    await receiver.has('member_removed', 'presence-room');
    await receiver.has('channel_vacated', 'presence-room');
    for (const { headers, body } of receiver.requests) {
      assert.equal(headers['content-type'], 'application/json');
      assert.equal(headers['x-token'], 'mine');
      const hook = server.webhook({ headers, rawBody: body });
      assert.ok(hook.isValid(), body);
      assert.equal(hook.getEvents().length, 1);
      assert.ok(Math.abs(hook.getTime() - Date.now()) < 120_000);
    }
  }))));

test('a webhook that fails is tried again, one that hangs holds up nobody', limit,
  () => withReceivers(2, (failing, hanging) => withBroker({
    configuration: configuration({ hooks: [{ url: hanging.url, events: ['channel_occupied'] },
      { url: failing.url, events: ['channel_occupied'] }] }),
  }, (broker) => withClients(async (open) => {
    hanging.answer = () => null;
    failing.answer = (n) => [500, 404, 200][Math.min(n, 2)];
    const client = await open(broker, library(broker));
    await subscribe(client, 'a');
    await failing.has('channel_occupied', 'a');
    assert.deepEqual(failing.requests.map((each) => each.status), [500, 404, 200]);
    assert.ok(hanging.requests.length >= 1);
    for (let n = 0; n < 20; ++n) await subscribe(client, `b${n}`);
    await failing.has('channel_occupied', 'b19');
    assert.deepEqual(hanging.events, []);
  }))));

test('webhooks that were not delivered survive a kill', limit,
  () => withReceivers(1, (receiver) => withBroker({
    configuration: configuration({ hooks: [{ url: receiver.url, events: ['channel_occupied', 'channel_vacated'] }] }),
  }, async (broker) => {
    receiver.answer = () => 503;
    const names = Array.from({ length: 20 }, (_, n) => `c${n}`);
    await withClients(async (open) => {
      const client = await open(broker, library(broker));
      for (const name of names) await subscribe(client, name);
      await until(() => receiver.requests.length > names.length, 'a second attempt: by then everything is stored');
    });
    await broker.kill();
    receiver.answer = () => 200;
    receiver.events = [];
    await broker.start();
    for (const name of names) await receiver.has('channel_occupied', name);
  })));

test('a broker that is told to stop ends cleanly while webhooks wait, and sends them after its start', limit,
  () => withReceivers(1, (receiver) => withBroker({
    configuration: configuration({ hooks: [{ url: receiver.url, events: ['channel_occupied', 'channel_vacated'] }] }),
  }, (broker) => withClients(async (open) => {
    receiver.answer = () => null;
    const client = await open(broker, library(broker));
    await subscribe(client, 'a');
    await until(() => receiver.requests.length > 0, 'the first attempt');
    client.disconnect();  // or it would come back after the start, and its departure would be taken back
    const child = broker.process;
    child.kill('SIGTERM');
    assert.equal(await child.ended, 0);
    receiver.answer = () => 200;
    await broker.start();
    await receiver.has('channel_occupied', 'a');
    await receiver.has('channel_vacated', 'a');
  }))));

test('a new configuration is taken without dropping connections; keys are rotated', limit,
  () => withBroker({ configuration: configuration() }, (broker) => withClients(async (open) => {
    const server = library(broker);
    const client = await open(broker, server);
    const news = await subscribe(client, 'news');
    const fresh = { key: 'fresh-key', secret: 'fresh-secret' };
    await broker.reload(configuration({ keys: [fresh, { key, secret }] }));
    await json(await library(broker, fresh).trigger('news', 'fresh', {}));
    await json(await server.trigger('news', 'old', {}));
    await received(news, ['fresh', {}], ['old', {}]);
    await broker.reload(configuration({ keys: [fresh] }));
    await assert.rejects(server.trigger('news', 'refused', {}), { status: 401 });
    await json(await library(broker, fresh).trigger('news', 'still', {}));
    await received(news, ['still', {}]);
    assert.equal(client.connection.state, 'connected');
  })));
