//! The cookies of the remote server (RFC 6265). Load balancers tie a client to one machine with them.
//!
//! The HTTP client has a jar as well, but with it reads the address of every request once more, whether
//! there are cookies or not, which takes longer than sending the request.

use std::collections::VecDeque;
use std::sync::{PoisonError, RwLock};

use cookie_store::{Cookie, CookieStore, RawCookie, StoreAction};
use http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use url::Url;

/// Most cookies that are kept (RFC 6265 §6.1).
const MOST: usize = 50;
/// Most bytes in a cookie, name and value (RFC 6265 §6.1); a longer one is passed over, as browsers do.
const LONGEST: usize = 4096;
/// Most bytes in all of them, as they are sent: what common servers take in one line.
const MOST_BYTES: usize = 8000;

/// What the server has set so far, in memory only.
#[derive(Debug, Default)]
pub struct Cookies(RwLock<Kept>);

#[derive(Debug, Default)]
struct Kept {
    store: CookieStore,
    /// What is in there, in the order in which it was set.
    order: VecDeque<Name>,
}

/// What tells cookies apart.
#[derive(Debug, PartialEq, Eq)]
struct Name {
    domain: String,
    path: String,
    name: String,
}

impl Name {
    fn of(cookie: &Cookie<'_>) -> Self {
        Self {
            domain: String::from(&cookie.domain),
            path: String::from(&cookie.path),
            name: cookie.name().to_owned(),
        }
    }
}

impl Kept {
    fn take(&mut self, cookie: &RawCookie<'_>, url: &Url) {
        if cookie.name().len() + cookie.value().len() > LONGEST {
            return;
        }
        let Ok(cookie) = Cookie::try_from_raw_cookie(cookie, url) else {
            return;
        };
        let (name, cookie) = (Name::of(&cookie), cookie.into_owned());
        let Ok(taken) = self.store.insert(cookie, url) else {
            return;
        };
        self.order.retain(|kept| *kept != name);
        match taken {
            StoreAction::Inserted | StoreAction::UpdatedExisting => self.order.push_back(name),
            StoreAction::ExpiredExisting => self.forget(&name),
        }
    }

    /// Keeps what was set last, as much of it as may be, and of what is older what still fits.
    fn limit(&mut self) {
        let (mut count, mut bytes) = (0, 0);
        let mut dropped = Vec::new();
        for (place, Name { domain, path, name }) in self.order.iter().enumerate().rev() {
            let kept = self.store.get(domain, path, name);
            // With what stands between two of them.
            let length = kept.map(|kept| name.len() + kept.value().len() + 3);
            match length {
                Some(length) if count < MOST && bytes + length <= MOST_BYTES => {
                    count += 1;
                    bytes += length;
                }
                _ => dropped.push(place),
            }
        }
        // The last come first, so that the places of the others stay.
        for place in dropped {
            if let Some(name) = self.order.remove(place) {
                self.forget(&name);
            }
        }
    }

    fn forget(&mut self, Name { domain, path, name }: &Name) {
        self.store.remove(domain, path, name);
    }
}

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
            RawCookie::parse(text).ok()
        });
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for cookie in cookies {
            kept.take(&cookie, url);
        }
        kept.limit();
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
        for (name, value) in kept.store.get_request_values(url) {
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
    fn the_newest_are_kept_and_only_as_many_as_servers_take() {
        let (cookies, here) = (Cookies::default(), url(HERE));
        let take = |line: String| {
            let line = HeaderValue::from_str(&line).unwrap();
            cookies.take(&HeaderMap::from_iter([(SET_COOKIE, line)]), &here);
        };
        let sent = || {
            let mut headers = HeaderMap::new();
            cookies.add(&mut headers, &here);
            let sent = headers.get(COOKIE).unwrap().to_str().unwrap();
            let mut sent: Vec<String> = sent.split("; ").map(str::to_owned).collect();
            sent.sort();
            sent
        };
        // By number. One that is set again and again stays.
        for number in 0..1000 {
            take(format!("n{number:04}=1; Path=/"));
            take(format!("lb={number}; Path=/"));
        }
        let mut expected: Vec<String> = (951..1000).map(|n| format!("n{n:04}=1")).collect();
        expected.insert(0, "lb=999".to_owned());
        assert_eq!(sent(), expected);
        // By size.
        for number in 0..200 {
            take(format!("w{number:03}={}; Path=/", "x".repeat(300)));
        }
        let sent_now = sent();
        assert!(sent_now.join("; ").len() <= MOST_BYTES);
        let wide = sent_now.iter().filter(|cookie| cookie.starts_with('w'));
        assert_eq!(wide.count(), MOST_BYTES / (4 + 300 + 3));
        // A small one still fits.
        assert_eq!(sent_now[0], "lb=999");
        assert!(sent_now.last().unwrap().starts_with("w199="));
        // One that is too long changes nothing.
        take(format!("w199={}; Path=/", "x".repeat(LONGEST)));
        assert_eq!(sent(), sent_now);
        // Two of the longest are one too many.
        for name in ["a", "b"] {
            take(format!("{name}={}; Path=/", "x".repeat(LONGEST - 1)));
        }
        assert!(sent()[0].starts_with("b="));
        let kept = cookies.0.read().unwrap();
        assert_eq!(kept.store.iter_any().count(), kept.order.len());
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
        assert_eq!(cookies.0.read().unwrap().store.iter_any().count(), 0);
    }
}
