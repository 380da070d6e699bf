// Hosts of the official TypeScript SDK 2.x. They ask `server/discover`, of a copy of the bridge that they end again.

import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

/** See `hosts.mjs`. */
export function make({ kind, name, capabilities, server }) {
  const mode = kind === 'auto' ? 'auto' : { pin: '2026-07-28' };
  const client = new Client(name, { capabilities, versionNegotiation: { mode } });
  return {
    client,
    transport: new StdioClientTransport(server),
    elicitation: 'elicitation/create',
    between: {},
    isAlive: waiting => (client.getProtocolEra() === 'modern' ? client.discover(waiting) : client.ping(waiting)),
    era: () => client.getProtocolEra(),
  };
}
