// The pages on which people sign in and agree. They need no page: a GET is answered by going on at once.

import { PERSON } from './oidc-provider.mjs';
import { deferred } from './tools.mjs';

const ANSWERS = ['approve', 'deny', 'hold'];

export class People {
  #answer = 'approve';
  #decided = deferred();
  #held = 0;

  constructor(provider) {
    this.provider = provider;
  }

  /** What people do from now on, those included who are being held. */
  will(answer) {
    if (!ANSWERS.includes(answer)) throw new Error(`answer: one of ${ANSWERS}`);
    this.#answer = answer;
    this.#decided.resolve();
    this.#decided = deferred();
  }

  /** How many browsers are being held. */
  held() {
    return this.#held;
  }

  /** One visit to the page. The library refuses a visitor without the cookie that came with the redirect to it. */
  async answer(req, res) {
    await this.provider.interactionDetails(req, res);
    while (this.#answer === 'hold') {
      this.#held += 1;
      await this.#decided.promise;
      this.#held -= 1;
    }
    const result = this.#answer === 'deny' ? { error: 'access_denied' } : await this.#agree(req, res);
    await this.provider.interactionFinished(req, res, result);
  }

  async #agree(req, res) {
    const { prompt, params, session, grantId } = await this.provider.interactionDetails(req, res);
    if (prompt.name === 'login') return { login: { accountId: PERSON.sub } };
    const { Grant } = this.provider;
    const { missingOIDCScope = [], missingOIDCClaims = [], missingResourceScopes = {} } = prompt.details;
    const grant = grantId
      ? await Grant.find(grantId)
      : new Grant({ accountId: session.accountId, clientId: params.client_id });
    if (missingOIDCScope.length) grant.addOIDCScope(missingOIDCScope);
    if (missingOIDCClaims.length) grant.addOIDCClaims(missingOIDCClaims);
    for (const [resource, scopes] of Object.entries(missingResourceScopes)) grant.addResourceScope(resource, scopes);
    return { consent: { grantId: await grant.save() } };
  }
}
