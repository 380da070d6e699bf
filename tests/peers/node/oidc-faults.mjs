// What can happen to a token request between the provider and the client.

import { deferred } from './tools.mjs';

const WHAT = ['500', 'cut', 'hold'];
const WHEN = ['before', 'after'];

export class Faults {
  #faults = [];
  #held = new Set();

  constructor(provider, counts) {
    provider.use(async (ctx, next) => {
      const fault = ctx.method === 'POST' && ctx.path === '/token' ? this.#take(ctx) : undefined;
      if (!fault) {
        await next();
        return;
      }
      counts.faults += 1;
      if (fault.when === 'after') await next();
      if (fault.what === '500') {
        ctx.status = 500;
        ctx.body = 'out of order\n';
      } else if (fault.what === 'cut') {
        ctx.respond = false;
        ctx.req.socket.destroy();
      } else {
        await this.#hold();
      }
      if (fault.when === 'before' && fault.what === 'hold') await next();
    });
  }

  /** What the head of oidc.mjs says of `/fault`. */
  add({ what, when, times = '1', grant, ...rest }) {
    const [unknown] = Object.keys(rest);
    if (unknown) throw new Error(`unknown: ${unknown}`);
    if (!WHAT.includes(what)) throw new Error(`what: one of ${WHAT}`);
    if (!WHEN.includes(when)) throw new Error(`when: one of ${WHEN}`);
    if (!/^[1-9][0-9]*$/.test(times)) throw new Error(`times: not a number: ${times}`);
    this.#faults.push({ what, when, grant, left: Number(times) });
  }

  /** How many faults are still to be met. */
  left() {
    return this.#faults.reduce((sum, fault) => sum + fault.left, 0);
  }

  /** How many requests are being held. */
  held() {
    return this.#held.size;
  }

  release() {
    for (const held of this.#held) held.resolve();
    this.#held.clear();
  }

  clear() {
    this.#faults.length = 0;
    this.release();
  }

  #take(ctx) {
    const grant = new URLSearchParams(ctx.req.body).get('grant_type');
    const index = this.#faults.findIndex(fault => fault.grant === undefined || fault.grant === grant);
    if (index === -1) return undefined;
    const fault = this.#faults[index];
    fault.left -= 1;
    if (fault.left === 0) this.#faults.splice(index, 1);
    return fault;
  }

  async #hold() {
    const held = deferred();
    this.#held.add(held);
    await held.promise;
  }
}
