//! Strings that must not be mixed up: [`ServerUrl`], [`ResourceId`], [`Issuer`], [`ServerKey`].

use std::fmt;
use std::net::IpAddr;

use sha2::{Digest, Sha256};
use url::{Host, Url};

/// The address of the remote MCP server: as the user wrote it, and parsed.
///
/// `Display` leaves out credentials and query values, since both may grant access.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl {
    text: String,
    url: Url,
}

/// Why an address cannot be used for a remote MCP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerUrlError {
    /// It is not an absolute URL.
    NotAnAddress(String),
    /// Its scheme is neither `https` nor `http`.
    Scheme(String),
    /// It is plain `http` to a host other than this machine, and that was not allowed by name.
    PlainHttp(String),
    /// It carries a user name or password, which would end up in logs and in the OAuth `resource`.
    Credentials,
    /// It has a `#fragment`, which RFC 8707 §2 forbids in a resource.
    Fragment,
}

impl fmt::Display for ServerUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnAddress(text) => write!(f, "`{text}` is not an address"),
            Self::Scheme(scheme) => write!(f, "`{scheme}:` addresses are not supported"),
            Self::PlainHttp(host) => {
                write!(
                    f,
                    "plain http to `{host}` would send tokens readable by anyone on the way"
                )
            }
            Self::Credentials => f.write_str("the address contains a user name or password"),
            Self::Fragment => f.write_str("the address contains a `#` part"),
        }
    }
}

impl std::error::Error for ServerUrlError {}

impl ServerUrl {
    /// Checks an address. Plain `http` is taken for loopback hosts, and for others only with
    /// `allow_http` (RFC 6750 §5.3: tokens travel over TLS).
    pub fn parse(text: &str, allow_http: bool) -> Result<Self, ServerUrlError> {
        let url =
            Url::parse(text).map_err(|_| ServerUrlError::NotAnAddress(without_query(text)))?;
        match url.scheme() {
            "https" => {}
            "http" if allow_http || is_loopback(&url) => {}
            "http" => {
                return Err(ServerUrlError::PlainHttp(
                    url.host_str().unwrap_or_default().to_owned(),
                ));
            }
            other => return Err(ServerUrlError::Scheme(other.to_owned())),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ServerUrlError::Credentials);
        }
        if url.fragment().is_some() {
            return Err(ServerUrlError::Fragment);
        }
        Ok(Self {
            text: text.to_owned(),
            url,
        })
    }

    /// The address as the user wrote it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The address, parsed. Path, trailing slash and query are untouched.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Host and, where it is not the default, port: the short name in messages.
    pub fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        match self.url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// Whether the server runs on this machine.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.url)
    }

    /// The spelling that two ways of writing one server share: scheme and host in lower case, no
    /// default port, the path as given, the query as given.
    pub fn canonical(&self) -> String {
        let mut text = self.url.to_string();
        if self.url.path() == "/" && self.url.query().is_none() {
            text.truncate(text.len() - 1);
        }
        text
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&display_url(&self.url))
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerUrl({self})")
    }
}

/// An address fit for messages: without credentials, query values and fragment.
pub fn display_url(url: &Url) -> String {
    let mut shown = url.clone();
    // Both fail only for addresses that cannot have credentials at all.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_fragment(None);
    let had_query = shown.query().is_some();
    shown.set_query(None);
    match had_query {
        true => format!("{shown}?…"),
        false => shown.to_string(),
    }
}

/// Whether the address names this machine: `localhost`, `*.localhost`, 127.0.0.0/8 or `::1`.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name.eq_ignore_ascii_case("localhost")
                || name.to_ascii_lowercase().ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether two addresses share scheme, host and port (RFC 6454 §5).
pub fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme()
        && a.host() == b.host()
        && a.port_or_known_default() == b.port_or_known_default()
}

/// Whether one address is the other one over https, both on the usual ports.
pub fn is_upgrade(from: &Url, to: &Url) -> bool {
    (from.scheme(), to.scheme()) == ("http", "https")
        && from.host() == to.host()
        && (from.port_or_known_default(), to.port_or_known_default()) == (Some(80), Some(443))
}

fn without_query(text: &str) -> String {
    text.split(['?', '#']).next().unwrap_or_default().to_owned()
}

/// The identifier of a protected resource (RFC 8707 §2), exactly as its metadata spells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceId(String);

impl ResourceId {
    /// Takes the identifier as it stands; it is sent in exactly this spelling.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The identifier, for requests.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The identifier of an authorization server (RFC 8414 §2). Compared byte for byte and never
/// normalised: a trailing slash makes another issuer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Issuer(String);

impl Issuer {
    /// Takes the identifier as it stands.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The identifier, for comparison and display.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name under which one sign-in is cached: a file name that is valid on every platform.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerKey(String);

/// Why a name given by the user cannot be used for cache files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameError {
    /// The name as given.
    pub name: String,
    /// What is wrong with it, to be read after "is not usable:".
    pub reason: &'static str,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the name `{}` is not usable: {}", self.name, self.reason)
    }
}

