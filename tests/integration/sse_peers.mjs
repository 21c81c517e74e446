// Publishers and readers of the tests of Server-Sent Events.

import assert from 'node:assert/strict';
import { packages } from './broker.mjs';

const { EventSource } = packages('eventsource');

export const base = (broker) => `http://127.0.0.1:${broker.ports.http}`;

export async function publish(broker, topic, data, headers = {}) {
  const answer = await fetch(`${base(broker)}/v1/publish`, { method: 'POST',
    headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify({ topic, data }) });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer.json();
}

// Says a message until it is acknowledged: the key makes a retry within one life of the broker harmless.
export async function publishSurely(broker, topic, data) {
  for (let attempt = 0; ; ++attempt) {
    try {
      return await publish(broker, topic, data, { 'idempotency-key': `${topic} ${data}` });
    } catch (error) {
      if (attempt > 1000) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

export async function listen(url, options) {
  const source = new EventSource(url, options);
  source.got = [];
  source.onmessage = (event) => source.got.push(event);
  await new Promise((resolve, reject) => {
    source.addEventListener('ready', resolve, { once: true });
    source.onerror = (error) => { if (source.readyState === source.CLOSED) reject(new Error(`${error.code} ${error.message}`)); };
  });
  return source;
}

// A ledger of one topic: every acknowledged message once, in order. A publish whose answer was lost with the broker may
// have been logged before it was said again: it is in the log twice, under two ids.
export function check(got, total, who) {
  const first = new Set();
  const ids = new Set();
  for (const { data, id } of got) {
    assert.ok(!ids.has(id), `${who}: id ${id} came twice`);
    ids.add(id);
    first.add(data);
  }
  assert.deepEqual([...first], Array.from({ length: total }, (_, n) => String(n)), who);
}
