// An authorization server made of the official SDK's demo provider, which grants every request at once, plus what the demo
// leaves out: refresh tokens that rotate, detection of their reuse, revocation, and a lifetime that a test chooses.

import { randomUUID } from 'node:crypto';
import { DemoInMemoryAuthProvider } from '@modelcontextprotocol/sdk/examples/server/demoInMemoryOAuthProvider.js';
import { InvalidGrantError, InvalidTargetError, InvalidTokenError } from '@modelcontextprotocol/sdk/server/auth/errors.js';

export class Provider extends DemoInMemoryAuthProvider {
  /** `resource` is the only MCP server tokens are given for, `seconds` their lifetime, `event` is told what goes wrong. */
  constructor({ resource, seconds, event }) {
    super();
    Object.assign(this, { resource, seconds, event });
    /** Refresh token → { family, clientId, scopes, spent }. */
    this.refreshTokens = new Map();
  }

  async challengeForAuthorizationCode(client, code) {
    // The demo throws a plain error here, which the SDK answers with 500 instead of RFC 6749 §5.2's invalid_grant.
    if (!this.codes.has(code)) throw new InvalidGrantError('unknown authorization code');
    return super.challengeForAuthorizationCode(client, code);
  }

  async exchangeAuthorizationCode(client, code, _verifier, redirectUri) {
    const { client: owner, params } = this.codes.get(code);
    this.codes.delete(code);
    if (owner.client_id !== client.client_id) throw new InvalidGrantError('the code belongs to another client');
    // RFC 6749 §4.1.3: the redirect_uri of the token request equals that of the authorization request.
    if (redirectUri !== params.redirectUri) throw new InvalidGrantError('redirect_uri differs from the authorization request');
    this.checkResource(params.resource);
    return this.issue({ family: randomUUID(), clientId: client.client_id, scopes: params.scopes ?? [] });
  }

  async exchangeRefreshToken(client, refreshToken, scopes, resource) {
    const grant = this.refreshTokens.get(refreshToken);
    if (grant?.clientId !== client.client_id) throw new InvalidGrantError('unknown refresh token');
    if (grant.spent) {
      // RFC 9700 §4.14.2: a refresh token that comes twice was stolen by somebody; the whole grant ends.
      this.event('refresh token used twice');
      this.end(grant.family);
      throw new InvalidGrantError('refresh token was used before');
    }
    if (resource) this.checkResource(resource);
    grant.spent = true;
    return this.issue({ ...grant, scopes: scopes ?? grant.scopes });
  }

  async verifyAccessToken(token) {
    const known = this.tokens.get(token);
    if (!known) throw new InvalidTokenError('unknown token');
    return { ...known, token, expiresAt: Math.floor(known.expiresAt / 1000) };
  }

  async revokeToken(client, { token }) {
    const known = this.refreshTokens.get(token) ?? this.tokens.get(token);
    if (known?.clientId === client.client_id) this.end(known.family);
  }

  /** Takes `token` as an access token that was given to nobody by sign-in. */
  accept(token) {
    const expiresAt = Date.now() + this.seconds * 1000;
    this.tokens.set(token, { clientId: 'none', scopes: ['mcp:tools'], expiresAt, resource: this.resource });
  }

  /** Every access token is past its end from now on. */
  expireAccessTokens() {
    for (const token of this.tokens.values()) token.expiresAt = Date.now() - 1000;
  }

  /** Refresh tokens are unknown from now on, as after a revocation by the user. */
  forgetRefreshTokens() {
    this.refreshTokens.clear();
  }

  /** Registered clients are unknown from now on, as after a restart of a server that keeps them in memory. */
  forgetClients() {
    this.clientsStore.clients.clear();
  }

  // RFC 8707 §2.
  checkResource(resource) {
    if (resource?.href !== this.resource.href) throw new InvalidTargetError(`tokens are given for ${this.resource.href} only`);
  }

  issue({ family, clientId, scopes }) {
    const access_token = randomUUID();
    const refresh_token = randomUUID();
    const expiresAt = Date.now() + this.seconds * 1000;
    this.tokens.set(access_token, { family, clientId, scopes, expiresAt, resource: this.resource });
    this.refreshTokens.set(refresh_token, { family, clientId, scopes, spent: false });
    return { access_token, refresh_token, token_type: 'bearer', expires_in: this.seconds, scope: scopes.join(' ') };
  }

  end(family) {
    for (const store of [this.tokens, this.refreshTokens]) {
      for (const [token, grant] of store) if (grant.family === family) store.delete(token);
    }
  }
}
