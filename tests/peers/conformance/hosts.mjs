// The hosts that stand before the bridge.

import { ResultSchema } from '@modelcontextprotocol/sdk/types.js';
import { watch } from './watch.mjs';

const NAME = { name: 'conformance-host', version: '1.0.0' };
const CAPABILITIES = { elicitation: { form: { applyDefaults: true } }, sampling: {}, roots: {} };
const QUESTIONS = ['listTools', 'callTool', 'listPrompts', 'getPrompt', 'listResources', 'readResource'];

/**
 * A host of `kind`: `initialize`, of SDK 1.x; `stateless`, of SDK 2.x, which knows 2026-07-28 only; or `auto`, of SDK 2.x,
 * which asks what there is. `server` is how the bridge is started, `timeout` the longest wait for one answer in milliseconds,
 * `onEnd` see `watch`.
 *
 * Gives { connect, listTools, callTool, listPrompts, getPrompt, listResources, readResource, request, isAlive, close, era },
 * `processes` as `watch` gives them, and `onElicitation`, which may be set to what is done before a question of the server
 * is answered.
 */
export async function hostOf(kind, { server, revision, timeout, onEnd }) {
  // Only what is used is loaded: it takes a while.
  const { make } = await import(kind === 'initialize' ? './host-of-sdk-1.mjs' : './host-of-sdk-2.mjs');
  const made = make({ kind, name: NAME, capabilities: CAPABILITIES, server, revision });
  const { client, transport, between } = made;
  const waiting = { timeout };
  const asks = name => [name, params => client[name](params, ...(between[name] ?? []), waiting)];
  const host = {
    ...Object.fromEntries(QUESTIONS.map(asks)),
    processes: watch(transport.constructor, onEnd),
    connect: () => client.connect(transport, waiting),
    request: (method, params) => client.request({ method, params }, ResultSchema, waiting),
    isAlive: () => made.isAlive(waiting),
    close: () => client.close(),
    era: made.era,
    onElicitation: async () => {},
  };
  client.setRequestHandler(made.elicitation, async () => {
    await host.onElicitation();
    return { action: 'accept', content: {} };
  });
  return host;
}
