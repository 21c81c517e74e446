// Unmodified pusher-js without WebSocket against the real program: xhr_streaming and xhr_polling, in Node and in Chromium.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { launchBrowser, metric, npmDirectory, packages, until, withBroker } from './broker.mjs';
import { Server } from './app_server.mjs';
import { Wire } from './cut_wire.mjs';

const Pusher = packages('pusher-js');
const transports = ['xhr_streaming', 'xhr_polling'];
const limit = { timeout: 120_000 };
const total = 1000;
const filler = 'ä€𝄞'.repeat(120);  // one, two and three units a character for whoever counts bytes

function connect(server, transport, member, more = {}) {
  const pusher = new Pusher(server.key, {
    cluster: 'none', wsHost: '127.0.0.1', wsPort: 1, httpHost: '127.0.0.1', httpPort: server.broker.ports.http, forceTLS: false,
    enabledTransports: [transport], disableStats: true,
    channelAuthorization: {
      customHandler: ({ socketId, channelName }, done) => done(null, server.authorize(socketId, channelName, member)),
    },
    userAuthentication: {
      customHandler: ({ socketId }, done) => {
        const user_data = JSON.stringify({ id: member?.user_id ?? '1' });
        done(null, { auth: server.sign(`${socketId}::user::${user_data}`), user_data });
      },
    },
    ...more,
  });
  pusher.codes = [];
  pusher.connection.bind('error', (error) => pusher.codes.push(error?.data?.code));
  return pusher;
}

const connected = (pusher) => until(() => pusher.connection.state === 'connected', `connected (${pusher.connection.state})`);

async function subscribe(pusher, name) {
  const channel = pusher.subscribe(name);
  await until(() => channel.subscribed, `subscribed to ${name}`);
  return channel;
}

// Ten triggers at a time: order is promised for one after the other only, so each batch holds its own. Half a megabyte ahead of
// what was heard at most: behind one megabyte events are dropped.
async function triggerMany(server, channel, count, heard = () => count) {
  for (let n = 0; n < count; n += 10) {
    if (n % 100 === 0) await until(async () => await heard() >= n - 300, `what was sent arrives on ${channel}`);
    const batch = Array.from({ length: 10 }, (_, i) =>
      ({ channel, name: 'news', data: JSON.stringify({ n: n + i, filler }) }));
    await server.request('POST', '/batch_events', { batch });
  }
}

function fallbackTest(transport, name, body, settings = {}) {
  test(`${transport}: ${name}`, limit, () => withBroker(settings, async (broker) => {
    const open = [];
    const server = new Server(broker);
    try {
      await body((member, more) => { open.push(connect(server, transport, member, more)); return open.at(-1); }, server, broker);
    } finally {
      for (const pusher of open) pusher.disconnect();
    }
  }));
}

