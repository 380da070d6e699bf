// What the stdio transports of both SDKs do not show: every process they start, what it wrote, and how it ended.

import { strict as assert } from 'node:assert';
import { JSONRPCMessageSchema } from '@modelcontextprotocol/sdk/types.js';

/** A process that a transport has started. */
class Watched {
  constructor(child, onEnd) {
    this.output = '';
    this.errors = '';
    child.stdout.on('data', chunk => {
      this.output += chunk;
    });
    child.stderr?.on('data', chunk => {
      this.errors += chunk;
    });
    this.ended = new Promise(resolve => {
      // `exit`, as the SDK does not read to the end what it only asks one question.
      child.once('exit', (code, signal) => {
        this.gone = { code, signal, ...onEnd() };
      });
      child.once('close', () => resolve(this.gone));
    });
  }

  /** What came on stdout is JSON-RPC to the last line. `whole`: that line has an end. */
  checkOutput({ whole }) {
    const lines = this.output.split('\n');
    const rest = lines.pop();
    if (whole) assert.equal(rest, '', 'stdout ends within a line');
    for (const line of lines) [JSON.parse(line)].flat().forEach(message => JSONRPCMessageSchema.parse(message));
  }
}

/**
 * The processes that transports of this class start from now on, in order. `onEnd` gives what else is to be known of the
 * moment in which one ends. The class itself is changed: the SDK makes more transports of it than the host does, and does not
 * do so where the host has a class of its own.
 */
export function watch(Transport, onEnd) {
  const processes = [];
  const { start } = Transport.prototype;
  Transport.prototype.start = async function () {
    await start.call(this);
    processes.push(new Watched(this._process, onEnd));
    this.stderr?.resume();
  };
  return processes;
}
