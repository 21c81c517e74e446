// What an application's server does for its clients: it knows the secret of the development app.

import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export class Server {
  constructor(broker) {
    this.broker = broker;
    const text = readFileSync(join(broker.directory, 'data', 'development-app.toml'), 'utf8');
    for (const name of ['id', 'key', 'secret']) this[name] = new RegExp(`^${name}\\s*=\\s*"([^"]+)"`, 'm').exec(text)[1];
  }

  sign(text) { return `${this.key}:${createHmac('sha256', this.secret).update(text).digest('hex')}`; }

  authorize(socketId, channel, member) {
    if (!member) return { auth: this.sign(`${socketId}:${channel}`) };
    const channel_data = JSON.stringify(member);
    return { auth: this.sign(`${socketId}:${channel}:${channel_data}`), channel_data };
  }

  async request(method, path, body) {
    const text = body === undefined ? '' : JSON.stringify(body);
    const query = { auth_key: this.key, auth_timestamp: String(Math.floor(Date.now() / 1000)), auth_version: '1.0' };
    if (text) query.body_md5 = createHash('md5').update(text).digest('hex');
    const [bare, extra] = path.split('?');
    for (const [name, value] of new URLSearchParams(extra ?? '')) query[name] = value;
    const sorted = Object.keys(query).sort().map((name) => `${name}=${query[name]}`).join('&');
    const whole = `/apps/${this.id}${bare}`;
    const signature = createHmac('sha256', this.secret).update(`${method}\n${whole}\n${sorted}`).digest('hex');
    const answer = await fetch(`http://127.0.0.1:${this.broker.ports.http}${whole}?${sorted}&auth_signature=${signature}`,
      { method, body: text || undefined, headers: text ? { 'Content-Type': 'application/json' } : {} });
    assert.equal(answer.status, 200, await answer.clone().text());
    return answer.json();
  }

  trigger(channel, name, data, more = {}) {
    return this.request('POST', '/events', { name, channels: [channel], data: JSON.stringify(data), ...more });
  }
}
