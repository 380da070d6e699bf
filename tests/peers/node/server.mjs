// An MCP server made of the official TypeScript SDK, behind the SDK's OAuth router on an origin of its own. For tests; it grants
// every sign-in.
//
//   node server.mjs [--log FILE] [--access-token-seconds N] [--token ACCESS_TOKEN] [--port N] [--auth-port N] [--control-port N]
//     [--sse] [--end-with-stdin]
//
// Prints one line of JSON when it is ready: { url, issuer, control }. With --sse it speaks the HTTP+SSE of 2024
// instead of streamable HTTP. Logs requests as endpoint.mjs says. `control` takes POST on
//   /expire                  access tokens are expired
//   /forget-refresh-tokens   refresh tokens are unknown
//   /forget-clients          registered clients are unknown
//   /restart                 the MCP server's connections are cut and its sessions forgotten
//   /restart-kept            they are cut, and the sessions and their events are kept
//   /release                 calls of the tool `held` are answered

import { parseArgs } from 'node:util';
import express from 'express';
import { createOAuthMetadata, mcpAuthMetadataRouter, mcpAuthRouter } from '@modelcontextprotocol/sdk/server/auth/router.js';
import { mcpEndpoint, requestLog } from './endpoint.mjs';
import { endWithStdin, listen, serveControl } from './loopback.mjs';
import { Provider } from './provider.mjs';
import { release } from './tools.mjs';

const SCOPES = ['mcp:tools'];

const { values: options } = parseArgs({
  options: {
    log: { type: 'string' },
    'access-token-seconds': { type: 'string', default: '3600' },
    token: { type: 'string' },
    port: { type: 'string', default: '0' },
    'auth-port': { type: 'string', default: '0' },
    'control-port': { type: 'string', default: '0' },
    sse: { type: 'boolean', default: false },
    'end-with-stdin': { type: 'boolean', default: false },
  },
});

async function main() {
  const { event, logged } = requestLog(options.log);
  const endpoint = await mcpEndpoint({ port: options.port, event, watch: logged, sse: options.sse });

  // Its port must be known before the addresses that the metadata tells.
  let authHandler;
  const authListener = await listen((req, res) => authHandler(req, res), options['auth-port']);
  const issuerUrl = new URL(`http://localhost:${authListener.address().port}`);
  const provider = new Provider({ resource: endpoint.url, seconds: Number(options['access-token-seconds']), event });
  if (options.token) provider.accept(options.token);
  const router = { provider, issuerUrl, scopesSupported: SCOPES };
  authHandler = express().use(express.json(), express.urlencoded({ extended: false }), logged, mcpAuthRouter(router));

  endpoint.protect({
    metadata: mcpAuthMetadataRouter({
      oauthMetadata: createOAuthMetadata(router),
      resourceServerUrl: endpoint.url,
      scopesSupported: SCOPES,
    }),
    verifier: provider,
    requiredScopes: SCOPES,
  });

  const actions = {
    '/expire': () => provider.expireAccessTokens(),
    '/forget-refresh-tokens': () => provider.forgetRefreshTokens(),
    '/forget-clients': () => provider.forgetClients(),
    '/restart': () => endpoint.restart(),
    '/restart-kept': () => endpoint.restart({ kept: true }),
    '/release': () => release(),
  };
  const control = await serveControl(actions, options['control-port']);

  if (options['end-with-stdin']) endWithStdin();
  const ready = { url: endpoint.url.href, issuer: issuerUrl.href, control };
  process.stdout.write(`${JSON.stringify(ready)}\n`);
}

main().catch(error => {
  console.error(error);
  process.exit(1);
});
