// The MCP server's part of RFC 9449: a token that is bound to a key is good with a proof of that key and not without.

import { createHash, randomUUID } from 'node:crypto';
import { calculateJwkThumbprint, EmbeddedJWK, jwtVerify } from 'jose';

const ALGORITHMS = ['ES256', 'EdDSA', 'Ed25519'];

/** How old a proof may be, in seconds. */
const MAX_AGE = 300;

const MODES = ['none', 'optional', 'required'];

export class DpopResource {
  #seen = new Set();
  #nonce = randomUUID();

  constructor({ counts, mode, nonces }) {
    if (!MODES.includes(mode)) throw new Error(`dpop: one of ${MODES}`);
    Object.assign(this, { counts, mode, nonces });
  }

  /** What the metadata of the protected resource says of it (RFC 9728 §2). */
  metadata() {
    if (this.mode === 'none') return {};
    return {
      dpop_signing_alg_values_supported: ALGORITHMS,
      dpop_bound_access_tokens_required: this.mode === 'required',
    };
  }

  /** Stands before the check of bearer tokens, which is asked about tokens whose proof is good, and about those without a key. */
  middleware() {
    if (this.mode === 'none') return (_req, _res, next) => next();
    return async (req, res, next) => {
      this.#amendChallenges(res);
      const [scheme, token] = req.headers.authorization?.split(' ') ?? [];
      if (scheme === 'DPoP') {
        try {
          await this.#check(req, token);
        } catch (error) {
          this.#refuse(res, error);
          return;
        }
        req.headers.authorization = `Bearer ${token}`;
      } else if (scheme && this.mode === 'required') {
        this.#refuse(res, new Refusal('invalid_token', 'only tokens that are bound to a key are taken'));
        return;
      }
      next();
    };
  }

  /** After the check of the token: it must be bound to the key of the proof, and a bound one must have come with a proof. */
  binding() {
    return (req, res, next) => {
      const { jkt } = req.auth.extra ?? {};
      if (jkt !== req.proven) {
        this.#refuse(res, new Refusal('invalid_token', jkt ? 'the token is bound to another key' : 'the token is bound to no key'));
        return;
      }
      if (jkt) {
        this.counts.proofs += 1;
        req.headers.authorization = req.headers.authorization.replace(/^Bearer/, 'DPoP');
      }
      next();
    };
  }

  /** RFC 9449 §4.3, in its order as far as a library has not done it. */
  async #check(req, token) {
    const refuse = what => {
      throw new Refusal('invalid_dpop_proof', what);
    };
    const proof = req.headers.dpop;
    if (!proof || proof.includes(',')) refuse('not one proof');
    const signed = jwtVerify(proof, EmbeddedJWK, { typ: 'dpop+jwt', algorithms: ALGORITHMS });
    const { payload, protectedHeader } = await signed.catch(error => refuse(error.message));
    if ('d' in protectedHeader.jwk) refuse('the private key is in it');
    if (payload.htm !== req.method) refuse('htm is another method');
    if (payload.htu !== `http://${req.headers.host}${req.originalUrl.replace(/[?#].*/, '')}`) refuse('htu is another address');
    if (Math.abs(Date.now() / 1000 - payload.iat) > MAX_AGE) refuse('iat is not now');
    if (payload.ath !== createHash('sha256').update(token).digest('base64url')) refuse('ath is of another token');
    if (typeof payload.jti !== 'string' || this.#seen.has(payload.jti)) refuse('jti was there before');
    if (this.nonces && payload.nonce !== this.#nonce) throw new Refusal('use_dpop_nonce', 'a nonce is needed');
    this.#seen.add(payload.jti);
    req.proven = await calculateJwkThumbprint(protectedHeader.jwk);
  }

  #refuse(res, { code, message }) {
    const challenge = `DPoP error="${code}", error_description="${message}", algs="${ALGORITHMS.join(' ')}"`;
    if (code === 'use_dpop_nonce') {
      this.counts.nonces_asked += 1;
      res.set('DPoP-Nonce', this.#nonce);
    } else {
      this.counts.proofs_refused += 1;
    }
    res.set('WWW-Authenticate', challenge).status(401).json({ error: code, error_description: message });
  }

  /** The library's challenge is of the scheme Bearer; say DPoP, too or instead. */
  #amendChallenges(res) {
    const set = res.set;
    res.set = (name, value) => {
      if (String(name).toLowerCase() !== 'www-authenticate' || !value.startsWith('Bearer ')) return set.call(res, name, value);
      const proven = value.replace(/^Bearer /, 'DPoP ').concat(`, algs="${ALGORITHMS.join(' ')}"`);
      return set.call(res, name, this.mode === 'required' ? proven : `${value}, ${proven}`);
    };
  }
}

/** Why a proof is not good; `code` is of RFC 9449 §7.1 and §9. */
class Refusal extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}
