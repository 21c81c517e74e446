// Keys of tokens from a URL: rotation, and a server that fails, hangs, answers nonsense or without end.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePort, metric, packages, until, withBroker } from './broker.mjs';

const mqtt = packages('mqtt');
const apps = '[[apps]]\nid = "1"\nkey = "key"\nsecret = "secret"\n';

class Key {
  constructor(kid) {
    this.kid = kid;
    Object.assign(this, generateKeyPairSync('ec', { namedCurve: 'P-256' }));
  }
  get jwk() {
    return { ...this.publicKey.export({ format: 'jwk' }), kid: this.kid, use: 'sig', alg: 'ES256' };
  }
  token(header = {}) {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const exp = Math.floor(Date.now() / 1000) + 300;
    const text = `${part({ alg: 'ES256', kid: this.kid, ...header })}.${part({ sub: 'ann', publish: ['#'], exp })}`;
    return `${text}.${sign('sha256', Buffer.from(text), { key: this.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
  }
}

// `answer(response)` decides what the next requests get.
async function keyServer(port = 0, tls = undefined) {
  const handle = (request, response) => {
    server.asked += 1;
    server.paths.add(request.url);
    server.answer(response);
  };
  const server = tls ? createSecureServer(tls, handle) : createServer(handle);
  Object.assign(server, { asked: 0, paths: new Set(), serve: (...keys) => {
    server.answer = (response) => response.end(JSON.stringify({ keys: keys.map((each) => each.jwk) }));
  } });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  server.end = () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); });
  return server;
}

function withKeys(port, refresh, run, base = `http://127.0.0.1:${port}`) {
  const jwt = `[jwt]\nalgorithm = "ES256"\njwks_url = "${base}/keys"\njwks_refresh = "${refresh}"\n`;
  return withBroker({ configuration: apps + jwt }, run);
}

async function publish(broker, token) {
  const answer = await fetch(`http://127.0.0.1:${broker.ports.http}/v1/publish`, { method: 'POST', body: '{"topic":"a","data":"1"}',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` } });
  await answer.text();
  return answer.status;
}

const failures = (broker) => metric(broker, 'fulmar_jwks_fetches_total{outcome="failed"}');
const accepts = (broker, key) => until(async () => await publish(broker, key.token()) === 200, `key ${key.kid} is known`);

test('a token with a new kid brings the new keys, and the old ones end with what they let in', { timeout: 180_000 }, async () => {
  const server = await keyServer();
  const [first, second] = [new Key('1'), new Key('2')];
  server.serve(first);
  try {
    await withKeys(server.address().port, '1d', async (broker) => {
      await accepts(broker, first);
      assert.deepEqual([...server.paths], ['/keys']);
      assert.equal(await publish(broker, second.token()), 401);
      assert.equal(await publish(broker, new Key('1').token()), 401, 'a known kid with another key');
      assert.equal(await publish(broker, first.token({ alg: 'none' })), 401, 'the algorithm is not for tokens to choose');

      const client = await mqtt.connectAsync(broker.tcp, { protocolVersion: 5, username: 'jwt', password: first.token(), reconnectPeriod: 0 });
      const ended = new Promise((resolve) => client.once('disconnect', (packet) => resolve(packet.reasonCode)));
      server.serve(second);
      const before = server.asked;
      await accepts(broker, second);
      assert.ok(server.asked <= before + 2, `a token does not make a fetch: ${server.asked - before} fetches`);
      assert.equal(await publish(broker, first.token()), 401);
      assert.equal(await ended, 0x98);
      await client.endAsync(true);
      assert.equal(await metric(broker, 'fulmar_jwks_keys'), 1);
    });
  } finally {
    await server.end();
  }
});

test('keys are fetched again without being asked for, and stay in force whatever the server answers', { timeout: 300_000 }, async () => {
  const server = await keyServer();
  const [first, second] = [new Key('1'), new Key('2')];
  server.serve(first);
  try {
    await withKeys(server.address().port, '10s', async (broker) => {
      await accepts(broker, first);
      const stays = async (what, answer) => {
        server.answer = answer;
        const [asked, failed] = [server.asked, await failures(broker)];
        await until(() => server.asked > asked, `fetched again: ${what}`);
        await until(async () => await failures(broker) > failed, `counted as failed: ${what}`);
        assert.equal(await publish(broker, first.token()), 200, what);
      };
      await stays('nonsense', (response) => response.end('<html>'));
      await stays('no keys', (response) => response.end('{"keys":[]}'));
      await stays('an error', (response) => response.writeHead(500).end(JSON.stringify({ keys: [second.jwk] })));
      await stays('a redirection', (response) => response.writeHead(302, { location: '/elsewhere' }).end());
      await stays('more than it may be', (response) => {
        const go = () => { while (!response.destroyed && response.write('x'.repeat(65_536)));
          if (!response.destroyed) response.once('drain', go); };
        response.on('error', () => {});
        go();
      });
      await stays('a broken connection', (response) => response.destroy());
      await stays('nothing', () => {});
      assert.ok(!server.paths.has('/elsewhere'), 'no redirection is followed');
      assert.match(readFileSync(broker.logFile, 'utf8'), /keys of tokens not fetched; those in force stay/);
      server.serve(second);
      await until(async () => await metric(broker, 'fulmar_jwks_keys') === 1 && await publish(broker, first.token()) === 401,
        'the old key is withdrawn');
      assert.equal(await publish(broker, second.token()), 200);
    });
  } finally {
    await server.end();
  }
});

test('a broker that cannot reach its keys starts, refuses tokens, and lets others in', { timeout: 180_000 }, async () => {
  const port = await freePort();
  const key = new Key('1');
  await withKeys(port, '1d', async (broker) => {
    assert.equal(await publish(broker, key.token()), 503, 'it is not the token that is wrong');
    await assert.rejects(mqtt.connectAsync(broker.tcp, { protocolVersion: 5, username: 'jwt', password: key.token(), reconnectPeriod: 0 }),
      (error) => error.code === 0x88);
    const basic = await fetch(`http://127.0.0.1:${broker.ports.http}/v1/sessions`,
      { headers: { authorization: `Basic ${Buffer.from('key:secret').toString('base64')}` } });
    assert.equal(basic.status, 200);
    assert.equal(await metric(broker, 'fulmar_jwks_keys'), 0);
    await until(async () => await failures(broker) > 1, 'it tries again');
    const server = await keyServer(port);
    server.serve(key);
    try {
      await accepts(broker, key);
    } finally {
      await server.end();
    }
    assert.equal(await publish(broker, key.token()), 200, 'also without the server');
  });
});

