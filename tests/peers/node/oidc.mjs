// The MCP server of the official TypeScript SDK, protected by the certified authorization server oidc-provider on an origin of its
// own: refresh tokens rotate, and the grant ends when one is used again. For tests; one person signs in and agrees to everything.
//
//   node oidc.mjs [--log FILE] [--access-token-seconds N] [--token ACCESS_TOKEN] [--port N] [--auth-port N] [--control-port N]
//     [--end-with-stdin]
//
// Prints one line of JSON when it is ready: { url, issuer, control }. Logs requests as endpoint.mjs says. `control` takes POST on
//   /counts                        gives the counts that oidc-counts.mjs lists, and what is `now` going on: faults left,
//                                  token requests held, browsers held
//   /access-token-seconds?n=N      how long access tokens live that are issued from now on
//   /expire                        every access token is past its end
//   /forget-access-tokens          access tokens are unknown
//   /forget-refresh-tokens         refresh tokens are unknown
//   /forget-clients                registered clients are unknown
//   /revoke-grants                 every grant is gone, and with it its tokens
//   /restart                       the MCP server's connections are cut and its sessions forgotten
//   /interactions?answer=ANSWER    what people do from now on: `approve` (at first), `deny`, or `hold`, which keeps their browsers
//                                  waiting until another answer is set
//   /approve-device?user_code=CODE what a person does who types that code and agrees
//   /fault?what=WHAT&when=WHEN&times=N&grant=GRANT
//                                  the next N token requests (1) of that grant_type (any) fail: WHAT is `500`, `cut` or `hold`,
//                                  WHEN is `before` or `after` the provider has done its work. A later fault waits for earlier ones
//   /release                       held token requests go on
//   /clear-faults                  no more of them; held requests go on

import { parseArgs } from 'node:util';
import express from 'express';
import { InvalidTokenError } from '@modelcontextprotocol/sdk/server/auth/errors.js';
import { metadataHandler } from '@modelcontextprotocol/sdk/server/auth/handlers/metadata.js';
import { mcpEndpoint, requestLog } from './endpoint.mjs';
import { endWithStdin, listen, serveControl } from './loopback.mjs';
import { newCounts, countProvider, countRefusals } from './oidc-counts.mjs';
import { approveDevice } from './oidc-device.mjs';
import { Faults } from './oidc-faults.mjs';
import { People } from './oidc-people.mjs';
import { newProvider, SCOPE } from './oidc-provider.mjs';
import { Store } from './oidc-store.mjs';

const { values: options } = parseArgs({
  options: {
    log: { type: 'string' },
    'access-token-seconds': { type: 'string', default: '3600' },
    token: { type: 'string' },
    port: { type: 'string', default: '0' },
    'auth-port': { type: 'string', default: '0' },
    'control-port': { type: 'string', default: '0' },
    'end-with-stdin': { type: 'boolean', default: false },
  },
});

async function main() {
  const counts = newCounts();
  const { event, logged } = requestLog(options.log);
  const endpoint = await mcpEndpoint({ port: options.port, event, watch: [logged, countRefusals(counts)] });
  const resource = endpoint.url.href;

  let authHandler;
  const authListener = await listen((req, res) => authHandler(req, res), options['auth-port']);
  const issuer = `http://localhost:${authListener.address().port}`;
  const lifetime = { seconds: wholeSeconds(options['access-token-seconds']) };
  const store = new Store();
  const provider = newProvider({ issuer, resource, store, lifetime });
  const people = new People(provider);
  const faults = new Faults(provider, counts);
  countProvider(provider, counts);
  provider.on('server_error', (_ctx, error) => console.error(error));
  authHandler = express()
    // Read here already, for the log and the faults; the provider takes the text.
    .use(express.text({ type: () => true }), logged)
    .get('/interaction/:uid', (req, res) => people.answer(req, res))
    .use(provider.callback());

  endpoint.protect({
    metadata: express.Router().use(
      `/.well-known/oauth-protected-resource${endpoint.url.pathname}`,
      metadataHandler({ resource, authorization_servers: [issuer], scopes_supported: ['openid', 'email', 'profile', SCOPE] }),
    ),
    verifier: { verifyAccessToken: token => verify(provider, endpoint.url, token) },
    // Not told in the challenge, so that the scopes of the metadata are asked for and an ID token is given.
    requiredScopes: [],
  });

  const actions = {
    '/counts': () => ({
      ...counts,
      now: { faults_left: faults.left(), held: faults.held(), browsers_held: people.held() },
    }),
    '/access-token-seconds': query => {
      lifetime.seconds = wholeSeconds(query.get('n'));
    },
    '/expire': () => store.expire('AccessToken'),
    '/forget-access-tokens': () => store.forget('AccessToken'),
    '/forget-refresh-tokens': () => store.forget('RefreshToken'),
    '/forget-clients': () => store.forget('Client'),
    '/revoke-grants': () => store.forget('Grant', 'AccessToken', 'RefreshToken', 'AuthorizationCode', 'DeviceCode'),
    '/restart': () => endpoint.restart(),
    '/interactions': query => people.will(query.get('answer')),
    '/approve-device': query => approveDevice(issuer, query.get('user_code')),
    '/fault': query => faults.add(Object.fromEntries(query)),
    '/release': () => faults.release(),
    '/clear-faults': () => faults.clear(),
  };
  const control = await serveControl(actions, options['control-port']);

  if (options['end-with-stdin']) endWithStdin();
  process.stdout.write(`${JSON.stringify({ url: resource, issuer, control })}\n`);
}

/** Asks the provider for the token, so that one is refused as soon as it or its grant is gone. */
async function verify(provider, url, token) {
  if (token === options.token) {
    return { token, clientId: 'none', scopes: [SCOPE], expiresAt: Math.floor(Date.now() / 1000) + 3600, resource: url };
  }
  const known = await provider.AccessToken.find(token);
  const grant = known && (await provider.Grant.find(known.grantId));
  if (!grant) throw new InvalidTokenError('unknown token');
  if (known.aud !== url.href || !known.scopes.has(SCOPE)) throw new InvalidTokenError('a token for something else');
  return { token, clientId: known.clientId, scopes: [...known.scopes], expiresAt: known.exp, resource: url };
}

function wholeSeconds(text) {
  const seconds = Number(text);
  if (!Number.isInteger(seconds) || seconds < 1) throw new Error(`not a lifetime in seconds: ${text}`);
  return seconds;
}

main().catch(error => {
  console.error(error);
  process.exit(1);
});
