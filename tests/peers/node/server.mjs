// An MCP server made of the official TypeScript SDK: its streamable HTTP transport with sessions and event store, behind its
// OAuth router on an origin of its own. For tests; it grants every sign-in.
//
//   node server.mjs [--log FILE] [--access-token-seconds N] [--token ACCESS_TOKEN] [--port N] [--auth-port N] [--control-port N]
//     [--end-with-stdin]
//
// Prints one line of JSON when it is ready: { url, issuer, control }. Every request is a line of JSON in the log (stderr without
// --log): { n, method, path, authorization, session, last_event_id, rpc, grant_type } when it came, { answers: n, status } when
// the answer began; what else is worth knowing is { event }. No token is ever logged. `control` takes POST on
//   /expire                  access tokens are expired
//   /forget-refresh-tokens   refresh tokens are unknown
//   /forget-clients          registered clients are unknown
//   /restart                 the MCP server's connections are cut and its sessions forgotten

import './webcrypto.mjs';
import { randomUUID } from 'node:crypto';
import { appendFileSync, writeSync } from 'node:fs';
import { parseArgs } from 'node:util';
import express from 'express';
import { InMemoryEventStore } from '@modelcontextprotocol/sdk/examples/shared/inMemoryEventStore.js';
import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js';
import {
  createOAuthMetadata,
  getOAuthProtectedResourceMetadataUrl,
  mcpAuthMetadataRouter,
  mcpAuthRouter,
} from '@modelcontextprotocol/sdk/server/auth/router.js';
import { createMcpExpressApp } from '@modelcontextprotocol/sdk/server/express.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { isInitializeRequest } from '@modelcontextprotocol/sdk/types.js';
import { endWithStdin, listen, serveControl } from './loopback.mjs';
import { Provider } from './provider.mjs';
import { deferred, mcpServer } from './tools.mjs';

const SCOPES = ['mcp:tools'];

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

function log(entry) {
  const line = `${JSON.stringify(entry)}\n`;
  if (options.log) appendFileSync(options.log, line);
  else writeSync(2, line);
}
const event = what => log({ event: what });

let requests = 0;

/** Logs a request once its body is parsed, and the status when the answer's head is written. */
function logged(req, res, next) {
  requests += 1;
  const n = requests;
  const body = req.body ?? {};
  const messages = [body].flat().filter(message => message.jsonrpc);
  log({
    n,
    method: req.method,
    path: req.path,
    authorization: 'authorization' in req.headers,
    session: 'mcp-session-id' in req.headers,
    last_event_id: 'last-event-id' in req.headers,
    rpc: messages.map(message => message.method ?? 'response'),
    grant_type: body.grant_type ?? null,
  });
  const writeHead = res.writeHead;
  res.writeHead = (status, ...rest) => {
    log({ answers: n, status });
    return writeHead.call(res, status, ...rest);
  };
  next();
}

async function main() {
  // Both ports must be known before the addresses that the metadata tells.
  let mcpHandler;
  let authHandler;
  let mcpListener = await listen((req, res) => mcpHandler(req, res), options.port);
  const authListener = await listen((req, res) => authHandler(req, res), options['auth-port']);
  const port = mcpListener.address().port;
  const url = new URL(`http://localhost:${port}/mcp`);
  const issuerUrl = new URL(`http://localhost:${authListener.address().port}`);

  const provider = new Provider({ resource: url, seconds: Number(options['access-token-seconds']), event });
  if (options.token) provider.accept(options.token);
  const router = { provider, issuerUrl, scopesSupported: SCOPES };
  authHandler = express().use(express.json(), express.urlencoded({ extended: false }), logged, mcpAuthRouter(router));

  const sessions = new Map();
  mcpHandler = mcpApp({ url, provider, oauthMetadata: createOAuthMetadata(router), sessions });

  const restart = async () => {
    await new Promise(done => {
      mcpListener.close(done);
      mcpListener.closeAllConnections();
    });
    const lost = [...sessions.values()];
    sessions.clear();
    await Promise.all(lost.map(session => session.transport.close()));
    mcpListener = await listen((req, res) => mcpHandler(req, res), port);
  };
  const actions = {
    '/expire': () => provider.expireAccessTokens(),
    '/forget-refresh-tokens': () => provider.forgetRefreshTokens(),
    '/forget-clients': () => provider.forgetClients(),
    '/restart': restart,
  };
  const control = await serveControl(actions, options['control-port']);

  if (options['end-with-stdin']) endWithStdin();
  const ready = { url: url.href, issuer: issuerUrl.href, control };
  process.stdout.write(`${JSON.stringify(ready)}\n`);
}

/** The MCP server's origin: metadata of the protected resource, and the transport behind the SDK's token check. */
function mcpApp({ url, provider, oauthMetadata, sessions }) {
  const open = async () => {
    const standing = deferred();
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      eventStore: new InMemoryEventStore(),
      retryInterval: 20,
      onsessioninitialized: id => void sessions.set(id, { transport, standing }),
      onsessionclosed: id => void sessions.delete(id),
    });
    await mcpServer({ standing: standing.promise, event }).connect(transport);
    return transport;
  };
  const refuse = (res, status, code, message) =>
    res.status(status).json({ jsonrpc: '2.0', error: { code, message }, id: null });

  const app = createMcpExpressApp();
  app.use(logged);
  app.use(mcpAuthMetadataRouter({ oauthMetadata, resourceServerUrl: url, scopesSupported: SCOPES }));
  app.use(
    url.pathname,
    requireBearerAuth({
      verifier: provider,
      requiredScopes: SCOPES,
      resourceMetadataUrl: getOAuthProtectedResourceMetadataUrl(url),
      expectedResource: url,
    }),
  );
  app.all(url.pathname, async (req, res) => {
    const id = req.headers['mcp-session-id'];
    const session = sessions.get(id);
    if (session) {
      // A GET without Last-Event-ID is the standing stream; its head is written when the transport has taken it.
      if (req.method === 'GET' && !req.headers['last-event-id']) {
        const writeHead = res.writeHead;
        res.writeHead = (status, ...rest) => {
          if (status === 200) session.standing.resolve();
          return writeHead.call(res, status, ...rest);
        };
      }
      await session.transport.handleRequest(req, res, req.body);
    } else if (id) {
      refuse(res, 404, -32001, 'Session not found');
    } else if (req.method === 'POST' && [req.body].flat().some(isInitializeRequest)) {
      await (await open()).handleRequest(req, res, req.body);
    } else {
      refuse(res, 400, -32000, 'Bad Request: No valid session ID provided');
    }
  });
  return app;
}

main().catch(error => {
  console.error(error);
  process.exit(1);
});
