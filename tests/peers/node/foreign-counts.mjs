// What authorization servers have done that keep no count of it themselves, seen from their answers.

export function newCounts() {
  return {
    /** Clients that were registered. */
    registrations: 0,
    /** Codes that a browser was sent back with. */
    codes: 0,
    /** Token requests that were given tokens. */
    code_exchanges: 0,
    refreshes: 0,
    /** Token requests that were refused. */
    code_exchanges_refused: 0,
    refreshes_refused: 0,
    /** Requests to the MCP server whose token was answered 401. */
    tokens_refused: 0,
  };
}

const GRANTS = { authorization_code: 'code_exchanges', refresh_token: 'refreshes' };

/** Counts one answer of the authorization server; `form` is the text of the request's body. */
export function countAnswer(counts, { path, form, answer }) {
  const location = answer.headers.get('location');
  if (location && new URL(location, 'http://localhost').searchParams.has('code')) counts.codes += 1;
  if (path.endsWith('/register') && answer.ok) counts.registrations += 1;
  const name = path.endsWith('/token') && GRANTS[new URLSearchParams(form).get('grant_type')];
  if (name) counts[answer.ok ? name : `${name}_refused`] += 1;
}
