// The configuration of oidc-provider: what a public native client of an MCP server needs, and strict otherwise.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { errors, Provider } from 'oidc-provider';

/** What the MCP server wants its tokens to be for. */
export const SCOPE = 'mcp:tools';

/** What it can be told to want for calls of tools. */
export const MORE_SCOPES = ['mcp:admin', 'mcp:audit'];

const ALGORITHM = 'ES256';

/** The one person who has an account. */
export const PERSON = { sub: 'ada', email: 'ada@example.com', email_verified: true, name: 'Ada Lovelace' };

/**
 * A provider that gives opaque tokens for `resource`, which live as long as `lifetime.seconds` says when they are issued.
 * `switches` are those that the head of oidc.mjs explains.
 */
export function newProvider({ issuer, resource, store, lifetime, switches }) {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return new Provider(issuer, {
    adapter: name => store.adapter(name),
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    clients: switches.clients,
    clientDefaults: { id_token_signed_response_alg: ALGORITHM },
    // OpenID Connect Core §5.4 gives claims of scopes at the userinfo endpoint only; here they are in the ID token as well.
    conformIdTokenClaims: false,
    cookies: { keys: ['not a secret'] },
    enabledJWA: { idTokenSigningAlgValues: [ALGORITHM] },
    features: {
      clientCredentials: { enabled: true },
      dPoP: {
        enabled: switches.dpop !== 'none',
        nonceSecret: switches.nonces ? randomBytes(32) : undefined,
        requireNonce: () => switches.nonces,
      },
      deviceFlow: { enabled: true },
      devInteractions: { enabled: false },
      introspection: { enabled: true },
      pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: switches.par },
      registration: { enabled: switches.registration, initialAccessToken: switches.initialAccessToken },
      registrationManagement: { enabled: switches.registration },
      resourceIndicators: {
        enabled: switches.resourceIndicators,
        getResourceServerInfo(_ctx, indicator) {
          if (indicator !== resource) throw new errors.InvalidTarget();
          return { scope: [SCOPE, ...MORE_SCOPES].join(' '), audience: resource, accessTokenFormat: 'opaque' };
        },
      },
      revocation: { enabled: true },
    },
    findAccount: (_ctx, sub) => (sub === PERSON.sub ? { accountId: sub, claims: () => PERSON } : undefined),
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), alg: ALGORITHM, use: 'sig' }] },
    pkce: { required: () => true },
    // Reuse of a token that was rotated away revokes the grant: that is the library's own doing.
    rotateRefreshToken: true,
    // Scopes of a resource are the provider's own where it does not know resources.
    scopes: ['openid', 'offline_access', 'email', 'profile', ...(switches.resourceIndicators ? [] : [SCOPE, ...MORE_SCOPES])],
    ttl: {
      AccessToken: () => lifetime.seconds,
      Grant: 14 * 24 * 3600,
      IdToken: 3600,
      Interaction: 3600,
      RefreshToken: 14 * 24 * 3600,
      Session: 14 * 24 * 3600,
    },
  });
}
