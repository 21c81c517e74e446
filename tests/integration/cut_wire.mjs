// A wire between a client and the broker that can be cut.

import { once } from 'node:events';
import { connect as dial, createServer } from 'node:net';

export class Wire {
  async open(port) {
    this.pairs = new Set();
    this.down = false;
    this.server = createServer((near) => {
      if (this.down) return near.resetAndDestroy();
      const far = dial(port, '127.0.0.1');
      const pair = { near, far };
      this.pairs.add(pair);
      for (const [one, other] of [[near, far], [far, near]]) {
        one.on('data', (bytes) => other.write(bytes));
        one.on('error', () => {});
        one.on('close', () => { other.destroy(); this.pairs.delete(pair); });
      }
    });
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = this.server.address().port;
    return this;
  }

  // Neither side hears a goodbye. False: there was nothing to cut.
  cut(which = 0) {
    const pair = [...this.pairs][which % Math.max(this.pairs.size, 1)];
    if (!pair) return false;
    pair.near.resetAndDestroy();
    pair.far.resetAndDestroy();
    this.pairs.delete(pair);
    return true;
  }

  // From now on nobody gets through.
  cutAll() {
    this.down = true;
    while (this.cut());
  }

  close() {
    this.cutAll();
    this.server.close();
  }
}
