// The client that the conformance suite drives: a host of an official SDK, with the bridge between it and the server of a
// scenario.
//
//   node driver.mjs URL
//
// In its environment, from the test: CONFORMANCE_BRIDGE the bridge, CONFORMANCE_FOLDER a folder of this run's own,
// CONFORMANCE_BROWSER the browser, CONFORMANCE_HOST which host (see `hosts.mjs`), CONFORMANCE_EXPECTS what should come of it:
// `answers`, to everything the host asks, or `refusal`, an error that says why while the bridge goes on. From the suite:
// MCP_CONFORMANCE_SCENARIO, _CONTEXT and _PROTOCOL_VERSION, which is the revision that a host of `initialize` speaks.
//
// Writes `told.json` to its folder: { told: [{ asked, error | answer }], failure, era, ended, stderr }, with what its processes
// ended like, and nothing in `failure` if all was as expected. Then it ends with 0.

import { strict as assert } from 'node:assert';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { converse } from './conversation.mjs';
import { hostOf } from './hosts.mjs';
import { optionsFor } from './options.mjs';

/** Longest wait for one answer, in milliseconds; below the time the suite gives the whole run. */
const TIMEOUT = 40_000;
/** The SDKs' own codes for a process that ended and for an answer that did not come in time. */
const LEFT_ALONE = [-32000, -32001];

const {
  CONFORMANCE_BRIDGE: bridge,
  CONFORMANCE_FOLDER: folder,
  CONFORMANCE_BROWSER: browser,
  CONFORMANCE_EXPECTS: expects,
  CONFORMANCE_HOST: kind,
  MCP_CONFORMANCE_SCENARIO: scenario,
  MCP_CONFORMANCE_PROTOCOL_VERSION: revision,
} = process.env;
const url = process.argv.at(-1);
const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? '{}');
/** The browser's list of what it was opened with. */
const opened = join(folder, 'opened');

/** How the bridge is started for the scenario. */
async function server() {
  const home = join(folder, 'home');
  mkdirSync(home, { recursive: true });
  const { args, env } = await optionsFor(scenario, context, folder);
  return {
    command: bridge,
    args: [url, '--debug', ...args],
    env: {
      PATH: process.env.PATH,
      HOME: home,
      MCP_DRAWBRIDGE_DIR: join(folder, 'cache'),
      BROWSER: browser,
      FAKE_BROWSER_LOG: opened,
      ...env,
    },
    stderr: 'pipe',
  };
}

/** Throws if the host was not told what it was to be told. */
function checkTold(told) {
  assert.ok(told.length > 0, 'nothing was asked');
  const errors = told.filter(({ error }) => error);
  if (expects === 'answers') {
    assert.deepEqual(errors, [], 'the host got no answer');
    assert.ok(told.some(({ asked }) => asked === 'tools/list'), 'the tools were not listed');
    const failed = told.filter(({ answer }) => answer?.isError);
    assert.deepEqual(failed, [], 'a call failed');
    return;
  }
  assert.equal(expects, 'refusal');
  assert.ok(errors.length > 0, 'the host was refused nothing');
  for (const { error } of errors) {
    assert.ok(!LEFT_ALONE.includes(error.code), `the host was left alone: ${error.message}`);
    assert.ok(Number.isInteger(error.code), `no JSON-RPC error: ${error.message}`);
    assert.match(error.message, /^\P{C}{30,}$/u, 'not a readable sentence');
  }
}

/** Throws if a process of the bridge said or did what it must not. The last one is the host's, others were asked what there is. */
function checkProcesses(processes) {
  const probes = processes.slice(0, -1);
  assert.equal(probes.length, kind === 'initialize' ? 0 : 1, 'copies of the bridge that were asked what there is');
  for (const probe of probes) {
    probe.checkOutput({ whole: false });
    assert.notEqual(probe.gone.signal, 'SIGKILL', 'the copy did not end when it was told to');
    assert.notEqual(probe.gone.code, 101, 'the copy broke down');
    assert.equal(probe.gone.opened, false, 'the copy opened the browser');
  }
  const { code, signal } = processes.at(-1).gone;
  assert.deepEqual({ code, signal }, { code: 0, signal: null }, 'the bridge did not end well when its stdin did');
  processes.at(-1).checkOutput({ whole: true });
}

/** Throws unless the bridge is there and takes questions, although it could not answer some. */
async function checkAlive(host) {
  assert.ok(!host.processes.at(-1).gone, 'the bridge ended before its stdin did');
  await host.isAlive().catch(({ code, message }) => {
    assert.ok(Number.isInteger(code) && !LEFT_ALONE.includes(code), `the bridge did not answer: ${message}`);
  });
}

async function main() {
  const onEnd = () => ({ opened: existsSync(opened) });
  const host = await hostOf(kind, { server: await server(), revision, timeout: TIMEOUT, onEnd });
  const told = [];
  const ask = async (asked, question) => {
    try {
      const answer = await question();
      told.push({ asked, answer: answer ?? null });
      return answer ?? {};
    } catch ({ code, message }) {
      told.push({ asked, error: { code, message } });
      return undefined;
    }
  };
  let failure;
  let era;
  try {
    await converse(host, ask, scenario, context);
    // A client whose opening was refused has closed its transport.
    if (!told[0].error) {
      era = host.era();
      assert.equal(era, kind === 'initialize' ? 'legacy' : 'modern', 'the era that was agreed on');
      await checkAlive(host);
    }
    await host.close();
    await host.processes.at(-1)?.ended;
    checkTold(told);
    checkProcesses(host.processes);
  } catch (error) {
    failure = error.stack;
  }
  const stderr = host.processes.map(({ errors }) => errors).join('');
  const ended = host.processes.map(({ gone }) => gone);
  writeFileSync(join(folder, 'told.json'), JSON.stringify({ told, failure, era, ended, stderr }));
  if (failure) {
    console.error(failure);
    console.error(stderr);
  }
  // A transport whose process does not end would keep this one.
  process.exit(failure ? 1 : 0);
}

await main();
