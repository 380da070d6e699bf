//! Which proxy a request goes through.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use url::Url;

use crate::ids::{is_loopback, same_origin};
use crate::secret::Secret;

/// What proxies are used. Clones are cheap.
#[derive(Clone, Debug, Default)]
pub struct ProxySettings {
    /// Whose.
    pub choice: ProxyChoice,
    /// What is reached without one: the entries of `NO_PROXY` and of the user's own list,
    /// separated by commas or blanks.
    pub direct: String,
}

/// Where a proxy comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ProxyChoice {
    /// The environment, else the system's settings.
    #[default]
    System,
    /// None is used.
    None,
    /// This one, for everything.
    One(ProxyUrl),
    /// These, by the scheme of the address.
    Each {
        /// For http.
        http: Option<ProxyUrl>,
        /// For https.
        https: Option<ProxyUrl>,
    },
}

/// The address of a proxy, with user name and password if it has them. Its `Debug` does not show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyUrl(Secret);

impl ProxyUrl {
    /// Reads an address. One without a scheme means http; `None` if no proxy can have it.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = match text.contains("://") {
            true => text.to_owned(),
            false => format!("http://{text}"),
        };
        let url = Url::parse(&text).ok().filter(|url| url.has_host())?;
        // What the matcher cannot read, nothing would be sent through.
        single(&text)
            .intercept(&"https://a.invalid".parse().ok()?)
            .map(|_| Self(Secret::new(url)))
    }
}

/// Decides for each request. Clones share everything.
#[derive(Clone)]
pub(super) struct Proxies(Arc<Rules>);

struct Rules {
    /// `None` if no proxy is used.
    through: Option<Matcher>,
    direct: Vec<Direct>,
    /// What was decided last. Nearly all requests go to one origin, and every one asks.
    last: Mutex<Option<Decided>>,
}

/// The proxy of an origin, if it has one. Neither path nor query decides about it.
struct Decided {
    origin: Url,
    proxy: Option<Url>,
}

/// An entry of what is reached without a proxy.
struct Direct {
    /// Leaves out what the entry names.
    matcher: Matcher,
    port: Option<u16>,
}

impl Proxies {
    /// Reads the environment and the system's settings, as far as they are asked for.
    pub fn new(settings: &ProxySettings) -> Self {
        let through = match &settings.choice {
            ProxyChoice::System => Some(Matcher::from_system()),
            ProxyChoice::None => None,
            ProxyChoice::One(url) => Some(single(url.0.expose())),
            ProxyChoice::Each { http, https } => {
                let text = |url: &Option<ProxyUrl>| {
                    let url = url.as_ref().map(|url| url.0.expose().to_owned());
                    url.unwrap_or_default()
                };
                let both = Matcher::builder().http(text(http)).https(text(https));
                Some(both.build())
            }
        };
        let entries = settings
            .direct
            .split(|c: char| c == ',' || c.is_whitespace())
            .filter(|entry| !entry.is_empty());
        Self(Arc::new(Rules {
            through,
            direct: entries.map(Direct::new).collect(),
            last: Mutex::new(None),
        }))
    }

    /// The proxy for an address, with its credentials. Never one for this machine: a proxy
    /// elsewhere could not reach it.
    pub fn find(&self, url: &Url) -> Option<Url> {
        // Held while it is decided: that is short, and the next who asks asks the same.
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some(decided) if same_origin(&decided.origin, url) => decided.proxy.clone(),
            _ => {
                let proxy = self.decide(url);
                *last = Some(Decided {
                    origin: url.clone(),
                    proxy: proxy.clone(),
                });
                proxy
            }
        }
    }

    fn decide(&self, url: &Url) -> Option<Url> {
        let through = self.0.through.as_ref()?;
        if is_loopback(url) || self.0.direct.iter().any(|entry| entry.names(url)) {
            return None;
        }
        proxy_url(&through.intercept(&url.as_str().parse().ok()?)?)
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proxies")
    }
}

impl Direct {
    fn new(entry: &str) -> Self {
        let (host, port) = split_port(entry);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        // `*.example.com` is not among the library's forms, but among people's.
        let host = match host.strip_prefix("*.") {
            Some(rest) => rest,
            // The library means names alone by that.
            None if host == "*" => "*,0.0.0.0/0,::/0",
            None => host,
        };
        Self {
            matcher: Matcher::builder().all("http://a.invalid").no(host).build(),
            port,
        }
    }