impl std::error::Error for NameError {}

/// What separates two sign-ins, besides the server: everything here goes into the digest.
#[derive(Debug, Default, Clone)]
pub struct KeyParts<'a> {
    /// `--resource`, when given.
    pub resource: Option<&'a str>,
    /// The configured client identifier, when given.
    pub client_id: Option<&'a str>,
    /// The scopes that were forced, when given.
    pub scope: Option<&'a str>,
    /// Extra authorization parameters, in any order.
    pub authorize_params: &'a [(String, String)],
    /// Other options that were given: their long names and values, in a fixed order.
    pub more: &'a [(&'static str, String)],
}

/// Longest readable part of a derived name, and longest given name, in characters.
const NAME_LIMIT: usize = 64;

impl ServerKey {
    /// A name the user chose. Refuses whatever could leave the folder or clash with a reserved
    /// file name on any platform.
    pub fn from_name(name: &str) -> Result<Self, NameError> {
        Self::checked(name, NAME_LIMIT)
    }

    fn checked(name: &str, limit: usize) -> Result<Self, NameError> {
        let error = |reason| NameError {
            name: name.to_owned(),
            reason,
        };
        if name.is_empty() {
            return Err(error("it is empty"));
        }
        if name.len() > limit {
            return Err(error("it is longer than 64 characters"));
        }
        if !name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
        {
            return Err(error(
                "only letters, digits, `.`, `_` and `-` can stand in it",
            ));
        }
        if name.starts_with(['.', '-']) || name.ends_with('.') {
            return Err(error(
                "it begins with `.` or `-`, or ends with `.`, which not every system accepts",
            ));
        }
        if name.ends_with(".signin") {
            // `<name>.lock` would be the file that another name's sign-in is locked with.
            return Err(error("names that end with `.signin` are kept for our own"));
        }
        if is_reserved(name) {
            return Err(error("Windows reserves it"));
        }
        Ok(Self(name.to_owned()))
    }

    /// The name that a file of the cache carries: a given one, or a derived one, which is longer
    /// than given ones may be.
    pub fn from_cached(name: &str) -> Result<Self, NameError> {
        Self::checked(name, NAME_LIMIT + "_".len() + "_0123456789".len())
    }

    /// The name made from the server's address: readable host and path, then a digest over a
    /// versioned, ordered, length-prefixed list of everything that separates two sign-ins.
    pub fn derive(server: &ServerUrl, parts: &KeyParts<'_>) -> Self {
        let mut digest = Sha256::new();
        let mut feed = |text: &str| {
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text.as_bytes());
        };
        feed("mcp-drawbridge sign-in 1");
        feed(&server.canonical());
        feed(parts.resource.unwrap_or_default());
        feed(parts.client_id.unwrap_or_default());
        feed(parts.scope.unwrap_or_default());
        let mut params: Vec<_> = parts.authorize_params.iter().collect();
        params.sort();
        for (name, value) in params {
            feed(name);
            feed(value);
        }
        for (option, value) in parts.more {
            // No parameter has such a name, so that nothing given there looks like this.
            feed(&format!("\0{option}"));
            feed(value);
        }
        let digest = digest.finalize();
        let short: String = digest[..5].iter().map(|b| format!("{b:02x}")).collect();

        let readable = format!(
            "{}{}",
            server.host(),
            server.url.path().trim_end_matches('/')
        );
        let mut readable: String = readable
            .chars()
            .map(|c| match c {
                c if c.is_ascii_alphanumeric() || c == '.' || c == '-' => c.to_ascii_lowercase(),
                _ => '_',
            })
            .take(NAME_LIMIT)
            .collect();
        // An address such as `http://[::1]/` would begin with a character that names may not.
        if readable.starts_with(['.', '-']) {
            readable.insert(0, '_');
        }
        Self(format!("{readable}_{short}"))
    }

    /// The name, without any folder or extension.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Device names that Windows reserves, with or without an extension.
