// What the MCP server offers: one tool for each thing that can pass between a host and a server.

import { setTimeout as pause } from 'node:timers/promises';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { z } from 'zod';

const text = value => ({ content: [{ type: 'text', text: String(value) }] });

/**
 * One session's server. `standing` is a promise that the session's standing GET stream is open: the SDK drops what it wants to
 * send there while it is not. `event` is told what the request log cannot show.
 */
export function mcpServer({ standing, event }) {
  const mcp = new McpServer(
    { name: 'official-sdk-peer', version: '1.0.0' },
    { capabilities: { logging: {} }, instructions: 'A peer for tests.' },
  );
  const server = mcp.server;

  mcp.registerTool('add', { description: 'Adds two numbers', inputSchema: { a: z.number(), b: z.number() } }, async ({ a, b }) =>
    text(a + b),
  );

  mcp.registerTool('echo', { description: 'Returns its input', inputSchema: { message: z.string() } }, async ({ message }) =>
    text(message),
  );

  // The question comes on the stream of the call's own answer.
  mcp.registerTool('ask', { description: 'Asks the user for a name' }, async extra => {
    const answer = await server.elicitInput(
      {
        message: 'What is your name?',
        requestedSchema: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] },
      },
      { relatedRequestId: extra.requestId },
    );
    return text(`${answer.action}:${answer.content?.name}`);
  });

  mcp.registerTool('ask_url', { description: 'Asks the user to visit an address' }, async extra => {
    const answer = await server.elicitInput(
      { mode: 'url', message: 'Please visit', url: 'http://localhost/visit', elicitationId: 'visit-1' },
      { relatedRequestId: extra.requestId },
    );
    return text(answer.action);
  });

  // These two questions come on the standing GET stream.
  mcp.registerTool('sample', { description: 'Asks the model of the host', inputSchema: { prompt: z.string() } }, async ({ prompt }) => {
    await standing;
    const answer = await server.createMessage({
      messages: [{ role: 'user', content: { type: 'text', text: prompt } }],
      maxTokens: 10,
    });
    return text(answer.content.text);
  });

  mcp.registerTool('roots', { description: 'Lists the roots of the host' }, async () => {
    await standing;
    const { roots } = await server.listRoots();
    return text(roots.map(root => root.uri).join(' '));
  });

  // Without `forever` it ends after its steps; with it, only a cancellation ends it.
  mcp.registerTool(
    'slow',
    { description: 'Reports progress', inputSchema: { steps: z.number().int(), forever: z.boolean().default(false) } },
    async ({ steps, forever }, { signal, sendNotification, _meta }) => {
      for (let progress = 1; progress <= steps; progress += 1) {
        const params = { progressToken: _meta?.progressToken, progress, total: steps, message: `step ${progress}` };
        if (params.progressToken !== undefined) await sendNotification({ method: 'notifications/progress', params });
        await pause(5);
      }
      if (forever) {
        // The cancellation may have come during the last step.
        if (!signal.aborted) await new Promise(resolve => signal.addEventListener('abort', resolve, { once: true }));
        event('call cancelled');
        cancelled.resolve();
      }
      return text(`${steps} steps`);
    },
  );

  // Answers when the test lets it.
  mcp.registerTool('held', { description: 'Says that it has begun, and waits' }, async extra => {
    const data = 'begun';
    await extra.sendNotification({ method: 'notifications/message', params: { level: 'info', data } });
    await released.promise;
    return text('released');
  });

  const cancelled = deferred();
  mcp.registerTool('cancelled', { description: 'Answers once a call of `slow` was cancelled' }, async () => {
    await cancelled.promise;
    return text('cancelled');
  });

  mcp.registerTool('notify', { description: 'Sends notifications on both streams' }, async extra => {
    const message = data => ({ method: 'notifications/message', params: { level: 'info', data } });
    await extra.sendNotification(message('on the stream of the answer'));
    await standing;
    await server.notification(message('on the standing stream'));
    await server.sendResourceListChanged();
    return text('sent');
  });

  // MCP 2025-11-25, Transports: the server may end an answer's stream early; the client comes back with Last-Event-ID.
  mcp.registerTool('interrupted', { description: 'Ends the stream of its answer before answering' }, async extra => {
    const message = data => ({ method: 'notifications/message', params: { level: 'info', data } });
    await extra.sendNotification(message('before the interruption'));
    await pause(5);
    event(extra.closeSSEStream ? 'stream ended early' : 'stream cannot be ended early');
    extra.closeSSEStream?.();
    await extra.sendNotification(message('after the interruption'));
    // The SDK's event store orders events by the millisecond, and those of one millisecond by chance.
    await pause(5);
    return text('resumed');
  });

  mcp.registerResource('greeting', 'peer://greeting', { mimeType: 'text/plain', description: 'A greeting' }, async uri => ({
    contents: [{ uri: uri.href, mimeType: 'text/plain', text: 'Hello from the official SDK' }],
  }));

  mcp.registerPrompt('review', { description: 'Asks for a review', argsSchema: { code: z.string() } }, ({ code }) => ({
    messages: [{ role: 'user', content: { type: 'text', text: `Please review: ${code}` } }],
  }));

  return mcp;
}

const released = deferred();

/** Lets every call of `held` be answered. */
export function release() {
  released.resolve();
}

export function deferred() {
  let resolve;
  const promise = new Promise(done => {
    resolve = done;
  });
  return { promise, resolve };
}
