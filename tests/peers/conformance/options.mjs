// What a user gives the bridge for each scenario of the conformance suite, which hands the secrets over in its context.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The document that the suite wants named. It is never fetched. */
const CLIENT_METADATA_URL = 'https://conformance-test.local/client-metadata.json';

/** Scenario → what to give the bridge: { args, env }, from the context and a folder for files. */
const OPTIONS = {
  'auth/basic-cimd': () => ({ args: ['--client-metadata-url', CLIENT_METADATA_URL] }),

  'auth/pre-registration': ({ client_id, client_secret }) => ({
    args: ['--static-oauth-client-info', JSON.stringify({ client_id, client_secret })],
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
export function optionsFor(scenario, context, folder) {
  const { args = [], env = {} } = OPTIONS[scenario]?.(context, folder) ?? {};
  return { args, env };
}

/** A file that only its owner can read. */
function file(folder, name, content) {
  const path = join(folder, name);
  writeFileSync(path, content, { mode: 0o600 });
  return path;
}
