// The MCP server of the official TypeScript SDK, protected by the certified authorization server oidc-provider on an origin of its
// own: refresh tokens rotate, and the grant ends when one is used again. For tests; one person signs in and agrees to everything.
//
//   node oidc.mjs [--log FILE] [--access-token-seconds N] [--token ACCESS_TOKEN] [--port N] [--auth-port N] [--control-port N]
//     [--end-with-stdin] [--path PATH] [--par] [--dpop optional|required] [--nonces] [--no-resource-indicators]
//     [--no-registration] [--initial-access-token TOKEN] [--client JSON]... [--openid-discovery-only]
//     [--id-tokens always|at-sign-in] [--stateless]
//
//   --path                    the issuer has this path, such as /tenant/acme
//   --par                     authorization requests must be pushed (RFC 9126)
//   --dpop                    tokens may be, or have to be, bound to a key (RFC 9449); without it nobody speaks of DPoP
//   --nonces                  proofs need a nonce, of the provider's and of the MCP server's
//   --no-resource-indicators  `resource` is not known (RFC 8707) and tokens have no audience
//   --no-registration         no dynamic registration
//   --initial-access-token    a registration needs this token (RFC 7591 §3)
//   --client                  metadata of a client that is known from the start (RFC 7591 §2); its grants and methods are as there
//   --openid-discovery-only   no metadata of RFC 8414
//   --id-tokens               the MCP server takes ID tokens and no access tokens; the answer to a refresh has one `always`, or never
//   --stateless               the MCP server is made of the SDK 2.x instead and has no sessions; era-world.mjs says what it offers
//
// Prints one line of JSON when it is ready: { url, issuer, control }. Logs requests as endpoint.mjs says. `control` takes POST on
//   /counts                        gives the counts that oidc-counts.mjs lists, and what is `now` going on: faults left,
//                                  token requests held, browsers held
//   /access-token-seconds?n=N      how long access tokens live that are issued from now on
//   /expire                        every access token is past its end
//   /forget-access-tokens          access tokens are unknown
//   /refuse-id-tokens              ID tokens are refused by the MCP server
//   /forget-refresh-tokens         refresh tokens are unknown
//   /forget-clients                registered clients are unknown
//   /revoke-grants                 every grant is gone, and with it its tokens
//   /require?scope=SCOPE           tools/call needs this scope as well and is answered 403 insufficient_scope without it
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
import { getOAuthProtectedResourceMetadataUrl } from '@modelcontextprotocol/sdk/server/auth/router.js';
import { mcpEndpoint, requestLog } from './endpoint.mjs';
import { handler } from './era-server-2.mjs';
import { World } from './era-world.mjs';
import { endWithStdin, listen, serveControl } from './loopback.mjs';
import { newCounts, countProvider, countRefusals } from './oidc-counts.mjs';
import { approveDevice } from './oidc-device.mjs';
import { DpopResource } from './oidc-dpop.mjs';
import { Faults } from './oidc-faults.mjs';
import { IdTokens } from './oidc-id-tokens.mjs';
import { People } from './oidc-people.mjs';
import { newProvider, SCOPE } from './oidc-provider.mjs';
import { Store } from './oidc-store.mjs';

/** The library's models of access tokens: of a person's, and of a client's own. */
const ACCESS_TOKENS = ['AccessToken', 'ClientCredentials'];

const { values: options } = parseArgs({
  options: {
    log: { type: 'string' },
    'access-token-seconds': { type: 'string', default: '3600' },
    token: { type: 'string' },
    port: { type: 'string', default: '0' },
    'auth-port': { type: 'string', default: '0' },
    'control-port': { type: 'string', default: '0' },
    'end-with-stdin': { type: 'boolean', default: false },
    path: { type: 'string', default: '' },
    par: { type: 'boolean', default: false },
    dpop: { type: 'string', default: 'none' },
    nonces: { type: 'boolean', default: false },
    'no-resource-indicators': { type: 'boolean', default: false },
    'no-registration': { type: 'boolean', default: false },
    'initial-access-token': { type: 'string' },
    client: { type: 'string', multiple: true, default: [] },
    'openid-discovery-only': { type: 'boolean', default: false },
    'id-tokens': { type: 'string', default: 'none' },
    stateless: { type: 'boolean', default: false },
  },
});

