// A host of the matrix of eras: a client of the official TypeScript SDK starts the given command as an MCP server over stdio.
//
//   node era-host.mjs --sdk 1|2 [--pin REVISION] [--env NAME=VALUE]... -- COMMAND [ARGUMENT]...
//
// Goes through the columns of the matrix with a server as in era-world.mjs, and prints a line of JSON for each of them,
// { column, error }, error null where all went well; then { host, server, changes, updates }: the revisions in use on either side
// and how often the host was told of a change; then { stderr }, what the command wrote there. One column's failure does not keep the next one from being tried.

import { deepStrictEqual, ok, rejects, strictEqual } from 'node:assert';
import { parseArgs } from 'node:util';
import { COUNTER, QUESTION } from './era-world.mjs';

/** Longest wait for one thing, in milliseconds. */
const TIMEOUT = 25_000;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sdk: { type: 'string' },
    pin: { type: 'string' },
    env: { type: 'string', multiple: true, default: [] },
  },
});
const [command, ...args] = positionals;
const env = Object.fromEntries(options.env.map(pair => pair.split(/=(.*)/s).slice(0, 2)));

/** What the client was asked and told. */
const seen = { questions: [], changes: 0, updates: [], messages: [] };

/** What a person answers. */
function answer(question) {
  seen.questions.push(question);
  return { action: 'accept', content: { name: 'Ada' } };
}

const columns = {
  async tools(host) {
    const names = (await host.tools()).map(tool => tool.name);
    deepStrictEqual([...names].sort(), ['add', 'ask', 'change', 'count', 'ended', 'hold', 'revision', 'touch']);
    strictEqual(await text(host, 'add', { a: 2, b: 3 }), '5');
  },

  async progress(host) {
    const before = seen.messages.length;
    strictEqual(await text(host, 'count', { steps: 3 }, { onprogress: () => {} }), '3 steps');
    // What came, in its order. The `onprogress` of the SDK 1.x is not told of what arrives in one piece with the answer.
    const came = seen.messages
      .slice(before)
      .map(({ params, result }) => (result ? 'answer' : `${params?.progress}/${params?.total}`));
    deepStrictEqual(came, ['1/3', '2/3', '3/3', 'answer']);
  },

  async elicitation(host) {
    strictEqual(await text(host, 'ask'), 'accept:Ada');
    strictEqual(seen.questions.length, 1);
    const [{ message, requestedSchema }] = seen.questions;
    deepStrictEqual({ message, requestedSchema: without(requestedSchema, '$schema') }, QUESTION);
  },

  async 'list change'(host) {
    await host.listen();
    // The bridge tells one of its own where a person had to sign in first.
    const before = seen.changes;
    strictEqual(await text(host, 'change'), 'changed');
    await until(() => seen.changes > before, 'a list change');
    const names = (await host.tools()).map(tool => tool.name);
    ok(names.includes('extra'), `the new tool is not among ${names}`);
  },

  async subscription(host) {
    await host.listen(COUNTER);
    deepStrictEqual(seen.updates, []);
    strictEqual(await text(host, 'touch'), 'touched');
    await until(() => seen.updates.length > 0, 'an update');
    deepStrictEqual(seen.updates, [COUNTER]);
    strictEqual((await host.read(COUNTER)).contents[0].text, '1');
  },

  async cancellation(host) {
    const abort = new AbortController();
    let begin;
    const begun = new Promise(resolve => {
      begin = resolve;
    });
    const call = host.call('hold', {}, { signal: abort.signal, onprogress: begin });
    const refused = rejects(call);
    await Promise.race([begun, call]);
    abort.abort('changed my mind');
    await refused;
    strictEqual(await text(host, 'ended'), 'ended');
  },
};

function without(object, name) {
  const { [name]: _, ...rest } = object;
  return rest;
}

async function text(host, name, args = {}, more = {}) {
  const result = await host.call(name, args, more);
  const said = result.content[0]?.text;
  if (result.isError) throw new Error(`tool \`${name}\` failed: ${said}`);
  return said;
}

async function until(happened, what) {
  const deadline = Date.now() + TIMEOUT;
  while (!happened()) {
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise(resolve => setTimeout(resolve, 5));
  }
}

const tell = line => process.stdout.write(`${JSON.stringify(line)}\n`);

const { connect } = await import(`./era-client-${options.sdk}.mjs`);
const host = await connect({ server: { command, args, env }, seen, answer, timeout: TIMEOUT, pin: options.pin });
let stderr = '';
host.transport.stderr.on('data', chunk => {
  stderr += chunk;
});
const deliver = host.transport.onmessage;
host.transport.onmessage = message => {
  host.parse(message);
  seen.messages.push(message);
  deliver(message);
};

for (const [column, run] of Object.entries(columns)) {
  try {
    await run(host);
    tell({ column, error: null });
  } catch (error) {
    tell({ column, error: error.message });
  }
}
const server = await text(host, 'revision').catch(error => error.message);
tell({ host: host.revision, server, changes: seen.changes, updates: seen.updates.length });
await host.close();
tell({ stderr });