for (const transport of transports) {
  fallbackTest(transport, 'a thousand events arrive in order on public, private and presence channels', async (client, server, broker) => {
    const pusher = client({ user_id: '1' });
    await connected(pusher);
    const got = { open: [], 'private-a': [], 'presence-a': [] };
    for (const name of Object.keys(got)) (await subscribe(pusher, name)).bind('news', ({ n }) => got[name].push(n));
    // One after the other: order is promised per connection of a publisher, and requests side by side have several.
    for (const name of Object.keys(got)) await triggerMany(server, name, total, () => got[name].length);
    const wanted = Array.from({ length: total }, (_, n) => n);
    for (const name of Object.keys(got)) {
      await until(() => got[name].length >= total, `everything arrives on ${name} (${got[name].length})`);
      assert.deepEqual(got[name], wanted);
    }
    // One session all the time, and its response was opened again and again.
    assert.equal(await metric(broker, 'fulmar_pusher_http_sessions_total'), 1);
    assert.ok(await metric(broker, 'fulmar_pusher_http_requests_total{what="receive"}') > 5);
    assert.equal(pusher.connection.state, 'connected');
  });

  fallbackTest(transport, 'members, client events, sign-in and errors are as over WebSocket', async (client, server) => {
    const [anna, bert] = [client({ user_id: 'anna' }), client({ user_id: 'bert' })];
    const room = [];
    const seen = await (async () => {
      await connected(anna);
      const channel = await subscribe(anna, 'presence-room');
      for (const event of ['pusher:member_added', 'pusher:member_removed', 'client-typing'])
        channel.bind(event, (value, more) => room.push([event, value.id ?? value, more?.user_id]));
      return channel;
    })();
    await connected(bert);
    const his = await subscribe(bert, 'presence-room');
    assert.deepEqual(Object.keys(his.members.members).sort(), ['anna', 'bert']);
    his.trigger('client-typing', { text: 'Größe "1"\n' });
    await until(() => room.length >= 2, 'he is seen and heard');
    assert.deepEqual(room, [['pusher:member_added', 'bert', undefined], ['client-typing', { text: 'Größe "1"\n' }, 'bert']]);
    bert.signin();
    await until(() => bert.user.user_data, 'he is signed in');
    anna.subscribe('bad name');
    await until(() => anna.codes.length > 0, 'a bad name is refused');
    await server.request('POST', '/users/bert/terminate_connections', {});
    await until(() => bert.connection.state === 'disconnected', 'his connection is terminated for good');
    await until(() => room.length >= 3, 'he has gone');
    assert.deepEqual(room[2].slice(0, 2), ['pusher:member_removed', 'bert']);
    assert.equal(seen.members.count, 1);
  });

  fallbackTest(transport, 'an unknown key is refused for good, and a broker that comes back is found again', async (client, server, broker) => {
    const stranger = client(undefined, {});
    await connected(stranger);
    const wrong = new Pusher('nobody', { ...stranger.config, cluster: 'none', forceTLS: false, enabledTransports: [transport],
      httpHost: '127.0.0.1', httpPort: broker.ports.http });
    try {
      await until(() => wrong.connection.state === 'disconnected' || wrong.connection.state === 'failed', 'it gives up');
      const channel = await subscribe(stranger, 'c');
      const got = [];
      channel.bind('news', (value) => got.push(value));
      await broker.restart();
      await until(async () => (await server.request('GET', '/channels/c')).occupied, 'the client comes back');
      await server.trigger('c', 'news', 1);
      await until(() => got.length === 1, 'and is told');
    } finally {
      wrong.disconnect();
    }
  });

  fallbackTest(transport, 'a client with a session that is cut off gets what it missed, in order', async (client, server, broker) => {
    const wire = await new Wire().open(broker.ports.http);
    try {
      const pusher = client({ user_id: '1' }, { httpPort: wire.port, httpPath: '/session/fallback' });
      const got = { open: [], 'private-a': [] };
      const verdicts = [];
      for (const name of Object.keys(got)) {
        pusher.subscribe(name).bind('news', ({ n }) => got[name].push(n));
        pusher.channel(name).bind('pusher:subscription_succeeded', (verdict) => verdicts.push(verdict));
      }
      await until(() => verdicts.length === 2, 'it is subscribed');
      assert.ok(verdicts.every(({ reason }) => reason === 'new'), JSON.stringify(verdicts));
      await triggerMany(server, 'open', 10);
      await until(() => got.open.length === 10, 'the first have come');
      wire.cutAll();
      const { length } = verdicts;
      // More than one response of a stream carries.
      await triggerMany(server, 'private-a', 400);
      wire.down = false;
      await until(() => new Set(got['private-a']).size === 400, 'what it missed has come');
      const wanted = Array.from({ length: 400 }, (_, n) => n);
      assert.deepEqual([...new Set(got['private-a'])], wanted);
      assert.deepEqual([...new Set(got.open)], wanted.slice(0, 10));
      assert.ok(verdicts.slice(length).every(({ recovered }) => recovered === true), JSON.stringify(verdicts));
      assert.ok(verdicts.slice(length).some(({ missed }) => missed === 400), JSON.stringify(verdicts));
      await server.trigger('open', 'news', { n: 10 });
      await until(() => got.open.at(-1) === 10, 'and what happens now');
    } finally {
      wire.close();
    }
  });

  fallbackTest(transport, 'a session outlives a broker that is killed', async (client, server, broker) => {
    const pusher = client(undefined, { httpPath: '/session/fallback' });
    const got = [];
    const verdicts = [];
    pusher.subscribe('open').bind('news', ({ n }) => got.push(n));
    pusher.channel('open').bind('pusher:subscription_succeeded', (verdict) => verdicts.push(verdict));
    await until(() => verdicts.length === 1, 'it is subscribed');
    await triggerMany(server, 'open', 20);
    await broker.restart();
    await triggerMany(server, 'open', 30);  // maybe before it is back
    await until(() => new Set(got).size === 30 && verdicts.length > 1, 'everything has come');
    assert.deepEqual([...new Set(got)], Array.from({ length: 30 }, (_, n) => n));
    assert.equal(verdicts.at(-1).recovered, true);
  });

  fallbackTest(transport, 'a broker that stops says goodbye with 4200', async (client, server, broker) => {
    const pusher = client();
    await connected(pusher);
    const states = [];
    pusher.connection.bind('state_change', ({ current }) => states.push(current));
    broker.process.kill('SIGTERM');
    assert.equal(await broker.process.ended, 0);
    await until(() => states.includes('connecting'), 'the client looks for another at once');
    broker.process = null;
  });
}

