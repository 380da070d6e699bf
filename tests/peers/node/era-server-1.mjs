// The server of the matrix of eras made of the SDK 1.x: streamable HTTP with sessions, revisions up to 2025-11-25.

import { randomUUID } from 'node:crypto';
import { createMcpExpressApp } from '@modelcontextprotocol/sdk/server/express.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { SubscribeRequestSchema, UnsubscribeRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';
import { COUNTER } from './era-world.mjs';

/** The handler of all requests to the endpoint. */
export function handler(world) {
  const sessions = new Map();
  const app = createMcpExpressApp();
  app.all('/mcp', async (req, res) => {
    const id = req.headers['mcp-session-id'];
    if (id && !sessions.has(id)) {
      res.status(404).json({ jsonrpc: '2.0', error: { code: -32001, message: 'Session not found' }, id: null });
      return;
    }
    if (req.method === 'GET') {
      // The SDK drops what it would tell on this stream before it stands.
      const writeHead = res.writeHead;
      res.writeHead = (status, ...rest) => {
        if (status === 200) world.heard.resolve();
        return writeHead.call(res, status, ...rest);
      };
    }
    // A transport without a session takes nothing but `initialize`, and refuses the rest in the SDK's own words.
    const transport = sessions.get(id) ?? (await open(world, sessions));
    await transport.handleRequest(req, res, req.body);
  });
  return app;
}

async function open(world, sessions) {
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: id => void sessions.set(id, transport),
    onsessionclosed: id => void sessions.delete(id),
  });
  await server(world).connect(transport);
  return transport;
}

function server(world) {
  const mcp = new McpServer(
    { name: 'sdk-1-peer', version: '1.0.0' },
    { capabilities: { resources: { subscribe: true } }, instructions: 'A peer for tests.' },
  );
  const low = mcp.server;
  const subscribed = new Set();

  const schemas = { add: { a: z.number(), b: z.number() }, count: { steps: z.number().int() } };
  for (const [name, run] of Object.entries(world.tools())) {
    const serve = async (args, extra) => {
      const token = extra._meta?.progressToken;
      const text = await run(args, {
        signal: extra.signal,
        revision: () => extra.requestInfo.headers['mcp-protocol-version'],
        progress: async params => {
          if (token === undefined) return;
          await extra.sendNotification({ method: 'notifications/progress', params: { progressToken: token, ...params } });
        },
        ask: async question => ({ answer: await low.elicitInput(question, { relatedRequestId: extra.requestId }) }),
        // Registering a tool tells the host.
        change: async () => void mcp.registerTool('extra', { description: 'New' }, () => ({ content: [] })),
        touch: async () => {
          if (subscribed.has(COUNTER)) await low.sendResourceUpdated({ uri: COUNTER });
        },
      });
      return { content: [{ type: 'text', text }] };
    };
    if (schemas[name]) mcp.registerTool(name, { description: name, inputSchema: schemas[name] }, serve);
    else mcp.registerTool(name, { description: name }, extra => serve({}, extra));
  }

  mcp.registerResource('counter', COUNTER, { mimeType: 'text/plain' }, uri => ({
    contents: [{ uri: uri.href, mimeType: 'text/plain', text: String(world.counter) }],
  }));
  low.setRequestHandler(SubscribeRequestSchema, ({ params }) => {
    subscribed.add(params.uri);
    return {};
  });
  low.setRequestHandler(UnsubscribeRequestSchema, ({ params }) => {
    subscribed.delete(params.uri);
    return {};
  });
  return mcp;
}
