// What a user gives the bridge for each scenario of the conformance suite, which hands the secrets over in its context.

import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

/** The document that the suite wants named. It is never fetched. */
const CLIENT_METADATA_URL = 'https://conformance-test.local/client-metadata.json';

/**
 * Scenario → what to give the bridge: { args, env }, from the context and a folder for files. A client of one's own is met at
 * one port only, which a server of the suite could have.
 */
const OPTIONS = {
  'auth/basic-cimd': async () => ({ args: [await freePort(), '--client-metadata-url', CLIENT_METADATA_URL] }),

  'auth/pre-registration': async ({ client_id, client_secret }) => ({
    args: [await freePort(), '--static-oauth-client-info', JSON.stringify({ client_id, client_secret })],
  }),

  'auth/client-credentials-basic': ({ client_id, client_secret }) => ({
    args: ['--client-credentials', '--client-id', client_id],
    env: { MCP_DRAWBRIDGE_CLIENT_SECRET: client_secret },
  }),

  'auth/client-credentials-jwt': ({ client_id, private_key_pem, signing_algorithm }, folder) => {
    const key = file(folder, 'key.pem', private_key_pem);
    return {
      args: ['--client-credentials', '--client-id', client_id, '--client-assertion-key', key, '--client-assertion-alg', signing_algorithm],
    };
  },

  'auth/enterprise-managed-authorization': (context, folder) => ({
    args: [
      ...['--client-id', context.client_id],
      ...['--idp-issuer', context.idp_issuer],
      ...['--idp-token-endpoint', context.idp_token_endpoint],
      ...['--idp-client-id', context.idp_client_id],
      ...['--idp-id-token-file', file(folder, 'id-token', context.idp_id_token)],
    ],
    env: { MCP_DRAWBRIDGE_CLIENT_SECRET: context.client_secret },
  }),

  'auth/wif-jwt-bearer': ({ client_id, valid_jwt }, folder) => ({
    args: ['--client-id', client_id, '--workload-jwt-file', file(folder, 'workload-jwt', valid_jwt)],
  }),
};

/** What a user gives the bridge for `scenario`. */
export async function optionsFor(scenario, context, folder) {
  const { args = [], env = {} } = (await OPTIONS[scenario]?.(context, folder)) ?? {};
  return { args, env };
}

/** A port that nothing listens on, above those that Linux gives to servers that want any. */
async function freePort() {
  for (;;) {
    const port = 61_000 + Math.floor(Math.random() * 4_000);
    const server = createServer().listen(port, 'localhost');
    const isFree = await once(server, 'listening').then(() => true, () => false);
    server.close();
    if (isFree) return String(port);
  }
}

/** A file that only its owner can read. */
function file(folder, name, content) {
  const path = join(folder, name);
  writeFileSync(path, content, { mode: 0o600 });
  return path;
}
