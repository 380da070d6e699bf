// What a host asks of the server of each scenario.

import { strict as assert } from 'node:assert';
import { discrepancy } from './skills.mjs';

/** Scenario → what is asked once the host is connected. Of all others, the tools are listed and each is called. */
const CONVERSATIONS = {
  'http-standard-headers': everything,
  'http-custom-headers': callsOfContext,
  'json-schema-ref-no-deref': listTools,
  'sep-2322-client-request-state': callsWithinCalls,
  'sep-2640-client-no-prefetch': listSkills,
  'sep-2640-client-verify-digest': (...about) => loadSkill('digest', ...about),
  'sep-2640-client-verify-size': (...about) => loadSkill('size', ...about),
  'sep-2640-client-verify-frontmatter': (...about) => loadSkill('frontmatter', ...about),
};

/** What the tools say that always say the same. */
const TEXTS = {
  add_numbers: 'The sum of 2 and 2 is 4',
  test_mrtr_echo_state: 'echo-state-ok',
  test_mrtr_no_state: 'no-state-ok',
  test_mrtr_no_result_type: 'no-result-type-test-ok',
  test_mrtr_unrelated: 'unrelated-ok',
};

/**
 * Has the conversation. `ask` is called for each question with its name and what asks it, and gives the answer, `undefined`
 * if there was none. `context` is the suite's. Throws if an answer is another than the server gave.
 */
export async function converse(host, ask, scenario, context) {
  if (!(await ask('connect', () => host.connect()))) return;
  const conversation = CONVERSATIONS[scenario] ?? callTools;
  await conversation(host, ask, context);
}

async function listTools(host, ask) {
  const listed = await ask('tools/list', () => host.listTools({}));
  return listed?.tools ?? [];
}

async function call(host, ask, params) {
  const answer = await ask(`tools/call ${params.name}`, () => host.callTool(params));
  const expected = TEXTS[params.name];
  if (answer && expected) assert.equal(answer.content[0].text, expected);
}

/** Arguments that fit the schema of a tool. An object is `sample`. */
function argumentsFor({ properties = {} }, sample) {
  const value = { number: 2, integer: 2, boolean: true, array: [], object: sample };
  return Object.fromEntries(Object.entries(properties).map(([name, { type }]) => [name, value[type] ?? 'text']));
}

async function callTools(host, ask) {
  const tools = await listTools(host, ask);
  for (const { name, inputSchema } of tools) {
    // One scenario wants to see what the host knows of the first tool's schema.
    await call(host, ask, { name, arguments: argumentsFor(inputSchema, tools[0].inputSchema) });
  }
}

async function callsOfContext(host, ask, { toolCalls }) {
  await listTools(host, ask);
  for (const { name, arguments: given } of toolCalls) await call(host, ask, { name, arguments: given });
}

/** While the person is asked something for one call, the host makes another. */
async function callsWithinCalls(host, ask) {
  let made = false;
  host.onElicitation = async () => {
    if (made) return;
    made = true;
    await call(host, ask, { name: 'test_mrtr_unrelated', arguments: {} });
  };
  await callTools(host, ask);
  assert.ok(made, 'the person was asked nothing');
}

async function everything(host, ask) {
  await callTools(host, ask);
  const prompts = await ask('prompts/list', () => host.listPrompts({}));
  for (const { name } of prompts?.prompts ?? []) await ask(`prompts/get ${name}`, () => host.getPrompt({ name }));
  const resources = await ask('resources/list', () => host.listResources({}));
  for (const { uri } of resources?.resources ?? []) {
    await ask(`resources/read ${uri}`, () => host.readResource({ uri }));
  }
}

async function listSkills(host, ask) {
  await listTools(host, ask);
  const listed = await ask('skills/list', () => host.request('skills/list', {}));
  assert.equal(listed?.skills.length, 1, 'the skill was not listed');
  return listed.skills[0];
}

/** The server lies about the skill's first file. The host must see the lie as it is, and load nothing. */
async function loadSkill(lie, host, ask) {
  const skill = await listSkills(host, ask);
  for (const resource of skill.resources) {
    const read = await ask(`resources/read ${resource.uri}`, () => host.readResource({ uri: resource.uri }));
    const seen = discrepancy(skill, resource, read.contents[0].text);
    if (!seen) continue;
    assert.equal(seen, lie, 'the file is another than the server sent');
    return;
  }
  assert.fail(`the ${lie} was as listed`);
}
