// The page at `/` in development mode, in Chromium: with pusher-js that the broker serves, and with its own few lines.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { launchBrowser, npmDirectory, until, withBroker } from './broker.mjs';
import { Server } from './app_server.mjs';

const limit = { timeout: 120_000 };
const library = join(npmDirectory, 'node_modules/pusher-js/dist/web/pusher.min.js');
const apps = '[[apps]]\nid = "shop"\nkey = "shop-key"\nsecret = "a-secret-that-is-long-enough"\n';

async function withPage(broker, body) {
  const browser = await launchBrowser();
  try {
    const page = await browser.newPage();
    const troubles = [];
    page.on('pageerror', (error) => troubles.push(String(error)));
    page.on('console', (message) => {
      if (message.type() === 'error') troubles.push(message.text());
    });
    page.on('request', (request) => {
      if (new URL(request.url()).port !== String(broker.ports.http)) troubles.push(`another host is asked: ${request.url()}`);
    });
    await page.goto(`http://127.0.0.1:${broker.ports.http}/`);
    await body({
      page,
      state: (wanted) => until(async () => await page.textContent('#state') === wanted, `the page is ${wanted}`),
      shown: (text) => until(async () => (await page.textContent('#log')).includes(text), `the page shows ${text}`),
    });
    assert.deepEqual(troubles.filter((text) => !text.includes('favicon')), []);
  } finally {
    await browser.close();
  }
}

for (const [name, settings] of [['pusher-js', { 'development.pusher_js': library }], ['its own client', {}]]) {
  test(`with ${name} the page connects, sends and receives`, limit, () => withBroker(settings, async (broker) => {
    const server = new Server(broker);
    await withPage(broker, async ({ page, state, shown }) => {
      assert.equal(await page.evaluate(() => typeof window.Pusher), name === 'pusher-js' ? 'function' : 'undefined');
      await state('connected');
      await shown('subscribed');
      await page.fill('#text', '<b>Größe</b>');
      await page.press('#text', 'Enter');  // by keyboard alone
      await shown('<b>Größe</b>');
      await server.trigger('hello', 'news', { from: 'a server' });
      await shown('{"from":"a server"}');
      await page.fill('#channel', 'other');
      await page.press('#channel', 'Tab');
      await shown('to other');
      await server.trigger('other', 'news', 'on the other channel');
      await shown('on the other channel');
    });
  }));

  test(`with ${name} the page is cut off, and comes back`, limit, () => withBroker(settings, async (broker) => {
    await withPage(broker, async ({ page, state, shown }) => {
      await state('connected');
      await shown('subscribed');
      assert.equal(await page.textContent('#recovery'), '', 'who comes for the first time has missed nothing');
      await page.click('#cut');
      await state('disconnected');
      await page.click('#publish');
      await shown('published while you were away (1)');
      await page.click('#back');
      await state('connected');
      await until(async () => /Recovered: 1 missed event,/.test(await page.textContent('#recovery')), 'the missed event is announced');
      await until(async () => await page.locator('#log .replayed', { hasText: 'published while you were away (1)' }).count() === 1,
        'the missed event is there');
      await page.fill('#text', 'back again');
      await page.press('#text', 'Enter');
      await shown('back again');
    });
  }));
}

test('the page is told to run nothing but its own, and is not there for configured apps', limit, async () => {
  await withBroker({}, async (broker) => {
    const answer = await fetch(`http://127.0.0.1:${broker.ports.http}/`);
    const policy = answer.headers.get('content-security-policy');
    for (const part of ["default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'"]) assert.ok(policy.includes(part), policy);
    const nonce = /script-src 'nonce-([0-9a-f]{32})'/.exec(policy)[1];
    const text = await answer.text();
    assert.ok(text.includes(`<script nonce="${nonce}">`));
    assert.ok(text.includes(new Server(broker).key) && !text.includes(new Server(broker).secret) && !text.includes('{{'));
    assert.notEqual((await fetch(answer.url)).headers.get('content-security-policy'), policy);
    assert.equal((await fetch(`${answer.url}pusher.js`)).status, 404);
  });
  await withBroker({ configuration: apps }, async (broker) => {
    assert.equal((await fetch(`http://127.0.0.1:${broker.ports.http}/`)).status, 404);
  });
});
