// What runs in workerd: see workers.mjs. The store is in memory, which lasts as long as the one isolate.

import { countAnswer, newCounts } from './foreign-counts.mjs';
import { insufficientScope, OAuthAuthorizationServer, OAuthResourceServer } from 'workers-oauth-provider';

const SCOPE = 'mcp:tools';
const PERSON = 'ada';

/** As much of a KV namespace as the library uses. */
class Store {
  #entries = new Map();

  async get(key, { type = 'text' } = {}) {
    const value = this.#entries.get(key)?.value;
    if (value === undefined) return null;
    return type === 'json' ? JSON.parse(value) : value;
  }

  async put(key, value, { metadata } = {}) {
    this.#entries.set(key, { value, metadata });
  }

  async delete(key) {
    this.#entries.delete(key);
  }

  async list({ prefix = '' } = {}) {
    const names = [...this.#entries.keys()].filter(name => name.startsWith(prefix)).sort();
    return { keys: names.map(name => ({ name, metadata: this.#entries.get(name).metadata })), list_complete: true };
  }

  forget(prefix) {
    for (const key of this.#entries.keys()) if (key.startsWith(prefix)) this.#entries.delete(key);
  }

  /** Changes each entry below `prefix`. */
  edit(prefix, change) {
    for (const [key, entry] of this.#entries) {
      if (key.startsWith(prefix)) entry.value = JSON.stringify(change(JSON.parse(entry.value)));
    }
  }
}

const store = new Store();
const counts = newCounts();
const wanted = {};

const ACTIONS = {
  '/counts': () => counts,
  '/expire': () => store.edit('token:', token => ({ ...token, expiresAt: Math.floor(Date.now() / 1000) - 1 })),
  '/forget-access-tokens': () => store.forget('token:'),
  '/revoke-grants': () => ['token:', 'grant:'].forEach(prefix => store.forget(prefix)),
  '/require': query => {
    wanted.scope = query.get('scope');
  },
};

let roles;

/** Both roles, once their addresses are known. */
function rolesOf({ RESOURCE, ISSUER }) {
  const authority = new OAuthAuthorizationServer({
    issuer: ISSUER,
    resources: [RESOURCE],
    scopesSupported: [SCOPE, 'mcp:admin', 'offline_access'],
    authorizeEndpoint: '/authorize',
    tokenEndpoint: '/oauth/token',
    clientRegistrationEndpoint: '/oauth/register',
  });
  const guarded = new OAuthResourceServer({
    resourceMetadata: { resource: RESOURCE, authorization_servers: [ISSUER] },
    requiredScopes: [SCOPE],
    validateToken: env => (resource, token) => authority.validateToken(resource, token, env),
    handler: { fetch: serveMcp },
  });
  return { authority, guarded };
}

/** One request to the MCP endpoint, whose token is good. Sessions and event streams are not its business. */
async function serveMcp(request, _env, ctx) {
  if (request.method !== 'POST') return new Response(null, { status: 405 });
  const { id, method, params } = await request.json();
  if (id === undefined) return new Response(null, { status: 202 });
  if (method === 'tools/call' && wanted.scope && !ctx.auth.scope.includes(wanted.scope)) {
    return insufficientScope(ctx.auth, [SCOPE, wanted.scope]);
  }
  const number = { type: 'number' };
  const results = {
    initialize: () => ({
      protocolVersion: params.protocolVersion,
      capabilities: { tools: {} },
      serverInfo: { name: 'workers-peer', version: '1.0.0' },
    }),
    ping: () => ({}),
    'tools/list': () => ({
      tools: [{ name: 'add', inputSchema: { type: 'object', properties: { a: number, b: number }, required: ['a', 'b'] } }],
    }),
    'tools/call': () => ({ content: [{ type: 'text', text: String(params.arguments.a + params.arguments.b) }] }),
  };
  const answer = results[method] ? { result: results[method]() } : { error: { code: -32601, message: 'Method not found' } };
  return Response.json({ jsonrpc: '2.0', id, ...answer });
}

/** The page where a person agrees, who does so at once. */
async function authorize(request, env) {
  const oauth = roles.authority.getOAuthApi(env);
  const asked = await oauth.parseAuthRequest(request);
  const { redirectTo } = await oauth.completeAuthorization({
    request: asked,
    userId: PERSON,
    metadata: {},
    scope: asked.scope,
    props: { userId: PERSON },
  });
  return new Response(null, { status: 302, headers: { location: redirectTo } });
}

async function serve(request, env, ctx) {
  const url = new URL(request.url);
  if (url.origin !== new URL(env.ISSUER).origin) {
    const answer = await roles.guarded.fetch(request, env, ctx);
    if (answer.status === 401 && request.headers.has('authorization')) counts.tokens_refused += 1;
    return answer;
  }
  const action = url.pathname.startsWith('/control/') && ACTIONS[url.pathname.slice('/control'.length)];
  if (action) {
    const said = action(url.searchParams);
    return said ? Response.json(said) : new Response(null, { status: 204 });
  }
  const form = request.method === 'POST' ? await request.clone().text() : '';
  const answer = url.pathname === '/authorize' ? await authorize(request, env) : await roles.authority.fetch(request, env, ctx);
  countAnswer(counts, { path: url.pathname, form, answer });
  return answer;
}

export default {
  async fetch(request, bindings, ctx) {
    const env = { ...bindings, OAUTH_KV: store };
    roles ??= rolesOf(env);
    try {
      return await serve(request, env, ctx);
    } catch (error) {
      console.error(error.stack);
      return new Response(`${error.message}\n`, { status: 500 });
    }
  },
};
