// Cloudflare's workers-oauth-provider under workerd, the runtime it was made for: an MCP server and an authorization server on
// origins of their own. For tests; one person agrees to everything. A refresh token that was rotated away is good until the new
// one is used, and a new grant ends those that the person gave the same client before.
//
//   node workers.mjs [--end-with-stdin]
//
// Prints one line of JSON when it is ready: { url, issuer, control }. `control` takes POST on
//   /counts                  gives what foreign-counts.mjs counts
//   /expire                  access tokens are past their end
//   /forget-access-tokens    access tokens are unknown
//   /revoke-grants           neither are grants known
//   /require?scope=SCOPE     tools/call needs this scope as well

import { spawn } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { endWithStdin, listen, serveControl } from './loopback.mjs';

const { values: options } = parseArgs({ options: { 'end-with-stdin': { type: 'boolean', default: false } } });

const folder = dirname(fileURLToPath(import.meta.url));
const resolve = createRequire(import.meta.url).resolve;

/** workerd takes fixed ports only if others are to know them: ones that were free a moment ago. */
async function freePorts(count) {
  const probes = await Promise.all(Array.from({ length: count }, () => listen(() => {}, 0)));
  const ports = probes.map(probe => probe.address().port);
  await Promise.all(probes.map(probe => new Promise(done => probe.close(done))));
  return ports;
}

/** The runtime's configuration: one worker, which tells its two roles apart by the port. */
function configuration({ ports, env }) {
  // RFC 8252 §8.3 speaks of both loopback addresses; a browser may take either for `localhost`.
  const sockets = ports.flatMap(port => ['127.0.0.1', '[::1]'].map(host => `${host}:${port}`));
  const socket = address => `(name = "${address}", address = "${address}", http = (), service = "main")`;
  const modules = ['workers-main.mjs', 'foreign-counts.mjs'].map(file => `(name = "${file}", esModule = embed "${file}")`);
  const library = 'node_modules/@cloudflare/workers-oauth-provider/dist/oauth-provider.js';
  modules.push(`(name = "workers-oauth-provider", esModule = embed "${library}")`);
  const bindings = Object.entries(env).map(([name, text]) => `(name = "${name}", text = "${text}")`);
  return `
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker)],
  sockets = [${sockets.map(socket).join(', ')}],
);
const worker :Workerd.Worker = (
  modules = [${modules.join(', ')}],
  bindings = [${bindings.join(', ')}],
  compatibilityDate = "2026-11-01",
);
`;
}

/** Starts the runtime and waits until it listens everywhere. */
async function start({ ports, env }) {
  const file = join(folder, `workers-${process.pid}.capnp`);
  writeFileSync(file, configuration({ ports, env }));
  const child = spawn(binary(), ['serve', '--control-fd=3', file], { stdio: ['ignore', 'ignore', 'inherit', 'pipe'] });
  process.on('exit', () => {
    child.kill('SIGKILL');
    rmSync(file, { force: true });
  });
  process.on('SIGTERM', () => process.exit(0));
  child.on('exit', code => {
    console.error(`workerd ended with code ${code}`);
    process.exit(1);
  });
  let listening = 0;
  for await (const chunk of child.stdio[3]) {
    listening += String(chunk).split('"event":"listen"').length - 1;
    if (listening === 2 * ports.length) break;
  }
}

/** The package's own starter is a script around it. */
function binary() {
  const name = { 'linux x64': 'linux-64', 'linux arm64': 'linux-arm64', 'darwin x64': 'darwin-64', 'darwin arm64': 'darwin-arm64' }[
    `${process.platform} ${process.arch}`
  ];
  return resolve(`@cloudflare/workerd-${name}/bin/workerd`);
}

const ports = await freePorts(2);
const [url, issuer] = [`http://localhost:${ports[0]}/mcp`, `http://localhost:${ports[1]}`];
await start({ ports, env: { RESOURCE: url, ISSUER: issuer } });

const tell = path => async query => {
  const answer = await fetch(`${issuer}/control${path}?${query}`, { method: 'POST' });
  if (!answer.ok) throw new Error(`${path} answered ${answer.status} ${await answer.text()}`);
  return answer.status === 204 ? undefined : answer.json();
};
const paths = ['/counts', '/expire', '/forget-access-tokens', '/revoke-grants', '/require'];
const control = await serveControl(Object.fromEntries(paths.map(path => [path, tell(path)])), 0);
if (options['end-with-stdin']) endWithStdin();
process.stdout.write(`${JSON.stringify({ url, issuer, control })}\n`);
