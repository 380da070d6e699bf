// The host's client of the matrix of eras made of the SDK 1.x, which opens with `initialize`.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import {
  ElicitRequestSchema,
  JSONRPCMessageSchema,
  ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';

/** Starts the command; see era-host.mjs for `seen` and what is given. */
export async function connect({ server, seen, answer, timeout }) {
  const client = new Client({ name: 'sdk-1-host', version: '1.0.0' }, { capabilities: { elicitation: {} } });
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => answer(params));
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => void (seen.changes += 1));
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void seen.updates.push(params.uri));
  const transport = new StdioClientTransport({ ...server, stderr: 'pipe' });
  let revision;
  transport.setProtocolVersion = agreed => {
    revision = agreed;
  };
  const options = { timeout };
  await client.connect(transport, options);
  return {
    transport,
    revision,
    parse: message => JSONRPCMessageSchema.parse(message),
    tools: async () => (await client.listTools({}, options)).tools,
    call: (name, args, more) => client.callTool({ name, arguments: args }, undefined, { ...options, ...more }),
    // Whoever opens with `initialize` is told of list changes unasked.
    listen: async uri => void (uri && (await client.subscribeResource({ uri }, options))),
    read: uri => client.readResource({ uri }, options),
    close: () => client.close(),
  };
}
