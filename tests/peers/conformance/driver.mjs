// The client that the conformance suite drives: a host made of the official TypeScript SDK 1.x, with the bridge between it and the
// server of a scenario. It lists the tools and calls each of them.
//
//   node driver.mjs URL
//
// In its environment, from the test: CONFORMANCE_BRIDGE the bridge, CONFORMANCE_FOLDER a folder of this run's own,
// CONFORMANCE_BROWSER the browser, CONFORMANCE_EXPECTS what should come of it: `answers`, to everything the host asks, or
// `refusal`, an error that says why while the bridge goes on. From the suite: MCP_CONFORMANCE_SCENARIO, _CONTEXT and
// _PROTOCOL_VERSION, which is the revision that the host speaks.
//
// Writes `told.json` to its folder: { told: [{ asked, error | answer }], code, stderr }. Ends with 0 if all was as expected.

import { strict as assert } from 'node:assert';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { ElicitRequestSchema, JSONRPCMessageSchema } from '@modelcontextprotocol/sdk/types.js';
import { optionsFor } from './options.mjs';

/** Longest wait for one answer, in milliseconds; below the time the suite gives the whole run. */
const TIMEOUT = 40_000;

const {
  CONFORMANCE_BRIDGE: bridge,
  CONFORMANCE_FOLDER: folder,
  CONFORMANCE_BROWSER: browser,
  CONFORMANCE_EXPECTS: expects,
  MCP_CONFORMANCE_SCENARIO: scenario,
  MCP_CONFORMANCE_PROTOCOL_VERSION: revision,
} = process.env;
const url = process.argv.at(-1);

/** The SDK's stdio transport of a host of `revision`, with an eye on what it does not show. */
class Watched extends StdioClientTransport {
  constructor(server) {
    super({ ...server, stderr: 'pipe' });
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
    this.ended = new Promise(resolve => {
      child.once('close', (code, signal) => {
        this.gone = true;
        resolve({ code, signal });
      });
    });
  }

  /** The SDK always offers its newest revision. */
  async send(message) {
    const offer = message.method === 'initialize' ? { params: { ...message.params, protocolVersion: revision } } : {};
    return super.send({ ...message, ...offer });
  }

  /** What came on stdout is JSON-RPC to the last line. */
  checkOutput() {
    const lines = this.output.split('\n');
    assert.equal(lines.pop(), '', 'stdout ends within a line');
    for (const line of lines) [JSON.parse(line)].flat().forEach(message => JSONRPCMessageSchema.parse(message));
  }
}

/** Arguments that fit the schema of a tool. An object is `sample`. */
function argumentsFor({ properties = {} }, sample) {
  const value = { number: 2, integer: 2, boolean: true, array: [], object: sample };
  return Object.fromEntries(Object.entries(properties).map(([name, { type }]) => [name, value[type] ?? 'text']));
}

/** Asks what a host asks. `told` is called for each question, with what asks it; gives whether an answer came. */
async function converse(client, transport, told) {
  if (!(await told('initialize', () => client.connect(transport, { timeout: TIMEOUT })))) return;
  const listed = await told('tools/list', () => client.listTools({}, { timeout: TIMEOUT }));
  for (const { name, inputSchema } of listed?.tools ?? []) {
    // One scenario wants to see what the host knows of the first tool's schema.
    const call = { name, arguments: argumentsFor(inputSchema, listed.tools[0].inputSchema) };
    await told(`tools/call ${name}`, () => client.callTool(call, undefined, { timeout: TIMEOUT }));
  }
}

/** Throws what is not as expected. */
function check({ told, ended }) {
  assert.ok(told.length > 0, 'nothing was asked');
  const errors = told.filter(({ error }) => error);
  if (expects === 'answers') {
    assert.deepEqual(errors, [], 'the host got no answer');
    assert.ok(told.some(({ asked }) => asked === 'tools/list'), 'the tools were not listed');
    const failed = told.filter(({ answer }) => answer?.isError);
    assert.deepEqual(failed, [], 'a call failed');
  } else {
    assert.equal(expects, 'refusal');
    assert.ok(errors.length > 0, 'the host was refused nothing');
    for (const { error } of errors) {
      // The SDK's own words for a process that ended and for an answer that did not come in time.
      assert.ok(![-32000, -32001].includes(error.code), `the host was left alone: ${error.message}`);
      assert.ok(Number.isInteger(error.code), `no JSON-RPC error: ${error.message}`);
      assert.match(error.message, /^\P{C}{30,}$/u, 'not a readable sentence');
    }
  }
  assert.deepEqual(ended, { code: 0, signal: null }, 'the bridge did not end well when its stdin did');
}

/** A bridge that is there and takes questions, although it could not answer some. */
async function isAlive(transport, client) {
  assert.ok(!transport.gone, 'the bridge ended before its stdin did');
  await client.ping({ timeout: TIMEOUT }).catch(({ code, message }) => {
    assert.ok(Number.isInteger(code) && ![-32000, -32001].includes(code), `ping was not answered: ${message}`);
  });
}

async function main() {
  const home = join(folder, 'home');
  mkdirSync(home, { recursive: true });
  const { args, env } = optionsFor(scenario, JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? '{}'), folder);
  const transport = new Watched({
    command: bridge,
    args: [url, '--debug', ...args],
    env: {
      PATH: process.env.PATH,
      HOME: home,
      MCP_DRAWBRIDGE_DIR: join(folder, 'cache'),
      BROWSER: browser,
      FAKE_BROWSER_LOG: join(folder, 'opened'),
      ...env,
    },
  });
  const client = new Client(
    { name: 'conformance-host', version: '1.0.0' },
    { capabilities: { elicitation: { form: { applyDefaults: true } }, sampling: {}, roots: {} } },
  );
  client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept', content: {} }));

  const told = [];
  await converse(client, transport, async (asked, ask) => {
    try {
      const answer = await ask();
      told.push({ asked, answer: answer ?? null });
      return answer ?? {};
    } catch ({ code, message }) {
      told.push({ asked, error: { code, message } });
      return undefined;
    }
  });
  let failure;
  let ended;
  try {
    // A client whose `initialize` was refused has closed its transport.
    if (!told[0].error) await isAlive(transport, client);
    await client.close();
    ended = await transport.ended;
    check({ told, ended });
    transport.checkOutput();
  } catch (error) {
    failure = error.message;
  }
  const report = { told, failure, ...ended, stderr: transport.errors };
  writeFileSync(join(folder, 'told.json'), JSON.stringify(report));
  if (failure) {
    console.error(failure);
    console.error(transport.errors);
    process.exitCode = 1;
  }
}

await main();
