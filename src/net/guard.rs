//! Where a server may send us (RFC 9728 §7.7; MCP, Security Best Practices, Server-Side Request
//! Forgery).
//!
//! Addresses that a server names are requests that it has us make, from a place that it may not
//! reach itself. So each is judged by where it really leads: the addresses that its name resolves
//! to, and the connection is made to one of those that were judged. The user's own addresses, and
//! the server's own origin, are not judged: those are wanted.
//!
//! A proxy resolves names itself and reaches what it can reach, so through one only addresses that
//! are written as numbers are judged.

mod kind;

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use url::{Host, Url};

pub use kind::Kind;

use crate::ids::{is_loopback, same_origin};
use crate::untrusted::{SHOWN, printable};

/// The option that lifts the rule.
pub const OPTION: &str = "--allow-internal-addresses";

/// Whose word counts.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The MCP server that the user configured; `None` if that is not known.
    pub server: Option<Url>,
    /// The user's other addresses: what they gave as an endpoint or as an issuer. Their origins are
    /// as good as the server's.
    pub own: Vec<Url>,
    /// Whether addresses of every kind may be asked.
    pub allow_internal: bool,
}

impl Default for Policy {
    /// For a server on this machine.
    fn default() -> Self {
        Self {
            server: Url::parse("http://localhost/").ok(),
            own: Vec::new(),
            allow_internal: false,
        }
    }
}

impl Policy {
    /// The rule for what this server names.
    pub fn for_server(server: &Url) -> Self {
        Self {
            server: Some(server.clone()),
            own: Vec::new(),
            allow_internal: false,
        }
    }

    /// Whether it is the user's own.
    fn is_own(&self, url: &Url) -> bool {
        let mut own = self.server.iter().chain(&self.own);
        own.any(|own| same_origin(url, own))
    }
}

/// An address that a server named and that is not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forbidden {
    /// The host that was named, fit for messages.
    pub host: String,
    /// Why not.
    pub why: Why,
}

/// Why an address is not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It leads to this address, of this kind, and the server is of another kind.
    Internal(IpAddr, Kind),
    /// It is neither https, nor plain http within this machine while the server is there too.
    NotSecure,
    /// It has a user name or password.
    Credentials,
}

impl Forbidden {
    /// What the user does next.
    pub fn hint(&self) -> &'static str {
        match self.why {
            Why::Internal(..) => {
                "if you trust the server, and that address is meant, add `--allow-internal-addresses`"
            }
            Why::NotSecure | Why::Credentials => "report this to the operator of the server",
        }
    }
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = &self.host;
        match &self.why {
            // A number names itself.
            Why::Internal(address, kind) if is_it(host, address) => write!(
                f,
                "the server names `{host}`, {kind}, where it may not send us (RFC 9728 §7.7)"
            ),
            Why::Internal(address, kind) => write!(
                f,
                "the server names `{host}`, which is at `{address}`, {kind}, where it may not send us (RFC 9728 §7.7)"
            ),
            Why::NotSecure => write!(
                f,
                "the server names an address at `{host}` that is not secured by https"
            ),
            Why::Credentials => write!(
                f,
                "the server names an address at `{host}` with a user name or password"
            ),
        }
    }
}

impl Error for Forbidden {}

/// Whether a host is this address, written as one.
fn is_it(host: &str, address: &IpAddr) -> bool {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    bare.unwrap_or(host).parse() == Ok(*address)
}

/// Judges addresses, and resolves the names of those that a client connects to. Clones share what
/// is known of the server.
#[derive(Clone, Debug)]
pub(super) struct Guard(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    policy: Policy,
    ipv4: bool,
    /// Where the server answered from.
    server_at: Mutex<Option<IpAddr>>,
}

impl Guard {
    /// `ipv4` leaves other addresses out.
    pub fn new(policy: Policy, ipv4: bool) -> Self {
        Self(Arc::new(Shared {
            policy,
            ipv4,
            server_at: Mutex::new(None),
        }))
    }

    /// Notes where the server itself answered from, not through a proxy. An answer over https comes
    /// from nobody else, so a name that leads somewhere else the next time does not change what the
    /// server may name.
    pub fn reached(&self, address: IpAddr) {
        *self.lock() = Some(address);
    }

