// What the host does with a connected client of the official SDK. Each step returns what it saw or throws what went wrong.

import { deepStrictEqual, ok, rejects, strictEqual } from 'node:assert';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ElicitationCompleteNotificationSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  ResourceListChangedNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';

/** Longest wait for one answer, in milliseconds. Below the SDK's own 60 s, so that a failure names its step. */
const TIMEOUT = 40_000;

/**
 * A client that declares and answers everything a server may ask, and keeps what it was asked and told in `client.seen`.
 * The host adds `client.received`, every message in the order they came, and may add `client.shows`, which is given the
 * addresses to show.
 */
export function newClient() {
  const client = new Client(
    { name: 'official-sdk-host', version: '1.0.0' },
    { capabilities: { elicitation: { form: {}, url: {} }, sampling: {}, roots: { listChanged: true } } },
  );
  client.seen = { elicitations: [], completed: [], samplings: [], notifications: [], toolChanges: 0 };
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
    client.seen.elicitations.push(params);
    if (params.mode === 'url') client.shows?.(params.url);
    return params.mode === 'url' ? { action: 'accept' } : { action: 'accept', content: { name: 'Ada' } };
  });
  client.setRequestHandler(CreateMessageRequestSchema, ({ params }) => {
    client.seen.samplings.push(params);
    return { model: 'none', role: 'assistant', content: { type: 'text', text: 'the model says yes' } };
  });
  client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [{ uri: 'file:///tmp/project', name: 'project' }] }));
  client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => {
    client.seen.notifications.push(params.data?.msg ?? params.data);
  });
  client.setNotificationHandler(ResourceListChangedNotificationSchema, () => {
    client.seen.notifications.push('resources changed');
  });
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => {
    client.seen.toolChanges += 1;
  });
  client.setNotificationHandler(ElicitationCompleteNotificationSchema, ({ params }) => {
    client.seen.completed.push(params.elicitationId);
  });
  return client;
}

async function call(client, name, args = {}, options = {}) {
  const result = await client.callTool({ name, arguments: args }, undefined, { timeout: TIMEOUT, ...options });
  const text = result.content[0]?.text;
  if (result.isError) throw new Error(`tool \`${name}\` failed: ${text}`);
  return text;
}

/** Waits until `seen()` is true; what the wait was for is told when it was in vain. */
export async function until(seen, what) {
  const deadline = Date.now() + TIMEOUT;
  while (!seen()) {
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what()}`);
    await new Promise(resolve => setTimeout(resolve, 5));
  }
}

export const steps = {
  async list(client) {
    const { tools } = await client.listTools({}, { timeout: TIMEOUT });
    const names = tools.map(tool => tool.name).sort();
    return { names };
  },

  async call(client) {
    strictEqual(await call(client, 'add', { a: 2, b: 3 }), '5');
    const message = 'Grüße, 世界 \u2028 "quoted" \\ \u0000';
    strictEqual(await call(client, 'echo', { message }), message);
  },

  /** What any server with a tool `echo` can do. */
  async echo(client) {
    const said = await call(client, 'echo', { message: 'hello there' });
    ok(said.includes('hello there'), said);
  },

  /** 20 calls at once; each answer goes to its own call. */
  async parallel(client) {
    const numbers = Array.from({ length: 20 }, (_, index) => index);
    const sums = await Promise.all(numbers.map(a => call(client, 'add', { a, b: 100 })));
    deepStrictEqual(sums, numbers.map(a => String(a + 100)));
  },

  async elicitation(client) {
    const before = client.seen.elicitations.length;
    strictEqual(await call(client, 'ask'), 'accept:Ada');
    strictEqual(client.seen.elicitations.length - before, 1);
    return client.seen.elicitations.at(-1);
  },

  async 'url-elicitation'(client) {
    strictEqual(await call(client, 'ask_url'), 'accept');
    return client.seen.elicitations.at(-1);
  },

  async sampling(client) {
    strictEqual(await call(client, 'sample', { prompt: 'Is it so?' }), 'the model says yes');
    return client.seen.samplings.at(-1);
  },

  async roots(client) {
    strictEqual(await call(client, 'roots'), 'file:///tmp/project');
  },

  async progress(client) {
    const before = client.received.length;
    strictEqual(await call(client, 'slow', { steps: 3 }, { onprogress: () => {} }), '3 steps');
    // What came, in its order. `onprogress` is not told of what arrives in one piece with the answer.
    const came = client.received
      .slice(before)
      .map(({ params, result }) => (result ? 'answer' : `${params?.progress}/${params?.total}`));
    deepStrictEqual(came, ['1/3', '2/3', '3/3', 'answer']);
  },

  /** A call that never ends by itself: other calls pass it, the cancellation reaches the server, and no answer comes. */
  async cancellation(client) {
    const abort = new AbortController();
    let started;
    const running = new Promise(resolve => {
      started = resolve;
    });
    const answer = call(client, 'slow', { steps: 1, forever: true }, { signal: abort.signal, onprogress: started });
    const refused = rejects(answer);
    await Promise.race([running, answer]);
    strictEqual(await call(client, 'add', { a: 1, b: 1 }), '2');
    abort.abort('changed my mind');
    await refused;
    strictEqual(await call(client, 'cancelled'), 'cancelled');
  },

  async notifications(client) {
    client.seen.notifications.length = 0;
    await call(client, 'notify');
    const expected = ['on the standing stream', 'on the stream of the answer', 'resources changed'];
    const seen = () => [...client.seen.notifications].sort();
    await until(() => seen().length >= expected.length, () => `${expected}; saw ${seen()}`);
    deepStrictEqual(seen(), expected);
  },

  /** The server ends the stream of the answer before the answer; the rest is fetched with Last-Event-ID. */
  async interrupted(client) {
    client.seen.notifications.length = 0;
    strictEqual(await call(client, 'interrupted'), 'resumed');
    deepStrictEqual(client.seen.notifications, ['before the interruption', 'after the interruption']);
  },

  async resources(client) {
    const { resources } = await client.listResources({}, { timeout: TIMEOUT });
    const uris = resources.map(resource => resource.uri);
    const { contents } = await client.readResource({ uri: 'peer://greeting' }, { timeout: TIMEOUT });
    return { uris, text: contents[0].text };
  },

  async prompts(client) {
    const { prompts } = await client.listPrompts({}, { timeout: TIMEOUT });
    const names = prompts.map(prompt => prompt.name);
    const { messages } = await client.getPrompt({ name: 'review', arguments: { code: 'x = 1' } }, { timeout: TIMEOUT });
    strictEqual(messages[0].content.text, 'Please review: x = 1');
    return { names };
  },

  async ping(client) {
    await client.ping({ timeout: TIMEOUT });
  },
};
