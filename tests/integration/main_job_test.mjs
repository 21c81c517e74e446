// The main job: mosquitto_sub, MQTT.js in a browser page and a Paho C++ program exchange messages; each of them, and
// the broker, is killed and comes back; nothing is missing and nothing is out of order.

import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { openPage } from './browser_page.mjs';
import { start, until, withBroker } from './broker.mjs';

const pahoPeer = process.env.FULMAR_PAHO_PEER;

// A program whose output lines are kept over its restarts.
class Lines {
  constructor(command, args) {
    this.command = command;
    this.args = args;
    this.lines = [];
  }

  begin(args = this.args) {
    this.child = start(this.command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.closed = new Promise((resolve) => {
      createInterface({ input: this.child.stdout }).on('line', (line) => this.lines.push(line)).on('close', resolve);
    });
    return this;
  }

  async kill() {
    this.child.kill('SIGKILL');
    await this.child.ended;
    await this.closed;
  }
}

function firstDeliveries(lines, prefix) {
  return [...new Set(lines.filter((line) => line.startsWith(prefix)))].map((line) => Number(line.slice(prefix.length)));
}

function numbers(count) {
  return Array.from({ length: count }, (_, n) => n);
}

test('three kinds of client exchange messages, are killed and reconnect, and nothing is missing', { timeout: 300_000 }, () =>
  withBroker({}, async (broker) => {
    assert.ok(pahoPeer, 'FULMAR_PAHO_PEER must name the program paho_peer');
    const port = String(broker.ports.mqtt);
    const watcher = new Lines('mosquitto_sub',
      ['-p', port, '-v', '-t', '#', '-q', '1', '-i', 'watcher', '-c', '-x', '3600', '-V', 'mqttv5']).begin();
    const pahoArgs = (first, count) => [broker.tcp.replace('mqtt:', 'tcp:'), 'paho', 'from/paho', 'from/page', String(first), String(count)];
    const page = await openPage();
    let paho;
    try {
      await page.begin(broker.websocket, 'page', 'from/paho');
      await page.say('hello', 'watcher');
      await until(async () => {
        await page.say('hello', 'watcher');
        return watcher.lines.length > 0;
      }, 'mosquitto_sub is subscribed');

      paho = new Lines(pahoPeer).begin(pahoArgs(0, 1000));
      const ackedByPaho = () => firstDeliveries(paho.lines, 'acked ').length;
      await until(() => ackedByPaho() >= 20, 'Paho publishes');

      // Paho is killed in the middle of its work; meanwhile the page goes on.
      await paho.kill();
      const firstRun = ackedByPaho();
      let said = 0;
      for (; said < 50; ++said) await page.say('from/page', `page ${said}`);
      await until(async () => (await page.acknowledged()) >= 50, 'the page is acknowledged');
      paho.begin(pahoArgs(1000, 100));

      // mosquitto_sub is killed and comes back to its session.
      await watcher.kill();
      for (; said < 100; ++said) await page.say('from/page', `page ${said}`);
      watcher.begin();

      // And the broker. The page reconnects by itself; mosquitto_sub too; Paho must be started again.
      await until(() => firstDeliveries(paho.lines, 'acked ').includes(1099), 'Paho has published its second part');
      await broker.restart();
      await paho.kill();
      paho.begin(pahoArgs(1100, 50));
      for (; said < 130; ++said) await page.say('from/page', `page ${said}`);
      await until(() => firstDeliveries(paho.lines, 'acked ').includes(1149), 'Paho has published its third part');

      const promised = firstDeliveries(paho.lines, 'acked ');
      assert.ok(firstRun >= 20);
      const toPage = await until(async () => {
        const got = firstDeliveries(await page.received(), 'from/paho paho ');
        return promised.every((n) => got.includes(n)) && got;
      }, 'the page has everything from Paho');
      const toPaho = await until(() => {
        const got = firstDeliveries(paho.lines, 'got from/page page ');
        return got.length >= said && got;
      }, 'Paho has everything from the page');
      await until(() => firstDeliveries(watcher.lines, 'from/page page ').length >= said &&
        promised.every((n) => firstDeliveries(watcher.lines, 'from/paho paho ').includes(n)), 'mosquitto_sub has everything');

      const ascending = (list) => assert.deepEqual(list, [...list].sort((a, b) => a - b));
      assert.deepEqual(toPaho, numbers(said));
      ascending(toPage);
      assert.deepEqual(firstDeliveries(watcher.lines, 'from/page page '), numbers(said));
      ascending(firstDeliveries(watcher.lines, 'from/paho paho '));
      assert.deepEqual(page.errors, []);
    } finally {
      await page.close();
      await watcher.kill();
      if (paho) await paho.kill();
    }
  }));
