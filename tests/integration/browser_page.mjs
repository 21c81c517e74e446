// A page with MQTT.js in Chromium: a persistent session over WebSocket that keeps a list of what it received.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { launchBrowser, npmDirectory } from './broker.mjs';

const script = `
window.received = [];
window.acknowledged = 0;
window.problems = [];
window.begin = (url, id, filter) => {
  const client = mqtt.connect(url, { clientId: id, protocolVersion: 5, clean: false, reconnectPeriod: 100,
    properties: { sessionExpiryInterval: 3600 } });
  window.client = client;
  client.on('message', (topic, payload) => window.received.push(topic + ' ' + payload.toString()));
  client.on('error', (error) => window.problems.push(String(error)));
  return new Promise((resolve, reject) => client.once('connect', () =>
    client.subscribe(filter, { qos: 1 }, (error) => error ? reject(error) : resolve())));
};
// The client gives a publish back with an error if the connection ends while it is still resending older ones: then it is
// the application's to say again.
window.say = (topic, text) => window.client.publish(topic, text, { qos: 1 }, (error) => {
  if (error) window.say(topic, text); else ++window.acknowledged;
});
`;

export async function openPage() {
  const bundle = readFileSync(join(npmDirectory, 'node_modules/mqtt/dist/mqtt.min.js'));
  const answers = {
    '/': ['text/html', '<!doctype html><title>MQTT in a page</title><script src="/mqtt.js"></script><script src="/page.js"></script>'],
    '/mqtt.js': ['text/javascript', bundle],
    '/page.js': ['text/javascript', script],
  };
  const server = createServer((request, response) => {
    const answer = answers[request.url];
    response.writeHead(answer ? 200 : 404, { 'content-type': answer?.[0] ?? 'text/plain' });
    response.end(answer?.[1]);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const browser = await launchBrowser();
  const page = await browser.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  return {
    page,
    errors,
    begin: (url, id, filter) => page.evaluate(([u, i, f]) => window.begin(u, i, f), [url, id, filter]),
    say: (topic, text) => page.evaluate(([t, x]) => window.say(t, x), [topic, text]),
    received: () => page.evaluate(() => window.received),
    acknowledged: () => page.evaluate(() => window.acknowledged),
    async close() {
      await browser.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
