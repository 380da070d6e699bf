// The MCP server of the official TypeScript SDK behind better-auth and its MCP plugin, all on one origin: access tokens are JWTs,
// refresh tokens rotate, and the issuer has a path. For tests; one person signs in and agrees to everything.
//
//   node better-auth.mjs [--end-with-stdin]
//
// Prints one line of JSON when it is ready: { url, issuer, control }. `control` takes POST on
//   /counts                  gives what foreign-counts.mjs counts
//   /forget-access-tokens    access tokens that were given so far are no longer taken
//   /revoke-grants           neither are refresh tokens, and nobody has agreed to anything
//   /require?scope=SCOPE     tools/call needs this scope as well

import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { mcp, requireMcpAuth } from '@better-auth/mcp';
import { betterAuth } from 'better-auth';
import { memoryAdapter } from 'better-auth/adapters/memory';
import { getAuthTables } from 'better-auth/db';
import { jwt } from 'better-auth/plugins';
import { mcpEndpoint } from './endpoint.mjs';
import { countAnswer, newCounts } from './foreign-counts.mjs';
import { endWithStdin, serveControl } from './loopback.mjs';

const { values: options } = parseArgs({ options: { 'end-with-stdin': { type: 'boolean', default: false } } });

const SCOPE = 'mcp:tools';
const PERSON = { email: 'ada@example.com', password: randomBytes(16).toString('hex'), name: 'Ada Lovelace' };

/** What the library's guard says of a request that may pass. */
const PASS = 299;

/** The authorization server and the guard of the MCP endpoint at `url`. */
async function authority(url) {
  const settings = {
    baseURL: url.origin,
    secret: randomBytes(32).toString('hex'),
    emailAndPassword: { enabled: true },
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    logger: { level: 'error' },
    plugins: [
      jwt(),
      mcp({
        loginPage: '/login',
        consentPage: '/consent',
        resource: url.href,
        scopes: ['openid', 'profile', 'email', 'offline_access', SCOPE, 'mcp:admin'],
        allowDynamicClientRegistration: true,
        allowUnauthenticatedClientRegistration: true,
        // Strict, as the library is by itself: a refresh token is good for one use.
        refreshTokenReuseInterval: 0,
      }),
    ],
  };
  const db = Object.fromEntries(Object.keys(getAuthTables(settings)).map(model => [model, []]));
  const auth = betterAuth({ ...settings, database: memoryAdapter(db) });
  await auth.api.signUpEmail({ body: PERSON });
  return { auth, db };
}

/** The pages that a browser is sent to: a person who signs in at once, and agrees to everything. */
function pages({ auth, origin }) {
  const ask = async (path, body, cookie) => {
    const headers = { 'content-type': 'application/json', accept: 'application/json', origin, cookie };
    const request = new Request(`${origin}/api/auth${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    const answer = await auth.handler(request);
    const said = await answer.clone().json();
    if (!said.url) throw new Error(`${path} answered ${answer.status} ${JSON.stringify(said)}`);
    const onward = new Headers({ location: said.url });
    for (const set of answer.headers.getSetCookie()) onward.append('set-cookie', set);
    return new Response(null, { status: 302, headers: onward });
  };
  const { email, password } = PERSON;
  return {
    '/login': (query, cookie) => ask('/sign-in/email', { email, password, oauth_query: query }, cookie),
    '/consent': (query, cookie) => ask('/oauth2/consent', { accept: true, oauth_query: query }, cookie),
  };
}

/** A middleware that serves what is not the MCP endpoint. `given` gets the access tokens. */
function serveAuthority({ auth, origin, counts, given }) {
  const page = pages({ auth, origin });
  return async (req, res, next) => {
    const url = new URL(req.originalUrl, origin);
    if (url.pathname === '/mcp') {
      next();
      return;
    }
    const body = await text(req);
    const answer = page[url.pathname]
      ? await page[url.pathname](url.search.slice(1), req.headers.cookie ?? '')
      : await auth.handler(new Request(url, { method: req.method, headers: headersOf(req), body }));
    const said = await answer.text();
    countAnswer(counts, { path: url.pathname, form: body, answer });
    if (url.pathname.endsWith('/token') && answer.ok) given.add(JSON.parse(said).access_token);
    res.status(answer.status);
    for (const [name, value] of answer.headers) if (name !== 'set-cookie') res.setHeader(name, value);
    res.setHeader('set-cookie', answer.headers.getSetCookie());
    res.end(said);
  };
}

/** A middleware in front of the MCP endpoint: the library's own check of tokens. */
function guard({ auth, url, counts, refused, wanted }) {
  return async (req, res, next) => {
    const headers = headersOf(req);
    const token = headers.get('authorization')?.split(' ')[1];
    // The library looks at signature and time alone, so a token that is to be refused becomes another.
    if (refused.has(token)) headers.set('authorization', `Bearer ${token}x`);
    const requiredScopes = req.body?.method === 'tools/call' && wanted.scope ? [SCOPE, wanted.scope] : [SCOPE];
    const check = requireMcpAuth(auth, () => new Response(null, { status: PASS }).clone(), {
      resource: url.href,
      requiredScopes,
      challengeScopes: requiredScopes,
    });
    const answer = await check(new Request(new URL(req.originalUrl, url), { method: req.method, headers }));
    if (answer.status === PASS) {
      next();
      return;
    }
    if (answer.status === 401 && token) counts.tokens_refused += 1;
    res.status(answer.status);
    for (const [name, value] of answer.headers) res.setHeader(name, value);
    res.end(await answer.text());
  };
}

const headersOf = req => new Headers(Object.entries(req.headers).map(([name, value]) => [name, String(value)]));

/** The body of a request, which a parser of JSON has seen before; none for a GET. */
async function text(req) {
  if (req.method === 'GET' || req.method === 'HEAD') return undefined;
  if (req.is('json')) return JSON.stringify(req.body);
  const chunks = await req.toArray();
  return Buffer.concat(chunks).toString();
}

async function main() {
  console.info = console.warn;
  const counts = newCounts();
  const endpoint = await mcpEndpoint({ port: 0, event: () => {}, watch: (_req, _res, next) => next() });
  const { url } = endpoint;
  const { auth, db } = await authority(url);
  const given = new Set();
  const refused = new Set();
  const wanted = {};
  endpoint.guard({
    metadata: serveAuthority({ auth, origin: url.origin, counts, given }),
    guard: guard({ auth, url, counts, refused, wanted }),
  });
  const forget = () => given.forEach(token => refused.add(token));
  const actions = {
    '/counts': () => counts,
    '/forget-access-tokens': forget,
    '/revoke-grants': () => {
      forget();
      db.oauthRefreshToken.length = 0;
      db.oauthConsent.length = 0;
    },
    '/require': query => {
      wanted.scope = query.get('scope');
    },
  };
  const control = await serveControl(actions, 0);
  if (options['end-with-stdin']) endWithStdin();
  process.stdout.write(`${JSON.stringify({ url: url.href, issuer: `${url.origin}/api/auth`, control })}\n`);
}

main().catch(error => {
  console.error(error);
  process.exit(1);
});
