// Runs @modelcontextprotocol/server-everything over streamable HTTP: no sign-in, and status 400 for a session it does not know.
// With --sse over the HTTP+SSE of 2024: a POST for a session it does not know is never answered.
//
//   node everything.mjs [--sse] [--end-with-stdin]
//
// Prints { url, control } when it is ready, as server.mjs does; `control` takes POST on /restart, which kills the server and
// starts it on the same port.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { endWithStdin, listen, serveControl } from './loopback.mjs';

const { values: options } = parseArgs({
  options: {
    sse: { type: 'boolean', default: false },
    'end-with-stdin': { type: 'boolean', default: false },
  },
});
const [mode, path, ready] = options.sse ? ['sse', '/sse', 'running on port'] : ['streamableHttp', '/mcp', 'listening on port'];

// It takes a fixed port only: one that was free a moment ago.
const probe = await listen(() => {}, 0);
const { port } = probe.address();
probe.close();

const script = createRequire(import.meta.url).resolve('@modelcontextprotocol/server-everything/dist/index.js');
let child;

/** Starts the server and waits until it says that it listens. */
async function start() {
  child = spawn(process.execPath, [script, mode], {
    env: { ...process.env, PORT: port },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const lines = createInterface(child.stderr);
  for await (const line of lines) if (line.includes(`${ready} ${port}`)) break;
  if (child.exitCode !== null) throw new Error(`server-everything ended with code ${child.exitCode}`);
  child.stderr.resume();
}

async function restart() {
  child.kill('SIGKILL');
  await once(child, 'exit');
  await start();
}

process.on('exit', () => child?.kill('SIGKILL'));
process.on('SIGTERM', () => process.exit(0));
await start();
if (options['end-with-stdin']) endWithStdin();
const control = await serveControl({ '/restart': restart }, 0);
process.stdout.write(`${JSON.stringify({ url: `http://localhost:${port}${path}`, control })}\n`);
