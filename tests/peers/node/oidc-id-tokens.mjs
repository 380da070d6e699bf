// ID tokens in place of access tokens, as the MCP servers behind some gateways want it. No specification has it.

import { createRemoteJWKSet, jwtVerify } from 'jose';

const MODES = ['none', 'always', 'at-sign-in'];

export class IdTokens {
  #issued = new Set();
  #refused = new Set();

  constructor({ provider, issuer, mode }) {
    if (!MODES.includes(mode)) throw new Error(`id-tokens: one of ${MODES}`);
    Object.assign(this, { issuer, mode });
    this.keys = createRemoteJWKSet(new URL(`${issuer}/jwks`));
    provider.use(async (ctx, next) => {
      await next();
      if (!ctx.body?.id_token) return;
      const refreshed = new URLSearchParams(ctx.req.body).get('grant_type') === 'refresh_token';
      // OpenID Connect Core §12.2: the answer to a refresh might not contain one.
      if (refreshed && mode === 'at-sign-in') delete ctx.body.id_token;
      else this.#issued.add(ctx.body.id_token);
    });
  }

  /** Whether they are what the MCP server takes. */
  get wanted() {
    return this.mode !== 'none';
  }

  /** Every ID token that was issued so far is good no more. */
  refuse() {
    for (const token of this.#issued) this.#refused.add(token);
  }

  /** The claims of an ID token that is good. Throws about every other text. */
  async verify(token) {
    if (this.#refused.has(token)) throw new Error('good no more');
    const { payload } = await jwtVerify(token, this.keys, { issuer: this.issuer });
    return payload;
  }
}
