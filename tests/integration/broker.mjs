// A real fulmar process for the Node tests: started, killed, restarted, and ended by its process id.
//
// The program is $FULMAR_BIN, else $FULMAR_DEFAULT_BIN (set by CTest); npm packages come from $FULMAR_NPM.
// $FULMAR_TEST_SHARDS sets the number of shards.

import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, existsSync, openSync, closeSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const npmDirectory = process.env.FULMAR_NPM ?? new URL('.', import.meta.url).pathname;
export const packages = createRequire(join(npmDirectory, 'package.json'));

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));

// FULMAR_... variables are settings of the broker; those of the tests are not for it.
function environment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('FULMAR_')));
}

// Starts a program that ends with this one.
export function start(command, args, options = {}) {
  const child = spawn(command, args, { env: environment(), ...options });
  running.add(child);
  child.ended = new Promise((resolve) => child.once('exit', (code, signal) => {
    running.delete(child);
    resolve(code ?? signal);
  }));
  return child;
}

export async function until(condition, what, seconds = 60) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`not within ${seconds} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

let portsGiven = 0;

// Whether the socket could be bound to the port; `bind` binds it.
function binds(socket, bind) {
  return new Promise((resolve) => {
    socket.once('error', () => resolve(false));
    bind(() => resolve(true));
  });
}

// A port that nobody uses and that the kernel never gives to an outgoing connection. It stays ours over a restart: the UDP
// port of the same number is held until the end, and every test asks for that one first. From a place of this process's own,
// so that tests that run side by side seldom meet.
export async function freePort() {
  const first = Number(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s/)[0]);
  const least = Math.min(10000, first - 2000);
  for (let attempt = 0; attempt < 1000; ++attempt) {
    const port = least + (process.pid * 97 + portsGiven++) % (first - least);
    const claim = createSocket('udp4').unref();
    if (!await binds(claim, (done) => claim.bind({ port, address: '127.0.0.1', exclusive: true }, done))) continue;
    const probe = createServer();
    if (await binds(probe, (done) => probe.listen(port, '127.0.0.1', done))) {
      await new Promise((resolve) => probe.close(resolve));
      return port;
    }
    claim.close();
  }
  throw new Error('no free port');
}

export class Broker {
  // `configuration`: the text of a file, for what cannot be set with --set.
  constructor({ configuration, ...settings } = {}) {
    this.program = process.env.FULMAR_BIN ?? process.env.FULMAR_DEFAULT_BIN;
    if (!this.program) throw new Error('FULMAR_BIN must name the fulmar program');
    this.directory = mkdtempSync(join(tmpdir(), 'fulmar-test-'));
    this.logFile = join(this.directory, 'broker.log');
    this.settings = settings;
    if (configuration !== undefined) this.configure(configuration);
    if (process.env.FULMAR_TEST_SHARDS) this.settings['node.shards'] ??= process.env.FULMAR_TEST_SHARDS;
    this.starts = 0;
    this.process = null;
  }

  async start() {
    this.wanted ??= { mqtt: await freePort(), http: await freePort(), grpc: await freePort(), admin: await freePort() };
    if (process.env.FULMAR_TEST_GRPC === 'off') {  // ThreadSanitizer cannot see what that library synchronises
      delete this.wanted.grpc;
      this.settings['listeners.grpc.enabled'] ??= 'false';
    }
    const portsFile = join(this.directory, `ports-${++this.starts}.json`);
    const args = ['serve', '--data-dir', join(this.directory, 'data'), '--ports-file', portsFile];
    for (const [name, port] of Object.entries(this.wanted)) args.push(`--${name}-port`, String(port));
    for (const [key, value] of Object.entries(this.settings)) args.push('--set', `${key}=${value}`);
    if (this.configFile) args.push('--config', this.configFile);
    const log = openSync(this.logFile, 'a');
    const child = start(this.program, args, { stdio: ['ignore', log, log] });
    closeSync(log);
    this.process = child;
    let ended = false;
    child.ended.then(() => { ended = true; });
    await until(() => {
      if (ended) throw new Error(`the broker does not start:\n${this.log()}`);
      if (!existsSync(portsFile)) return false;
      const text = readFileSync(portsFile, 'utf8');
      if (!text.includes('}')) return false;
      this.ports = JSON.parse(text);
      return true;
    }, 'the broker listens');
    return this;
  }

  configure(text) {
    this.configFile = join(this.directory, 'fulmar.toml');
    writeFileSync(this.configFile, text);
  }

  // Takes the configuration file as it is now.
  async reload(text) {
    this.configure(text);
    const before = this.log().split('apps reloaded').length;
    this.process.kill('SIGHUP');
    await until(() => this.log().split('apps reloaded').length > before, 'the configuration is read again');
  }

  async kill() {
    if (!this.process) return;
    const child = this.process;
    this.process = null;
    child.kill('SIGKILL');
    await child.ended;
  }

  async restart() {
    await this.kill();
    await this.start();
  }

  // Ends it; shows its log if the test has failed.
  async end(failed = false) {
    await this.kill();
    if (failed) console.error(`---- broker log\n${this.log()}----`);
    rmSync(this.directory, { recursive: true, force: true });
  }

  log() {
    return existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8') : '';
  }

  get tcp() { return `mqtt://127.0.0.1:${this.ports.mqtt}`; }
  get websocket() { return `ws://127.0.0.1:${this.ports.http}/mqtt`; }
}

// Runs `body` with a started broker, whatever happens.
export async function withBroker(settings, body) {
  const broker = new Broker(settings);
  let failed = true;
  try {
    await broker.start();
    await body(broker);
    failed = false;
  } finally {
    await broker.end(failed);
  }
}

// A figure of /metrics, with its labels, or without: then the sum over all of them. NaN if there is none.
export async function metric(broker, name) {
  const text = await (await fetch(`http://127.0.0.1:${broker.ports.admin}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  return lines.length ? lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0) : NaN;
}

export function chromiumPath() {
  const path = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
  if (!path) throw new Error('Chromium is not installed (Debian package "chromium")');
  return path;
}

export async function launchBrowser() {
  const { chromium } = packages('playwright-core');
  return chromium.launch({
    executablePath: chromiumPath(),
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'],
  });
}

export { once };
