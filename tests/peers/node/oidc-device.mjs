// A person at the pages of the device flow (RFC 8628 §3.3): types the code, confirms it, signs in and agrees.

/** Throws what the pages said if they do not say that it worked. */
export async function approveDevice(issuer, userCode) {
  const cookies = new Map();
  const visit = async (url, form) => {
    const answer = await fetch(new URL(url, issuer), {
      method: form ? 'POST' : 'GET',
      body: form && new URLSearchParams(form),
      headers: { Accept: 'text/html', Cookie: [...cookies].map(pair => pair.join('=')).join('; ') },
      redirect: 'manual',
    });
    for (const cookie of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
      cookies.set(name, value);
    }
    const next = answer.headers.get('location');
    return next ? visit(next) : answer.text();
  };
  const page = await visit(`${issuer}/device`);
  const [, xsrf] = /name="xsrf" value="([^"]*)"/.exec(page);
  await visit(`${issuer}/device`, { xsrf, user_code: userCode });
  const end = await visit(`${issuer}/device`, { xsrf, user_code: userCode, confirm: 'yes' });
  if (!end.includes('Sign-in Success')) throw new Error(`not approved: ${/<p[^>]*>(.*?)<\/p>/s.exec(end)?.[1]}`);
}
