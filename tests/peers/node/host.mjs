// A host made of the official TypeScript SDK: its client starts the given command as an MCP server over stdio.
//
//   node host.mjs --steps start,list,call,stop [--env NAME=VALUE]... [--control URL] -- COMMAND [ARGUMENT]...
//
// Steps are those of steps.mjs, those of person.mjs, and
//   start           starts the command and initializes
//   start-showing   the same; an address that the host is asked to show is opened as by a person who agrees to everything
//   refused         starts the command and calls; one of both must be refused. Tells the error, and closes stdin
//   stop            closes its stdin; the command must end by itself, with code 0, in the time that hosts give
//   control=/PATH   POST to the server's control address
// A line of JSON a step: { step, ok: true, saw }. The first failure ends it: { step, ok: false, error, stderr }, exit code 1.
// What the command writes to stdout must be JSON-RPC to the last line.

import { parseArgs } from 'node:util';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { JSONRPCMessageSchema } from '@modelcontextprotocol/sdk/types.js';
import { personSteps, visit } from './person.mjs';
import { newClient, steps } from './steps.mjs';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    steps: { type: 'string' },
    env: { type: 'string', multiple: true, default: [] },
    control: { type: 'string' },
  },
});
const [command, ...args] = positionals;
const env = Object.fromEntries(options.env.map(pair => pair.split(/=(.*)/s).slice(0, 2)));

/** The SDK's stdio transport, with an eye on what it does not show: every byte of stdout, all of stderr, and how it ended. */
class Watched extends StdioClientTransport {
  constructor() {
    super({ command, args, env, stderr: 'pipe' });
    this.errors = '';
    this.output = '';
    this.stderr.on('data', chunk => {
      this.errors += chunk;
    });
  }

  async start() {
    await super.start();
    const child = this._process;
    child.stdout.on('data', chunk => {
      this.output += chunk;
    });
    this.ended = new Promise(resolve => child.once('close', (code, signal) => resolve({ code, signal })));
  }

  /** How many messages came on stdout. */
  messages() {
    const lines = this.output.split('\n');
    const rest = lines.pop();
    if (rest !== '') throw new Error(`stdout ends within a line: ${rest}`);
    for (const line of lines) {
      // The SDK's own notion of a message. A batch is one line of several.
      const messages = [JSON.parse(line)].flat();
      messages.forEach(message => JSONRPCMessageSchema.parse(message));
    }
    return lines.length;
  }
}

let client;
let transport;

const lifecycle = {
  async 'start-showing'() {
    return start({ shows: visit });
  },

  async start() {
    return start({});
  },

  async refused() {
    try {
      await start({});
      await steps.call(client);
    } catch ({ message, code }) {
      const { stderr } = await lifecycle.stop();
      return { message, code, stderr };
    }
    throw new Error('the call was answered');
  },

  async stop() {
    await client.close();
    const { code, signal } = await transport.ended;
    if (code !== 0) throw new Error(`the command ended with code ${code}, signal ${signal}`);
    return { messages: transport.messages(), stderr: transport.errors };
  },
};

async function start({ shows }) {
  client = newClient();
  client.shows = shows;
  transport = new Watched();
  await client.connect(transport, { timeout: 40_000 });
  client.received = [];
  const deliver = transport.onmessage;
  transport.onmessage = message => {
    client.received.push(message);
    deliver(message);
  };
  return {
    server: client.getServerVersion(),
    capabilities: client.getServerCapabilities(),
    instructions: client.getInstructions(),
  };
}

async function control(path) {
  const answer = await fetch(`${options.control}${path}`, { method: 'POST' });
  if (!answer.ok) throw new Error(`control ${path} answered ${answer.status}`);
}

const tell = line => process.stdout.write(`${JSON.stringify(line)}\n`);

for (const step of options.steps.split(',')) {
  try {
    const saw = await (step.startsWith('control=')
      ? control(step.slice('control='.length))
      : (lifecycle[step] ?? steps[step] ?? personSteps[step])(client, transport));
    tell({ step, ok: true, saw: saw ?? null });
  } catch (error) {
    tell({ step, ok: false, error: error.stack, stderr: transport?.errors });
    process.exitCode = 1;
    break;
  }
}
await client?.close();