fn is_reserved(name: &str) -> bool {
    let stem = name
        .split('.')
        .next()
        .unwrap_or_default()
        .to_ascii_uppercase();
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || (stem.len() == 4
            && (stem.starts_with("COM") || stem.starts_with("LPT"))
            && stem.as_bytes()[3].is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str) -> ServerUrl {
        ServerUrl::parse(text, false).expect(text)
    }

    #[test]
    fn plain_http_needs_loopback_or_permission() {
        for text in [
            "http://localhost/mcp",
            "http://127.0.0.1:3000/",
            "http://[::1]/mcp",
        ] {
            assert!(ServerUrl::parse(text, false).is_ok(), "{text}");
        }
        let text = "http://mcp.example.com/mcp";
        assert!(matches!(
            ServerUrl::parse(text, false),
            Err(ServerUrlError::PlainHttp(_))
        ));
        assert!(ServerUrl::parse(text, true).is_ok());
        assert!(matches!(
            ServerUrl::parse("file:///etc/passwd", true),
            Err(ServerUrlError::Scheme(_))
        ));
        assert!(matches!(
            ServerUrl::parse("mcp.example.com", true),
            Err(ServerUrlError::NotAnAddress(_))
        ));
    }

    #[test]
    fn an_upgrade_keeps_the_host_and_the_usual_ports() {
        let is = |from, to| is_upgrade(&Url::parse(from).unwrap(), &Url::parse(to).unwrap());
        assert!(is("http://a.example/x", "https://a.example/y?z"));
        assert!(is("http://A.example:80/", "https://a.example:443/"));
        for (from, to) in [
            ("https://a.example/", "http://a.example/"),
            ("https://a.example/", "https://a.example/"),
            ("http://a.example/", "http://a.example/"),
            ("http://a.example/", "https://b.example/"),
            ("http://a.example/", "https://www.a.example/"),
            ("http://a.example:8080/", "https://a.example/"),
            ("http://a.example/", "https://a.example:8443/"),
            ("http://a.example/", "wss://a.example/"),
        ] {
            assert!(!is(from, to), "{from} to {to}");
        }
    }

    #[test]
    fn credentials_and_fragments_are_refused() {
        assert_eq!(
            ServerUrl::parse("https://me:pass@mcp.example.com/", false),
            Err(ServerUrlError::Credentials)
        );
        assert_eq!(
            ServerUrl::parse("https://mcp.example.com/#x", false),
            Err(ServerUrlError::Fragment)
        );
    }

    #[test]
    fn display_shows_no_query_values() {
        let shown = server("https://mcp.example.com/mcp?key=SECRET").to_string();
        assert_eq!(shown, "https://mcp.example.com/mcp?…");
    }

    #[test]
    fn two_spellings_of_one_server_share_a_key() {
        let key = |text: &str| ServerKey::derive(&server(text), &KeyParts::default());
        assert_eq!(
            key("https://MCP.example.com:443/mcp"),
            key("https://mcp.example.com/mcp")
        );
        assert_eq!(
            key("https://mcp.example.com"),
            key("https://mcp.example.com/")
        );
        assert_ne!(
            key("https://mcp.example.com/mcp"),
            key("https://mcp.example.com/mcp/")
        );
        assert_ne!(
            key("https://mcp.example.com/mcp"),
            key("https://mcp.example.com/mcp?a=1")
        );
    }

    #[test]
    fn everything_that_separates_two_sign_ins_changes_the_key() {
        let server = server("https://mcp.example.com/mcp");
        let params = [("team".to_owned(), "T1".to_owned())];
        let variants = [
            KeyParts::default(),
            KeyParts {
                resource: Some("x"),
                ..KeyParts::default()
            },
            KeyParts {
                client_id: Some("x"),
                ..KeyParts::default()
            },
            KeyParts {
                scope: Some("x"),
                ..KeyParts::default()
            },
            KeyParts {
                authorize_params: &params,
                ..KeyParts::default()
            },
            KeyParts {
                more: &[("team", "T1".to_owned())],
                ..KeyParts::default()
            },
            KeyParts {
                more: &[("team", "T2".to_owned())],
                ..KeyParts::default()
            },
        ];
        let keys: std::collections::BTreeSet<_> = variants
            .iter()
            .map(|parts| ServerKey::derive(&server, parts).as_str().to_owned())
            .collect();
        assert_eq!(keys.len(), variants.len());
    }

    #[test]
    fn a_derived_key_is_a_name_that_could_have_been_given() {
        for text in [
            "https://mcp.example.com/mcp",
            "https://mcp.example.com/a/path/that/is/longer/than/the/readable/part/of/a/name/may/be",
            "http://[::1]:8080/%2e%2e/x",
            "http://127.0.0.1",
        ] {
            let key = ServerKey::derive(&server(text), &KeyParts::default());
            let plain: String = key.as_str().chars().take(NAME_LIMIT).collect();
            assert!(ServerKey::from_name(&plain).is_ok(), "{key}");
            assert_eq!(ServerKey::from_cached(key.as_str()), Ok(key));
        }
    }

    #[test]
    fn names_that_could_leave_the_folder_are_refused() {
        for name in [
            "", ".", "..", "../x", "a/b", "a\\b", "C:x", "con", "NUL.txt", "lpt1", "x.", "-x",
            "a b", "x.signin", "\u{e9}",
        ] {
            assert!(ServerKey::from_name(name).is_err(), "{name}");
        }
        assert!(ServerKey::from_name("work-atlassian.2").is_ok());
    }
}
