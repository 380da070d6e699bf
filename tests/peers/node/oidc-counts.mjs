// What the provider and the MCP server have done so far, in numbers.

export function newCounts() {
  return {
    /** Clients that were registered. */
    registrations: 0,
    /** Clients that were deleted by themselves (RFC 7592). */
    deletions: 0,
    /** Authorization requests that were answered with a code, or with tokens to a device. */
    authorizations: 0,
    /** Authorization requests that were answered with an error. */
    authorizations_refused: 0,
    /** Token requests that were given tokens, whether or not the answer arrived. */
    code_exchanges: 0,
    refreshes: 0,
    device_exchanges: 0,
    client_credentials: 0,
    /** Authorization requests that were pushed (RFC 9126). */
    pushed: 0,
    /** Those of them that came with a proof of the key that they are to be bound to (RFC 9449). */
    pushed_proven: 0,
    /** Token requests that the provider refused. A device that has to wait is not counted. */
    code_exchanges_refused: 0,
    refreshes_refused: 0,
    device_exchanges_refused: 0,
    client_credentials_refused: 0,
    /** Refused refreshes whose token had been rotated away. */
    reuses: 0,
    /** Grants that the provider ended, because of a reuse or because a client revoked a token. */
    grants_revoked: 0,
    /** Faults that token requests met. */
    faults: 0,
    /** Requests to the MCP server that were answered 401: with a token, and without. */
    tokens_refused: 0,
    tokens_missing: 0,
    /** Requests to the MCP server with a token that is bound to a key: with a good proof of it (RFC 9449), and with a bad one. */
    proofs: 0,
    proofs_refused: 0,
    /** Token requests, pushed requests and requests to the MCP server that were told to come again with a nonce. */
    nonces_asked: 0,
    /** Errors within the provider. */
    server_errors: 0,
  };
}

const GRANTS = {
  authorization_code: 'code_exchanges',
  refresh_token: 'refreshes',
  'urn:ietf:params:oauth:grant-type:device_code': 'device_exchanges',
  client_credentials: 'client_credentials',
};

/** Counts what the provider says of itself. */
export function countProvider(provider, counts) {
  const count = (event, name) =>
    provider.on(event, () => {
      counts[name] += 1;
    });
  count('registration_create.success', 'registrations');
  count('registration_delete.success', 'deletions');
  count('authorization.success', 'authorizations');
  count('authorization.error', 'authorizations_refused');
  count('grant.revoked', 'grants_revoked');
  provider.on('pushed_authorization_request.success', ctx => {
    counts.pushed += 1;
    if (ctx.get('DPoP')) counts.pushed_proven += 1;
  });
  provider.on('pushed_authorization_request.error', (_ctx, error) => {
    if (error.error === 'use_dpop_nonce') counts.nonces_asked += 1;
  });
  count('server_error', 'server_errors');
  provider.on('grant.success', ctx => {
    const name = GRANTS[ctx.oidc.params.grant_type];
    if (name) counts[name] += 1;
  });
  provider.on('grant.error', (ctx, error) => {
    if (error.error === 'authorization_pending' || error.error === 'slow_down') return;
    if (error.error === 'use_dpop_nonce') {
      counts.nonces_asked += 1;
      return;
    }
    // None if the provider could not even read what is asked for.
    const name = GRANTS[ctx.oidc.params?.grant_type];
    if (name) counts[`${name}_refused`] += 1;
    if (error.error_detail === 'refresh token already used') counts.reuses += 1;
  });
}

/** A middleware that counts what the MCP server answers with 401. */
export function countRefusals(counts) {
  return (req, res, next) => {
    const writeHead = res.writeHead;
    res.writeHead = (status, ...rest) => {
      if (status === 401) counts['authorization' in req.headers ? 'tokens_refused' : 'tokens_missing'] += 1;
      return writeHead.call(res, status, ...rest);
    };
    next();
  };
}
