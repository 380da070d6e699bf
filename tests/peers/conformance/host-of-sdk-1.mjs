// A host of the official TypeScript SDK 1.x. It opens with `initialize`, whatever the server is.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { ElicitRequestSchema, LATEST_PROTOCOL_VERSION } from '@modelcontextprotocol/sdk/types.js';

/** See `hosts.mjs`. It offers `revision`, or the newest of its own if that is older. */
export function make({ name, capabilities, server, revision }) {
  const client = new Client(name, { capabilities });
  const transport = new StdioClientTransport(server);
  const send = transport.send.bind(transport);
  const offered = revision < LATEST_PROTOCOL_VERSION ? revision : LATEST_PROTOCOL_VERSION;
  // The SDK always offers its newest revision.
  transport.send = message => {
    const isOffer = message.method === 'initialize';
    return send(isOffer ? { ...message, params: { ...message.params, protocolVersion: offered } } : message);
  };
  return {
    client,
    transport,
    elicitation: ElicitRequestSchema,
    // `callTool` takes a schema between what all take.
    between: { callTool: [undefined] },
    isAlive: waiting => client.ping(waiting),
    era: () => 'legacy',
  };
}
