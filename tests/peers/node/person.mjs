// A person who has yet to sign in, seen from a host. Each step returns what it saw or throws what went wrong.

import { deepStrictEqual, ok, strictEqual } from 'node:assert';
import { until } from './steps.mjs';

/** The SDK's own time limit is 60 s; a bridge answers before. */
const PATIENCE = 60_000;

/** Opens an address as a browser does whose user agrees to everything, and ends on a page that says that it is done. */
export async function visit(address) {
  const answer = await fetch(address);
  const page = await answer.text();
  ok(answer.ok, `the browser ended on ${answer.status}: ${page}`);
}

/** The sign-in address in what the command wrote to stderr. */
async function addressOnStderr(transport) {
  const address = () => transport.errors.match(/https?:\S*code_challenge=\S*(?=\s)/)?.[0];
  await until(address, () => 'an address on stderr');
  return address();
}

const names = ({ tools }) => tools.map(tool => tool.name).sort();

/** The list of tools, as soon as the host is told that it is another. */
async function listAgain(client, before) {
  await until(() => client.seen.toolChanges > before, () => 'notifications/tools/list_changed');
  return names(await client.listTools());
}

export const personSteps = {
  /** The host asks for the tools, and the person signs in after that. */
  async 'sign-in-after-list'(client, transport) {
    const before = client.seen.toolChanges;
    const listed = client.listTools({}, { timeout: PATIENCE });
    await visit(await addressOnStderr(transport));
    const first = names(await listed);
    deepStrictEqual(await listAgain(client, before), first);
    return { names: first };
  },

  /** The person does not come. */
  async offered(client) {
    const { tools } = await client.listTools({}, { timeout: PATIENCE });
    strictEqual(tools.length, 1);
    return tools[0];
  },

  /** The host calls the one tool it has, and the person goes where it says. */
  async 'sign-in-by-tool'(client, transport) {
    const before = client.seen.toolChanges;
    const result = await client.callTool({ name: 'sign_in', arguments: {} });
    ok(!result.isError, JSON.stringify(result));
    const address = await addressOnStderr(transport);
    ok(result.content[0].text.includes(address), result.content[0].text);
    await visit(address);
    return { names: await listAgain(client, before) };
  },

  /** The host was asked to show an address, has shown it, and was told when it was done with. */
  async shown(client) {
    await until(() => client.seen.completed.length > 0, () => 'notifications/elicitation/complete');
    const { elicitations, completed } = client.seen;
    deepStrictEqual(completed, elicitations.map(({ elicitationId }) => elicitationId));
    return elicitations;
  },
};