async function main() {
  // The library's remarks. Nobody reads stdout beyond its first line.
  console.info = console.warn;
  const counts = newCounts();
  const { event, logged } = requestLog(options.log);
  const other = options.stateless ? () => handler(new World()) : undefined;
  const endpoint = await mcpEndpoint({ port: options.port, event, watch: [logged, countRefusals(counts)], other });
  const resource = endpoint.url.href;

  let authHandler;
  const authListener = await listen((req, res) => authHandler(req, res), options['auth-port']);
  const issuer = `http://localhost:${authListener.address().port}${options.path}`;
  const lifetime = { seconds: wholeSeconds(options['access-token-seconds']) };
  const store = new Store();
  const switches = {
    par: options.par,
    dpop: options.dpop,
    nonces: options.nonces,
    resourceIndicators: !options['no-resource-indicators'],
    registration: !options['no-registration'],
    initialAccessToken: options['initial-access-token'],
    clients: options.client.map(text => JSON.parse(text)),
  };
  const provider = newProvider({ issuer, resource, store, lifetime, switches });
  const people = new People(provider);
  const idTokens = new IdTokens({ provider, issuer, mode: options['id-tokens'] });
  const faults = new Faults(provider, counts);
  countProvider(provider, counts);
  provider.on('server_error', (_ctx, error) => console.error(error));
  authHandler = express()
    // Read here already, for the log and the faults; the provider takes the text.
    .use(express.text({ type: () => true }), logged)
    .get('/interaction/:uid', (req, res) => people.answer(req, res))
    .use((req, res, next) => {
      const hidden = options['openid-discovery-only'] && req.path.includes('/.well-known/oauth-authorization-server');
      return hidden ? res.status(404).end() : next();
    })
    .use(options.path || '/', provider.callback());

  const scopes = { supported: ['openid', 'email', 'profile', SCOPE], required: undefined };
  const dpop = new DpopResource({ counts, mode: options.dpop, nonces: options.nonces });
  endpoint.protect({
    metadata: express.Router().use(
      `/.well-known/oauth-protected-resource${endpoint.url.pathname}`,
      metadataHandler({ resource, authorization_servers: [issuer], scopes_supported: scopes.supported, ...dpop.metadata() }),
    ),
    verifier: {
      verifyAccessToken: token => (idTokens.wanted ? verifyIdToken(idTokens, endpoint.url, token) : verify(provider, endpoint.url, token)),
    },
    // Not told in the challenge, so that the scopes of the metadata are asked for and an ID token is given.
    requiredScopes: [],
    before: dpop.middleware(),
    after: [dpop.binding(), stepUp(scopes, endpoint.url)],
  });

  const actions = {
    '/counts': () => ({
      ...counts,
      now: { faults_left: faults.left(), held: faults.held(), browsers_held: people.held() },
    }),
    '/access-token-seconds': query => {
      lifetime.seconds = wholeSeconds(query.get('n'));
    },
    '/expire': () => ACCESS_TOKENS.forEach(model => store.expire(model)),
    '/forget-access-tokens': () => store.forget(...ACCESS_TOKENS),
    '/refuse-id-tokens': () => idTokens.refuse(),
    '/forget-refresh-tokens': () => store.forget('RefreshToken'),
    '/forget-clients': () => store.forget('Client'),
    '/revoke-grants': () => store.forget('Grant', ...ACCESS_TOKENS, 'RefreshToken', 'AuthorizationCode', 'DeviceCode'),
    '/require': query => {
      scopes.required = query.get('scope');
    },
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
  const known = (await provider.AccessToken.find(token)) ?? (await provider.ClientCredentials.find(token));
  const granted = known?.kind === 'ClientCredentials' || (known && (await provider.Grant.find(known.grantId)));
  if (!granted) throw new InvalidTokenError('unknown token');
  // Without resource indicators tokens have no audience.
  const meant = options['no-resource-indicators'] ? true : known.aud === url.href && known.scopes.has(SCOPE);
  if (!meant) throw new InvalidTokenError('a token for something else');
  const { clientId, exp: expiresAt, jkt } = known;
  return { token, clientId, scopes: [...known.scopes], expiresAt, resource: url, extra: { jkt } };
}

async function verifyIdToken(idTokens, url, token) {
  const claims = await idTokens.verify(token).catch(error => {
    throw new InvalidTokenError(`no good ID token: ${error.message}`);
  });
  return { token, clientId: claims.aud, scopes: [SCOPE], expiresAt: claims.exp, resource: url, extra: {} };
}

/** A middleware that refuses calls of tools to tokens without the scope that they need (MCP 2025-11-25, Authorization, Step-Up). */
function stepUp(scopes, url) {
  return (req, res, next) => {
    const { required } = scopes;
    if (!required || req.body?.method !== 'tools/call' || req.auth.scopes.includes(required)) {
      next();
      return;
    }
    const [scheme] = req.headers.authorization.split(' ');
    const metadata = getOAuthProtectedResourceMetadataUrl(url);
    const challenge = `${scheme} error="insufficient_scope", scope="${required}", resource_metadata="${metadata}"`;
    res.set('WWW-Authenticate', challenge);
    res.status(403).json({ error: 'insufficient_scope' });
  };
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
