// The MCP endpoint of the servers in this folder: the official SDK's streamable HTTP transport with sessions and event store, or
// its HTTP+SSE transport,
// behind the SDK's token check, on an origin of its own. With it the log of requests, which their authorization servers share.

import { randomUUID } from 'node:crypto';
import { appendFileSync, writeSync } from 'node:fs';
import { InMemoryEventStore } from '@modelcontextprotocol/sdk/examples/shared/inMemoryEventStore.js';
import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js';
import { getOAuthProtectedResourceMetadataUrl } from '@modelcontextprotocol/sdk/server/auth/router.js';
import { createMcpExpressApp } from '@modelcontextprotocol/sdk/server/express.js';
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { isInitializeRequest } from '@modelcontextprotocol/sdk/types.js';
import { listen } from './loopback.mjs';
import { deferred, mcpServer } from './tools.mjs';

/**
 * Every request is a line of JSON in `file` (stderr without it): { n, method, path, authorization, session, last_event_id, rpc,
 * grant_type } when it came, { answers: n, status } when the answer began; what else is worth knowing is { event }. No token is
 * ever logged. `logged` is a middleware for after the body was parsed.
 */
export function requestLog(file) {
  const log = entry => {
    const line = `${JSON.stringify(entry)}\n`;
    if (file) appendFileSync(file, line);
    else writeSync(2, line);
  };
  let requests = 0;
  const logged = (req, res, next) => {
    requests += 1;
    const n = requests;
    const body = (typeof req.body === 'string' ? Object.fromEntries(new URLSearchParams(req.body)) : req.body) ?? {};
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
  };
  return { event: what => log({ event: what }), logged };
}

/**
 * Listens on `port`, any for 0, with the middleware `watch` before all else, and gives { url, protect, restart }. It serves once `protect` has told who checks tokens, as the
 * authorization server may want to know the address first. `restart` cuts the connections and forgets the sessions;
 * with `kept` it keeps them and their event stores, as servers do that have these in a database. With `sse` it speaks HTTP+SSE.
 * `other` gives what serves in place of all that, if it is given: a function of request, response and the request's body. It is
 * asked again after a restart.
 */
export async function mcpEndpoint({ port, event, watch, sse = false, other }) {
  let app;
  let listener = await listen((req, res) => app(req, res), port);
  const url = new URL(`http://localhost:${listener.address().port}${sse ? '/sse' : '/mcp'}`);
  const sessions = new Map();
  let serving = other?.();
  return {
    url,
    /**
     * `metadata` serves the metadata of the protected resource; `verifier` and `requiredScopes` are those of requireBearerAuth.
     * `before` and `after` are middlewares around it, for what it does not know.
     */
    protect({ metadata, verifier, requiredScopes, before = pass, after = pass }) {
      const bearer = requireBearerAuth({
        verifier,
        requiredScopes,
        resourceMetadataUrl: getOAuthProtectedResourceMetadataUrl(url),
        expectedResource: url,
      });
      this.guard({ metadata, guard: [before, bearer, after] });
    },
    /** The same with middlewares of somebody else's as `guard`. */
    guard({ metadata, guard }) {
      app = createMcpExpressApp();
      app.use(watch);
      app.use(metadata);
      app.use(sse ? [url.pathname, MESSAGES] : url.pathname, guard);
      if (other) app.all(url.pathname, (req, res) => serving(req, res, req.body));
      else if (sse) serveSse({ app, path: url.pathname, sessions, event });
      else app.all(url.pathname, (req, res) => serve({ req, res, sessions, event }));
    },
    async restart({ kept = false } = {}) {
      await new Promise(done => {
        listener.close(done);
        listener.closeAllConnections();
      });
      const lost = kept ? [] : [...sessions.values()];
      if (!kept) {
        sessions.clear();
        serving = other?.();
      }
      await Promise.all(lost.map(session => session.transport.close()));
      listener = await listen((req, res) => app(req, res), url.port);
    },
  };
}

/** A middleware that does nothing. */
const pass = (_req, _res, next) => next();

/** Where messages go over HTTP+SSE. */
const MESSAGES = '/messages';

/** HTTP+SSE as the SDK's own examples have it: a GET opens a session, whose messages are POSTed elsewhere. */
function serveSse({ app, path, sessions, event }) {
  app.get(path, async (req, res) => {
    const transport = new SSEServerTransport(MESSAGES, res);
    sessions.set(transport.sessionId, { transport });
    res.on('close', () => sessions.delete(transport.sessionId));
    // The event stream is the standing stream.
    await mcpServer({ standing: Promise.resolve(), event }).connect(transport);
  });
  app.post(MESSAGES, async (req, res) => {
    const session = sessions.get(req.query.sessionId);
    if (session) await session.transport.handlePostMessage(req, res, req.body);
    else res.status(404).send('Session not found');
  });
}

/** One request to the endpoint, whose token is good. */
async function serve({ req, res, sessions, event }) {
  const refuse = (status, code, message) =>
    res.status(status).json({ jsonrpc: '2.0', error: { code, message }, id: null });
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
    refuse(404, -32001, 'Session not found');
  } else if (req.method === 'POST' && [req.body].flat().some(isInitializeRequest)) {
    await (await open(sessions, event)).handleRequest(req, res, req.body);
  } else {
    refuse(400, -32000, 'Bad Request: No valid session ID provided');
  }
}

/** A transport that becomes a session when it is asked to initialize. */
async function open(sessions, event) {
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
}
