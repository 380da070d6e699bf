// An MCP server of the matrix of eras, without sign-in; era-world.mjs says what it offers.
//
//   node era-server.mjs --sdk 1|2 [--port PORT] [--end-with-stdin]
//
// With --sdk 1 it is made of the official TypeScript SDK 1.x and has sessions; with --sdk 2 of the SDK 2.x, and has none. Prints one
// line of JSON when it is ready: { url }.

import { parseArgs } from 'node:util';
import { World } from './era-world.mjs';
import { endWithStdin, listen } from './loopback.mjs';

const { values: options } = parseArgs({
  options: {
    sdk: { type: 'string' },
    port: { type: 'string', default: '0' },
    'end-with-stdin': { type: 'boolean', default: false },
  },
});

const { handler } = await import(`./era-server-${options.sdk}.mjs`);
const listener = await listen(handler(new World()), options.port);
if (options['end-with-stdin']) endWithStdin();
process.stdout.write(`${JSON.stringify({ url: `http://localhost:${listener.address().port}/mcp` })}\n`);
