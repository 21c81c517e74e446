// Unmodified pusher-js in Chromium against the real program: a page subscribes, whispers, and comes back after a kill.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { launchBrowser, npmDirectory, until, withBroker } from './broker.mjs';
import { Server } from './app_server.mjs';

const script = `
window.got = [];
window.begin = (key, port, user) => new Promise((resolve) => {
  const pusher = new Pusher(key, { cluster: 'none', wsHost: '127.0.0.1', wsPort: port, forceTLS: false,
    enabledTransports: ['ws'], channelAuthorization: { customHandler: ({ socketId, channelName }, done) =>
      window.authorize(socketId, channelName, { user_id: user }).then((answer) => done(null, answer)) } });
  window.pusher = pusher;
  window.channel = pusher.subscribe('presence-page');
  for (const event of ['news', 'client-typing', 'pusher:member_added', 'pusher:member_removed'])
    window.channel.bind(event, (value) => window.got.push([event, value]));
  window.channel.bind('pusher:subscription_succeeded', resolve);
});
`;

async function openPage(server) {
  const answers = {
    '/': ['text/html', '<!doctype html><title>page</title><script src="/pusher.js"></script><script src="/page.js"></script>'],
    '/pusher.js': ['text/javascript', readFileSync(join(npmDirectory, 'node_modules/pusher-js/dist/web/pusher.min.js'))],
    '/page.js': ['text/javascript', script],
  };
  const pages = createServer((request, response) => {
    const answer = answers[request.url];
    response.writeHead(answer ? 200 : 404, { 'content-type': answer?.[0] ?? 'text/plain' });
    response.end(answer?.[1]);
  });
  await new Promise((resolve) => pages.listen(0, '127.0.0.1', resolve));
  const browser = await launchBrowser();
  const page = await browser.newPage();
  await page.exposeFunction('authorize', (...args) => server.authorize(...args));
  await page.goto(`http://127.0.0.1:${pages.address().port}/`);
  return {
    begin: (user) => page.evaluate(([k, p, u]) => window.begin(k, p, u), [server.key, server.broker.ports.http, user]),
    whisper: (value) => page.evaluate((v) => window.channel.trigger('client-typing', v), value),
    take: (event) => until(() => page.evaluate((name) => {
      const at = window.got.findIndex(([seen]) => seen === name);
      return at < 0 ? null : { value: window.got.splice(at, 1)[0][1] };
    }, event), `${event} reaches the page`).then(({ value }) => value),
    subscribed: () => page.evaluate(() => window.pusher.connection.state === 'connected' && window.channel.subscribed),
    async close() {
      await browser.close();
      pages.closeAllConnections();
      await new Promise((resolve) => pages.close(resolve));
    },
  };
}

test('two pages see each other, are sent events, and come back after a kill', { timeout: 240_000 }, () =>
  withBroker({}, async (broker) => {
    const server = new Server(broker);
    const [one, two] = [await openPage(server), await openPage(server)];
    try {
      await one.begin('one');
      await two.begin('two');
      assert.equal((await one.take('pusher:member_added')).id, 'two');
      await two.whisper({ n: 1 });
      assert.deepEqual(await one.take('client-typing'), { n: 1 });
      const long = 'ä'.repeat(4000);
      await server.trigger('presence-page', 'news', long);
      assert.equal(await one.take('news'), long);
      assert.equal(await two.take('news'), long);
      await broker.restart();
      await until(async () => (await server.request('GET', '/channels/presence-page?info=user_count')).user_count === 2,
        'both are members again');
      await until(async () => await one.subscribed() && await two.subscribed(), 'both know it');
      await server.trigger('presence-page', 'news', 'again');
      assert.equal(await one.take('news'), 'again');
      assert.equal(await two.take('news'), 'again');
      await two.close();
      assert.equal((await one.take('pusher:member_removed')).id, 'two');
    } finally {
      await one.close();
      await two.close().catch(() => {});
    }
  }));
