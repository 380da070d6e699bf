// The server of the matrix of eras made of the SDK 2.x: strict, 2026-07-28 and nothing before.

import { toNodeHandler } from '@modelcontextprotocol/node';
import { InMemoryServerEventBus, McpServer, createMcpHandler, inputRequired, inputResponse } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { COUNTER } from './era-world.mjs';

/** Given back by the host with its answer; neither plain nor JSON, as nobody but this server may read it. */
const STATE = 'asked once: "ä" / \\ =?base64?';

/** The handler of all requests to the endpoint. */
export function handler(world) {
  const bus = new Watched(world);
  const endpoint = createMcpHandler(() => server(world, endpoint.notify), {
    legacy: 'reject',
    bus,
    onerror: error => console.error(error.message),
  });
  return toNodeHandler(endpoint);
}

/** A bus that knows when somebody listens. */
class Watched extends InMemoryServerEventBus {
  constructor(world) {
    super();
    this.world = world;
  }

  subscribe(listener) {
    const unsubscribe = super.subscribe(listener);
    this.world.heard.resolve();
    return unsubscribe;
  }
}

/** The server of one request. */
function server(world, notify) {
  const mcp = new McpServer(
    { name: 'sdk-2-peer', version: '1.0.0' },
    {
      capabilities: { tools: { listChanged: true }, resources: { subscribe: true } },
      instructions: 'A peer for tests.',
    },
  );
  const schemas = {
    add: z.object({ a: z.number(), b: z.number() }),
    count: z.object({ steps: z.number().int() }),
  };
  for (const [name, run] of Object.entries(world.tools())) {
    const serve = async (args, { mcpReq }) => {
      const token = mcpReq._meta?.progressToken;
      const given = await run(args, {
        signal: mcpReq.signal,
        revision: () => mcp.server.getNegotiatedProtocolVersion(),
        progress: async params => {
          if (token === undefined) return;
          await mcpReq.notify({ method: 'notifications/progress', params: { progressToken: token, ...params } });
        },
        ask: async question => {
          const answer = inputResponse(mcpReq.inputResponses, 'name');
          if (answer.kind !== 'elicit') {
            return {
              instead: inputRequired({ inputRequests: { name: inputRequired.elicit(question) }, requestState: STATE }),
            };
          }
          if (mcpReq.requestState() !== STATE) throw new Error(`the state came back as ${mcpReq.requestState()}`);
          return { answer };
        },
        change: async () => notify.toolsChanged(),
        touch: async () => notify.resourceUpdated(COUNTER),
      });
      return typeof given === 'string' ? { content: [{ type: 'text', text: given }] } : given;
    };
    if (schemas[name]) mcp.registerTool(name, { description: name, inputSchema: schemas[name] }, serve);
    else mcp.registerTool(name, { description: name }, ctx => serve({}, ctx));
  }
  if (world.extra) mcp.registerTool('extra', { description: 'New' }, () => ({ content: [] }));
  mcp.registerResource('counter', COUNTER, { mimeType: 'text/plain' }, uri => ({
    contents: [{ uri: uri.href, mimeType: 'text/plain', text: String(world.counter) }],
  }));
  return mcp;
}