    /// Whether this is the user's own address, which is not judged.
    pub fn is_own(&self, url: &Url) -> bool {
        self.0.policy.is_own(url)
    }

    /// Judges all of an address that can be judged before its name is resolved.
    pub async fn check(&self, url: &Url) -> Result<(), Forbidden> {
        let forbidden = |why| Forbidden {
            host: printable(url.host_str().unwrap_or_default(), SHOWN),
            why,
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(forbidden(Why::Credentials));
        }
        let here = self.server().is_some_and(is_loopback);
        let within = url.scheme() == "http" && is_loopback(url) && here;
        if url.scheme() != "https" && !within {
            return Err(forbidden(Why::NotSecure));
        }
        match literal(url) {
            Some(address) => {
                self.judge(url.host_str().unwrap_or_default(), address)
                    .await
            }
            None => Ok(()),
        }
    }

    /// Judges the addresses that a name stands for: those that may be connected to.
    pub async fn resolved(&self, name: &str) -> Result<Vec<SocketAddr>, ResolveError> {
        let found = lookup(name, self.0.ipv4).await?;
        let mut allowed = Vec::new();
        let mut refused = None;
        for address in found {
            match self.judge(name, address.ip()).await {
                Ok(()) => allowed.push(address),
                Err(error) => refused = Some(error),
            }
        }
        match refused {
            Some(error) if allowed.is_empty() => Err(error.into()),
            _ => Ok(allowed),
        }
    }

    /// Judges a name by what it stands for now. One that stands for nothing leads nowhere.
    pub async fn judge_name(&self, name: &str) -> Result<(), Forbidden> {
        match self.resolved(name).await {
            Err(error) => match error.downcast::<Forbidden>() {
                Ok(forbidden) => Err(*forbidden),
                Err(_) => Ok(()),
            },
            Ok(_) => Ok(()),
        }
    }

    /// The server.
    pub fn server(&self) -> Option<&Url> {
        self.0.policy.server.as_ref()
    }

    async fn judge(&self, host: &str, address: IpAddr) -> Result<(), Forbidden> {
        let kind = Kind::of(address);
        let allowed = kind == Kind::Public || self.0.policy.allow_internal;
        if allowed || self.server_is(kind).await {
            return Ok(());
        }
        Err(Forbidden {
            host: printable(host, SHOWN),
            why: Why::Internal(address, kind),
        })
    }

    /// Whether the server is where addresses of this kind are. One that was not asked yet, as when
    /// a token is refreshed first, is looked up.
    async fn server_is(&self, kind: Kind) -> bool {
        if kind == Kind::Cloud {
            return false;
        }
        let Some(server) = self.server() else {
            return false;
        };
        if let Some(address) = literal(server) {
            return Kind::of(address) == kind;
        }
        if is_loopback(server) {
            return kind == Kind::Loopback;
        }
        let known = *self.lock();
        match (known, server.host_str()) {
            (Some(address), _) => Kind::of(address) == kind,
            (None, Some(name)) => {
                let found = lookup(name, self.0.ipv4).await.unwrap_or_default();
                !found.is_empty() && found.iter().all(|found| Kind::of(found.ip()) == kind)
            }
            (None, None) => false,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<IpAddr>> {
        let known = self.0.server_at.lock();
        known.unwrap_or_else(PoisonError::into_inner)
    }
}

type ResolveError = Box<dyn Error + Send + Sync>;

/// The address that is written as one. The library that sends requests resolves no such host, and
/// the parser has made one of every spelling that stands for it.
fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

/// The addresses of a name.
pub(super) async fn lookup(name: &str, ipv4: bool) -> Result<Vec<SocketAddr>, ResolveError> {
    let found = tokio::net::lookup_host((name, 0)).await?;
    let found: Vec<SocketAddr> = found.filter(|found| !ipv4 || found.is_ipv4()).collect();
    match found.is_empty() && ipv4 {
        true => Err(format!("`{name}` has no IPv4 address, and `--ipv4` allows no other").into()),
        false => Ok(found),
    }
}

#[cfg(test)]
mod tests;
