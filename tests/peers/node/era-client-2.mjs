// The host's client of the matrix of eras made of the SDK 2.x, which asks for `server/discover` first.

import { Client, parseJSONRPCMessage } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

/** Starts the command; see era-host.mjs for `seen` and what is given. */
export async function connect({ server, seen, answer, timeout, pin }) {
  const client = new Client(
    { name: 'sdk-2-host', version: '1.0.0' },
    { capabilities: { elicitation: { form: {} } }, versionNegotiation: { mode: pin ? { pin } : 'auto' } },
  );
  client.setRequestHandler('elicitation/create', ({ params }) => answer(params));
  client.setNotificationHandler('notifications/tools/list_changed', () => void (seen.changes += 1));
  client.setNotificationHandler('notifications/resources/updated', ({ params }) => void seen.updates.push(params.uri));
  const transport = new StdioClientTransport({ ...server, stderr: 'pipe' });
  const options = { timeout };
  await client.connect(transport, options);
  return {
    transport,
    revision: client.getNegotiatedProtocolVersion(),
    parse: message => parseJSONRPCMessage(message),
    tools: async () => (await client.listTools({}, options)).tools,
    call: (name, args, more) => client.callTool({ name, arguments: args }, { ...options, ...more }),
    async listen(uri) {
      const filter = uri ? { resourceSubscriptions: [uri] } : { toolsListChanged: true };
      const { honoredFilter } = await client.listen(filter, options);
      const asked = JSON.stringify(filter);
      const honored = JSON.stringify(honoredFilter);
      if (honored !== asked) throw new Error(`asked to listen for ${asked}, honored is ${honored}`);
    },
    read: uri => client.readResource({ uri }, options),
    close: () => client.close(),
  };
}