test('a server that takes the call and says nothing holds up neither start nor end', { timeout: 120_000 }, async () => {
  const server = await keyServer();
  server.answer = () => {};
  try {
    await withKeys(server.address().port, '1d', async (broker) => {
      await until(() => server.asked > 0, 'the broker has called');
      assert.equal(await publish(broker, new Key('1').token()), 503);
      broker.process.kill('SIGTERM');
      assert.equal(await broker.process.ended, 0);
    });
  } finally {
    await server.end();
  }
});

test('keys are taken only from a server whose certificate is trusted and for its name', { timeout: 120_000 }, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'fulmar-jwks-'));
  const files = { key: join(directory, 'key.pem'), cert: join(directory, 'cert.pem') };
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', files.key,
    '-out', files.cert, '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'], { stdio: 'ignore' });
  const server = await keyServer(0, { key: readFileSync(files.key), cert: readFileSync(files.cert) });
  const key = new Key('1');
  server.serve(key);
  const { port } = server.address();
  const refused = (base) => withKeys(port, '1d', async (broker) => {
    await until(async () => await failures(broker) > 0, 'the first fetch fails');
    assert.equal(await publish(broker, key.token()), 503);
    assert.match(broker.log(), /no secure connection: .*certificate verify failed/);
    assert.equal(server.asked, 0, 'nothing was asked');
  }, base);
  try {
    await refused(`https://localhost:${port}`);
    process.env.SSL_CERT_FILE = files.cert;
    await refused(`https://127.0.0.1:${port}`);
    await withKeys(port, '1d', (broker) => accepts(broker, key), `https://localhost:${port}`);
  } finally {
    delete process.env.SSL_CERT_FILE;
    await server.end();
    rmSync(directory, { recursive: true, force: true });
  }
});