fallbackTest('xhr_streaming', 'a client that goes leaves its presence channels at once', async (client, server) => {
  const pusher = client({ user_id: '1' });
  await connected(pusher);
  await subscribe(pusher, 'presence-a');
  pusher.disconnect();
  await until(async () => !(await server.request('GET', '/channels/presence-a')).occupied, 'nobody is there', 10);
});

fallbackTest('xhr_streaming', 'without any session allowed there is no fallback', async (client) => {
  const pusher = client();
  await until(() => ['unavailable', 'failed', 'disconnected'].includes(pusher.connection.state), 'it does not connect', 30);
}, { 'pusher.http_sessions_max': '0' });

// --- in a page of another origin, whose browser has no WebSocket -----------------------------------------------------

const script = `
delete window.WebSocket;
window.got = [];
window.begin = (key, port, transports) => new Promise((resolve) => {
  const pusher = new Pusher(key, { cluster: 'none', wsHost: '127.0.0.1', wsPort: port, httpHost: '127.0.0.1', httpPort: port,
    forceTLS: false, disableStats: true, ...(transports && { enabledTransports: transports }),
    channelAuthorization: { customHandler: ({ socketId, channelName }, done) =>
      window.authorize(socketId, channelName, { user_id: 'page' }).then((answer) => done(null, answer)) } });
  window.pusher = pusher;
  window.channel = pusher.subscribe('presence-page');
  window.channel.bind('news', ({ n }) => window.got.push(n));
  window.channel.bind('client-typing', (value) => { window.typed = value; });
  window.channel.bind('pusher:subscription_succeeded', () => resolve(pusher.connection.connection.transport.name));
});
`;

async function withPage(server, body) {
  const answers = {
    '/': ['text/html', '<!doctype html><title>page</title>'],
    '/pusher.js': ['text/javascript', readFileSync(join(npmDirectory, 'node_modules/pusher-js/dist/web/pusher.min.js'))],
  };
  const pages = createServer((request, response) => {
    const answer = answers[request.url];
    response.writeHead(answer ? 200 : 404, { 'content-type': answer?.[0] ?? 'text/plain' });
    response.end(answer?.[1]);
  });
  await new Promise((resolve) => pages.listen(0, '127.0.0.1', resolve));
  const browser = await launchBrowser();
  try {
    const page = await browser.newPage();
    const elsewhere = [];
    page.on('request', (request) => {
      if (new URL(request.url()).hostname !== '127.0.0.1') elsewhere.push(request.url());
    });
    await page.exposeFunction('authorize', (...args) => server.authorize(...args));
    await page.goto(`http://127.0.0.1:${pages.address().port}/`);
    await page.addScriptTag({ content: script });
    await page.addScriptTag({ url: '/pusher.js' });
    await body(page);
    assert.deepEqual(elsewhere, []);
  } finally {
    await browser.close();
    pages.closeAllConnections();
    await new Promise((resolve) => pages.close(resolve));
  }
}

for (const wanted of [['xhr_streaming'], ['xhr_polling'], undefined]) {
  test(`Chromium without WebSocket: ${wanted ?? 'what pusher-js chooses'}`, limit, () => withBroker({}, async (broker) => {
    const server = new Server(broker);
    await withPage(server, async (page) => {
      const name = await page.evaluate(([k, p, t]) => window.begin(k, p, t), [server.key, broker.ports.http, wanted]);
      assert.match(name, /^xhr_/);
      const count = () => page.evaluate(() => window.got.length);
      await triggerMany(server, 'presence-page', total, count);
      await until(async () => await count() >= total, 'everything arrives');
      assert.deepEqual(await page.evaluate(() => window.got), Array.from({ length: total }, (_, n) => n));
      const other = connect(server, 'ws', { user_id: 'node' }, { wsPort: broker.ports.http });
      try {
        await connected(other);
        const channel = await subscribe(other, 'presence-page');
        channel.trigger('client-typing', { to: 'page' });
        assert.deepEqual(await until(() => page.evaluate(() => window.typed), 'the page hears'), { to: 'page' });
        const heard = [];
        channel.bind('client-typing', (value) => heard.push(value));
        await page.evaluate(() => window.channel.trigger('client-typing', { to: 'node' }));
        await until(() => heard.length > 0, 'the page is heard');
        assert.deepEqual(heard, [{ to: 'node' }]);
        await page.evaluate(() => window.pusher.disconnect());
      } finally {
        other.disconnect();
      }
    });
  }));
}