    fn names(&self, url: &Url) -> bool {
        let port = self.port.is_none() || self.port == url.port_or_known_default();
        port && url
            .as_str()
            .parse()
            .is_ok_and(|uri| self.matcher.intercept(&uri).is_none())
    }
}

/// Splits `host:port` and `[address]:port`; a bare IPv6 address has no port.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    match entry.rsplit_once(':') {
        Some((host, port)) if host.ends_with(']') || !host.contains(':') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (entry, None),
        },
        _ => (entry, None),
    }
}

fn single(url: &str) -> Matcher {
    Matcher::builder().all(url).build()
}

/// A proxy's address as messages show it: without its credentials.
pub(super) fn display_proxy(proxy: &Url) -> String {
    let port = match proxy.scheme() {
        "socks4" | "socks4a" | "socks5" | "socks5h" => proxy.port().or(Some(1080)),
        _ => proxy.port_or_known_default(),
    };
    let host = proxy.host_str().unwrap_or_default();
    format!("{}://{host}:{}", proxy.scheme(), port.unwrap_or_default())
}

/// A proxy's address with its credentials, which is the form reqwest takes.
fn proxy_url(proxy: &Intercept) -> Option<Url> {
    let mut url = Url::parse(&proxy.uri().to_string()).ok()?;
    let basic = proxy.basic_auth().and_then(|value| {
        let encoded = value.to_str().ok()?.strip_prefix("Basic ")?;
        let decoded = base64::prelude::BASE64_STANDARD.decode(encoded).ok()?;
        let decoded = String::from_utf8(decoded).ok()?;
        let (user, password) = decoded.split_once(':')?;
        Some((user.to_owned(), password.to_owned()))
    });
    let raw = proxy
        .raw_auth()
        .map(|(user, password)| (user.to_owned(), password.to_owned()));
    if let Some((user, password)) = basic.or(raw) {
        // `Url` leaves a percent sign as it is, and it would be decoded as one of an escape.
        url.set_username(&user.replace('%', "%25")).ok()?;
        url.set_password(Some(&password.replace('%', "%25"))).ok()?;
    }
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(choice: ProxyChoice, direct: &str, url: &str) -> Option<String> {
        let settings = ProxySettings {
            choice,
            direct: direct.to_owned(),
        };
        Proxies::new(&settings)
            .find(&Url::parse(url).expect("url"))
            .map(String::from)
    }

    fn one(url: &str) -> ProxyChoice {
        ProxyChoice::One(ProxyUrl::parse(url).expect("a proxy"))
    }

    #[test]
    fn every_request_goes_through_the_given_proxy_but_those_to_this_machine() {
        for url in [
            "https://mcp.test/mcp",
            "http://mcp.test/",
            "http://10.0.0.1/",
        ] {
            let found = through(one("http://proxy.test:3128"), "", url);
            assert_eq!(found.as_deref(), Some("http://proxy.test:3128/"), "{url}");
        }
        for url in [
            "http://127.0.0.1:1/mcp",
            "http://localhost/",
            "https://[::1]/",
        ] {
            assert_eq!(
                through(one("http://proxy.test:3128"), "", url),
                None,
                "{url}"
            );
        }
        assert_eq!(through(ProxyChoice::None, "", "https://mcp.test/"), None);
    }

    #[test]
    fn each_scheme_may_have_its_own() {
        let url = |text| ProxyUrl::parse(text);
        let each = |http, https| ProxyChoice::Each { http, https };
        let both = || each(url("http://one.test:1"), url("http://two.test:2"));
        let found = |choice, address| through(choice, "direct.test", address);
        assert_eq!(
            found(both(), "http://mcp.test/").as_deref(),
            Some("http://one.test:1/")
        );
        assert_eq!(
            found(both(), "https://mcp.test/").as_deref(),
            Some("http://two.test:2/")
        );
        assert_eq!(found(both(), "https://direct.test/"), None);
        let only = each(None, url("http://two.test:2"));
        assert_eq!(found(only, "http://mcp.test/"), None);
    }

    #[test]
    fn what_is_listed_goes_without_the_proxy() {
        for (list, url, direct) in [
            ("mcp.test", "https://mcp.test/", true),
            ("mcp.test", "https://a.mcp.test/", true),
            (".mcp.test", "https://a.mcp.test/", true),
            (".mcp.test", "https://mcp.test/", true),
            ("*.mcp.test", "https://a.mcp.test/", true),
            ("mcp.test", "https://notmcp.test/", false),
            ("MCP.test", "https://mcp.test/", true),
            ("other.test, mcp.test", "https://mcp.test/", true),
            ("other.test mcp.test", "https://mcp.test/", true),
            ("*", "https://mcp.test/", true),
            ("*", "https://10.1.2.3/", true),
            ("10.1.2.3", "https://10.1.2.3/", true),
            ("10.0.0.0/8", "https://10.1.2.3/", true),
            ("10.0.0.0/16", "https://10.1.2.3/", false),
            ("fd00::/8", "https://[fd00::1]/", true),
            ("[fd00::1]:8443", "https://[fd00::1]:8443/", true),
            ("fd00::1", "https://[fd00::2]/", false),
            ("mcp.test:8443", "https://mcp.test:8443/", true),
            ("mcp.test:8443", "https://mcp.test/", false),
            ("mcp.test:443", "https://mcp.test/", true),
            ("", "https://mcp.test/", false),
        ] {
            let found = through(one("proxy.test:3128"), list, url);
            assert_eq!(found.is_none(), direct, "`{list}` and {url}");
        }
    }

    #[test]
    fn each_origin_is_decided_about_for_itself_whatever_came_before() {
        let settings = ProxySettings {
            choice: ProxyChoice::Each {
                http: ProxyUrl::parse("http://one.test:1"),
                https: ProxyUrl::parse("http://two.test:2"),
            },
            direct: "mcp.test:8443, direct.test".to_owned(),
        };
        let proxies = Proxies::new(&settings);
        let one = Some("http://one.test:1/");
        let two = Some("http://two.test:2/");
        for (url, expected) in [
            ("https://mcp.test/a", two),
            ("https://mcp.test/b?c=d", two),
            ("https://mcp.test:8443/a", None),
            ("https://mcp.test/a", two),
            ("http://mcp.test/a", one),
            ("https://direct.test/", None),
            ("https://direct.test/x", None),
            ("http://127.0.0.1:1/", None),
            ("http://mcp.test/a", one),
        ] {
            let found = proxies.find(&Url::parse(url).expect("url"));
            assert_eq!(found.as_ref().map(Url::as_str), expected, "{url}");
        }
    }

    #[test]
    fn credentials_survive_the_way_through_the_matcher() {
        for (given, expected) in [
            (
                "http://me:p%40ss@proxy:3128",
                "http://me:p%40ss@proxy:3128/",
            ),
            // `%41` as a password is not `A`.
            ("http://me:%2541@proxy:3128", "http://me:%2541@proxy:3128/"),
            (
                "socks5h://me:pass@proxy:1080",
                "socks5h://me:pass@proxy:1080",
            ),
            ("https://proxy", "https://proxy/"),
            ("proxy:3128", "http://proxy:3128/"),
        ] {
            let found = through(one(given), "", "https://mcp.example.com");
            let found = found.map(|url| url.trim_end_matches('/').to_owned());
            assert_eq!(found.as_deref(), Some(expected.trim_end_matches('/')));
        }
    }

    #[test]
    fn what_is_no_proxys_address_is_refused() {
        for text in [
            "",
            "ftp://proxy:21",
            "http://",
            "http://a b",
            "socks6://a:1",
        ] {
            assert_eq!(ProxyUrl::parse(text), None, "{text}");
        }
    }

    #[test]
    fn neither_messages_nor_debug_output_show_credentials() {
        let url = Url::parse("http://me:SECRET@proxy.test:3128/").expect("url");
        assert_eq!(display_proxy(&url), "http://proxy.test:3128");
        let socks = Url::parse("socks5h://me:SECRET@proxy.test").expect("url");
        assert_eq!(display_proxy(&socks), "socks5h://proxy.test:1080");
        let settings = ProxySettings {
            choice: one("http://me:SECRET@proxy.test:3128"),
            direct: String::new(),
        };
        assert!(!format!("{settings:?}").contains("SECRET"));
    }
}
