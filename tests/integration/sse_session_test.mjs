// Sessions of Server-Sent Events (?session=) against the real program, with topics that keep no history: readers are killed and
// forget everything, and the broker is killed. What was acknowledged to the publisher must reach the session's reader.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { metric, start, until, withBroker } from './broker.mjs';
import { base, check, listen, publish, publishSurely } from './sse_peers.mjs';

// A process that reads; `lines` is what it printed so far.
function reader(url) {
  const child = start(process.execPath, [new URL('sse_session_peer.mjs', import.meta.url).pathname, url],
    { stdio: ['ignore', 'pipe', 'inherit'], env: process.env });
  const out = { child, text: '', get lines() { return this.text.split('\n').slice(0, -1); } };
  child.stdout.setEncoding('utf8').on('data', (part) => { out.text += part; });
  return out;
}

// Reads without an EventSource, whose last id would come along; begins again when the stream ends, with the session alone.
async function readForever(broker, path, got, end) {
  while (!end.reached) {
    try {
      const answer = await fetch(`${base(broker)}${path}`);
      let text = '';
      for await (const part of answer.body.pipeThrough(new TextDecoderStream())) {
        const lines = (text += part).split('\n');
        text = lines.pop();
        for (const line of lines) if (line) got.push(JSON.parse(line));
        if (end.reached) return;
      }
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

test('a process that is killed and begins anew without an id gets what was published meanwhile', { timeout: 120_000 }, () =>
  withBroker({}, async (broker) => {
    const url = `${base(broker)}/sse?topic=jobs/%2B&session=worker-1`;
    let said = 0;
    const say = async (count) => { for (; count > 0; --count) await publish(broker, `jobs/${said % 3}`, String(said++)); };
    const got = [];
    for (let round = 0; round < 4; ++round) {
      const one = reader(url);
      await until(() => one.lines.includes('ready'), 'it listens');
      await say(20);
      await until(() => one.lines.includes(String(said - 1)), 'it has everything');
      one.child.kill('SIGKILL');
      await one.child.ended;
      got.push(...one.lines.filter((line) => line !== 'ready'));
      if (round === 1) await broker.restart();
      await say(20);
    }
    const last = reader(url);
    await until(() => last.lines.includes(String(said - 1)), 'the last one catches up');
    got.push(...last.lines.filter((line) => line !== 'ready'));
    assert.deepEqual([...new Set(got)], Array.from({ length: said }, (_, n) => String(n)));
    assert.equal(await metric(broker, 'fulmar_sse_sessions'), 1);
    last.child.kill();
  }));

test('the place of a session moves on, so little comes again', { timeout: 120_000 }, () => withBroker({}, async (broker) => {
  const url = `${base(broker)}/sse?topic=jobs&session=s`;
  const first = reader(url);
  await until(() => first.lines.includes('ready'), 'it listens');
  for (let n = 0; n < 50; ++n) await publish(broker, 'jobs', String(n));
  await until(() => first.lines.includes('49'), 'it has everything');
  // The place is remembered when the client's machine has acknowledged it: ask until nothing comes again.
  first.child.kill('SIGKILL');
  await until(async () => {
    const again = reader(url);
    await until(() => again.lines.includes('ready'), 'it listens again');
    await publish(broker, 'jobs', 'mark');
    await until(() => again.lines.includes('mark'), 'it is live');
    const repeated = again.lines.filter((line) => /^\d+$/.test(line)).length;
    // Alive for longer than the broker waits before it looks.
    const listening = Date.now();
    await until(() => Date.now() - listening > 1000, 'it was looked at');
    again.child.kill('SIGKILL');
    await again.child.ended;
    return repeated === 0;
  }, 'the session has moved on');
}));

test('the npm package eventsource with a session misses nothing while the broker is killed', { timeout: 240_000 }, () =>
  withBroker({}, async (broker) => {
    const source = await listen(`${base(broker)}/sse?topic=jobs/%23&session=s1`);
    const gaps = [];
    source.addEventListener('gap', (event) => gaps.push(event.data));
    const nameless = [];
    const end = { reached: false };
    const forgetful = readForever(broker, '/sse?topic=jobs/%23&session=s2&format=ndjson', nameless, end);
    try {
      const total = 1200;
      let killing = Promise.resolve();
      await until(async () => await metric(broker, 'fulmar_sse_sessions') === 2, 'both sessions are there');
      for (let n = 0; n < total; ++n) {
        await publishSurely(broker, 'jobs/1', String(n));
        if (n === total / 3 || n === (2 * total) / 3) killing = killing.then(() => broker.restart());
      }
      await killing;
      await until(() => source.got.some((event) => event.data === String(total - 1)), 'the EventSource catches up');
      check(source.got.map((event) => ({ data: event.data, id: event.lastEventId })), total, 'the EventSource');
      assert.deepEqual(gaps, []);
      await until(() => nameless.some((event) => event.data === String(total - 1)), 'who remembers nothing catches up');
      assert.ok(nameless.every((event) => event.gap === undefined));
      assert.deepEqual([...new Set(nameless.map((event) => event.data))], Array.from({ length: total }, (_, n) => String(n)));
    } finally {
      source.close();
      end.reached = true;
      await publish(broker, 'jobs/1', 'end').catch(() => {});
      await broker.kill();
      await forgetful;
    }
  }));

test('a second EventSource takes the session over, and the first one stops by itself', { timeout: 120_000 }, () =>
  withBroker({}, async (broker) => {
    const url = `${base(broker)}/sse?topic=jobs&session=s`;
    const first = await listen(url);
    let told = 0;
    first.addEventListener('taken-over', () => ++told);
    const second = await listen(url);
    try {
      await until(() => first.readyState === first.CLOSED, 'the first one has stopped');
      assert.equal(told, 1);
      await publish(broker, 'jobs', 'one');
      await until(() => second.got.length === 1, 'the second one listens');
      assert.equal(await metric(broker, 'fulmar_sse_sessions_taken_over_total'), 1);
      assert.equal(first.got.length, 0);
    } finally {
      first.close();
      second.close();
    }
  }));

test('a session is stored: it expires, also over a restart', { timeout: 120_000 }, () =>
  withBroker({ 'http.session_expiry': '15s' }, async (broker) => {
    const source = await listen(`${base(broker)}/sse?topic=jobs&session=s`);
    await broker.restart();
    await until(async () => await metric(broker, 'fulmar_sse_streams') === 1, 'it came back by itself');
    source.close();
    await until(async () => await metric(broker, 'fulmar_sse_streams') === 0, 'it has gone');
    await broker.restart();
    assert.equal(await metric(broker, 'fulmar_sse_sessions'), 1);
    await until(async () => await metric(broker, 'fulmar_sse_sessions') === 0, 'it has expired');
  }));
