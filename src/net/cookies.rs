//! The cookies of the remote server (RFC 6265). Load balancers tie a client to one machine with them.
//!
//! The HTTP client has a jar as well, but with it reads the address of every request once more, whether
//! there are cookies or not, which takes longer than sending the request.

use std::sync::{PoisonError, RwLock};

use cookie_store::{CookieStore, RawCookie};
use http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use url::Url;

/// What the server has set so far, in memory only.
#[derive(Debug, Default)]
pub struct Cookies(RwLock<CookieStore>);

impl Cookies {
    /// Takes what an answer sets. `url`: where the request went.
    pub fn take(&self, answer: &HeaderMap, url: &Url) {
        let mut set = answer.get_all(SET_COOKIE).iter().peekable();
        // Most answers set none, and then nobody else needs to wait.
        if set.peek().is_none() {
            return;
        }
        let cookies = set.filter_map(|value| {
            let text = std::str::from_utf8(value.as_bytes()).ok()?;
            Some(RawCookie::parse(text).ok()?.into_owned())
        });
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        kept.store_response_cookies(cookies, url);
    }

    /// Adds what goes to this address. RFC 6265 §5.4: there is one `Cookie` header. What the user
    /// configured comes first.
    pub fn add(&self, headers: &mut HeaderMap, url: &Url) {
        let mut all = headers
            .get(COOKIE)
            .map(|own| own.as_bytes().to_vec())
            .unwrap_or_default();
        let own = all.len();
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        for (name, value) in kept.get_request_values(url) {
            if !all.is_empty() {
                all.extend_from_slice(b"; ");
            }
            all.extend_from_slice(name.as_bytes());
            all.push(b'=');
            all.extend_from_slice(value.as_bytes());
        }
        drop(kept);
        if all.len() == own {
            return;
        }
        if let Ok(mut all) = HeaderValue::from_maybe_shared(bytes::Bytes::from(all)) {
            all.set_sensitive(true);
            headers.insert(COOKIE, all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn setting(lines: &[&'static str]) -> HeaderMap {
        let lines = lines.iter().map(|line| HeaderValue::from_static(line));
        lines.map(|line| (SET_COOKIE, line)).collect()
    }

    /// What goes to an address after these lines were set at `https://mcp.test/mcp`.
    fn sent(lines: &[&'static str], own: Option<&'static str>, to: &str) -> Option<String> {
        let cookies = Cookies::default();
        cookies.take(&setting(lines), &url("https://mcp.test/mcp"));
        let mut headers = HeaderMap::new();
        if let Some(own) = own {
            headers.insert(COOKIE, HeaderValue::from_static(own));
        }
        cookies.add(&mut headers, &url(to));
        let value = headers.get(COOKIE)?;
        assert_eq!(headers.get_all(COOKIE).iter().count(), 1);
        Some(value.to_str().unwrap().to_owned())
    }

    const HERE: &str = "https://mcp.test/mcp";

    #[test]
    fn what_was_set_goes_back_in_one_line() {
        let sticky = ["lb=node-7; Path=/; Secure; HttpOnly"];
        assert_eq!(sent(&sticky, None, HERE).as_deref(), Some("lb=node-7"));
        let two = sent(&["a=1; Path=/", "b=2; Path=/"], None, HERE).unwrap();
        assert!(two == "a=1; b=2" || two == "b=2; a=1", "{two}");
    }

    #[test]
    fn the_users_own_cookies_come_first_and_stay_without_others() {
        let both = sent(&["lb=1; Path=/"], Some("own=1"), HERE);
        assert_eq!(both.as_deref(), Some("own=1; lb=1"));
        assert_eq!(sent(&[], Some("own=1"), HERE).as_deref(), Some("own=1"));
    }

    #[test]
    fn a_cookie_goes_where_it_belongs_alone() {
        for (line, to) in [
            ("a=1; Path=/elsewhere", HERE),
            ("a=1; Path=/", "https://other.test/mcp"),
            ("a=1; Path=/; Secure", "http://mcp.test/mcp"),
            ("a=1; Domain=other.test; Path=/", "https://other.test/"),
            ("a=1; Max-Age=0; Path=/", HERE),
            ("no cookie", HERE),
        ] {
            assert_eq!(sent(&[line], None, to), None, "{line}");
        }
    }

    #[test]
    fn a_later_answer_changes_and_ends_cookies() {
        let (cookies, here) = (Cookies::default(), url(HERE));
        let now = || {
            let mut headers = HeaderMap::new();
            cookies.add(&mut headers, &here);
            let value = headers.get(COOKIE)?;
            assert!(value.is_sensitive());
            value.to_str().ok().map(str::to_owned)
        };
        assert_eq!(now(), None);
        cookies.take(&setting(&["lb=1; Path=/"]), &here);
        cookies.take(&setting(&[]), &here);
        assert_eq!(now().as_deref(), Some("lb=1"));
        cookies.take(&setting(&["lb=2; Path=/"]), &here);
        assert_eq!(now().as_deref(), Some("lb=2"));
        cookies.take(&setting(&["lb=; Max-Age=0; Path=/"]), &here);
        assert_eq!(now(), None);
    }
}
