//! Where the browser returns to.

use std::net::IpAddr;

use url::Url;

use super::AuthMode;
use super::given::{self, Given, Lookup};
use crate::cli::{ServerArgs, UsageError};
use crate::oauth::known::Row;

/// Path of the redirect URI, as mcp-remote has it: clients registered by hand list it.
const CALLBACK_PATH: &str = "/oauth/callback";

/// What no option says: that the redirect URI has no port.
pub(super) const ANY_PORT: &str = "callback-any-port";

/// The redirect URI without its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    /// A loopback host as it stands in a URL, where an IPv6 address is in brackets; or a name that the
    /// user says leads here.
    pub host: String,
    /// The port to use strictly; `None` leaves the choice to who registers a client.
    pub port: Option<u16>,
    /// The port for a client that is registered already, where none is given: the same at every
    /// start, and the one that mcp-remote uses.
    pub derived_port: u16,
    /// Whether the client that is registered already has no port in its redirect URI, so that any
    /// will do (RFC 8252 §7.3).
    pub any_port: bool,
    /// The path; begins with `/`.
    pub path: String,
    /// The address to listen on instead of loopback.
    pub bind: Option<IpAddr>,
    /// The page that the browser goes on to after success, in place of ours.
    pub then: Option<Url>,
}

impl Callback {
    /// The redirect URI for the port that was bound.
    pub fn redirect_uri(&self, port: u16) -> String {
        format!("http://{}:{port}{}", self.host, self.path)
    }
}

/// `derived_port` is the one that mcp-remote uses, `allow_http` what the user says of plain http to other
/// machines.
pub(super) fn callback(
    args: &ServerArgs,
    lookup: &Lookup<'_>,
    known: Option<&Row>,
    derived_port: u16,
    allow_http: bool,
) -> Result<Callback, UsageError> {
    let default_host = match (known.and_then(|row| row.loopback), cfg!(windows)) {
        (Some(host), _) => host,
        (None, true) => "127.0.0.1",
        (None, false) => "localhost",
    };
    let port = match &args.callback_port {
        Some(text) => given::port(text)?,
        None => match lookup.only_filed("callback-port") {
            Some(given) => given.port()?,
            None => None,
        },
    };
    Ok(Callback {
        host: match lookup.text("host", &args.callback.host) {
            Some(given) => host(&given, lookup, default_host)?,
            None => default_host.to_owned(),
        },
        any_port: port.is_none() && lookup.only_filed(ANY_PORT).is_some(),
        port,
        derived_port,
        path: match lookup.text("callback-path", &args.callback.callback_path) {
            Some(given) => lookup
                .forgive(&given, given.path(), &format!("`{CALLBACK_PATH}`"))?
                .unwrap_or_else(|| CALLBACK_PATH.to_owned()),
            None => CALLBACK_PATH.to_owned(),
        },
        bind: match lookup.text("bind-host", &args.callback.bind_host) {
            Some(given) => Some(given.address()?),
            None => None,
        },
        then: match lookup.text("auth-success-url", &args.callback.auth_success_url) {
            Some(given) => Some(given.page(allow_http)?),
            None => None,
        },
    })
}

/// The host that the user wants in the redirect URI. Clients that were registered by hand for mcp-remote
/// may have another name of this machine in it, which only its list of hosts knows. mcp-remote sends the
/// browser there, and so do we, with a warning: in plain http, whoever answers to that name gets the
/// code. Without the verifier it is of no use to them (RFC 7636 §1).
fn host(given: &Given, lookup: &Lookup<'_>, default: &str) -> Result<String, UsageError> {
    match (given.loopback_host(), given.host_name()) {
        (Err(_), Some(name)) if lookup.forgives(given) => {
            lookup.warn(format!(
                "{} sends the browser back to `http://{name}`; that name has to lead to this machine, and nowhere else",
                given.origin
            ));
            Ok(name)
        }
        (read, _) => Ok(lookup
            .forgive(given, read, &format!("`{default}`"))?
            .unwrap_or_else(|| default.to_owned())),
    }
}

/// What is said about the browser's way back in a mode in which no browser comes back. `origin` is
/// what chose the mode.
pub(super) fn without_effect(
    args: &ServerArgs,
    lookup: &Lookup<'_>,
    auth: AuthMode,
    origin: &str,
) -> Vec<String> {
    if auth == AuthMode::OAuth {
        return Vec::new();
    }
    let host = lookup.text("host", &args.callback.host);
    let path = lookup.text("callback-path", &args.callback.callback_path);
    let bind = lookup.text("bind-host", &args.callback.bind_host);
    let then = lookup.text("auth-success-url", &args.callback.auth_success_url);
    let filed_port = lookup.only_filed("callback-port");
    let port = args.callback_port.as_ref();
    let given = [
        port.map(|_| "the callback port".to_owned())
            .or(filed_port.map(|given| given.origin)),
        host.map(|given| given.origin),
        path.map(|given| given.origin),
        bind.map(|given| given.origin),
        then.map(|given| given.origin),
    ];
    let useless = |what| {
        format!("{what} has no effect, since no browser returns to this machine with {origin}")
    };
    let mut given: Vec<String> = given.into_iter().flatten().collect();
    // One member of the configuration file may say several of them.
    given.dedup();
    given.into_iter().map(useless).collect()
}
