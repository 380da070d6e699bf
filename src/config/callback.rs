//! Where the browser returns to.

use std::net::IpAddr;

use super::given::{self, Given, Lookup};
use super::which::Which;
use super::{AuthMode, Resource};
use crate::cli::{ServerArgs, UsageError};
use crate::compat::callback_port::Parts;
use crate::net::callback::is_blocked;
use crate::oauth::known::Row;

/// Path of the redirect URI, as mcp-remote has it: clients registered by hand list it.
const CALLBACK_PATH: &str = "/oauth/callback";

/// What no option says: that the redirect URI has no port.
pub(super) const ANY_PORT: &str = "callback-any-port";

/// The redirect URI without its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    /// A loopback host as it stands in a URL: an IPv6 address is in brackets.
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
}

impl Callback {
    /// The redirect URI for the port that was bound.
    pub fn redirect_uri(&self, port: u16) -> String {
        format!("http://{}:{port}{}", self.host, self.path)
    }
}

/// `server` is the server's address as the user wrote it, `resource` what requests name.
pub(super) fn callback(
    args: &ServerArgs,
    lookup: &Lookup<'_>,
    known: Option<&Row>,
    server: &str,
    (which, resource): (&Which, &Resource),
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
            Some(given) => given.loopback_host()?,
            None => default_host.to_owned(),
        },
        any_port: port.is_none() && lookup.only_filed(ANY_PORT).is_some(),
        port,
        derived_port: derived_port(args, lookup, server, which, resource),
        path: match lookup.text("callback-path", &args.callback.callback_path) {
            Some(given) => given.path()?,
            None => CALLBACK_PATH.to_owned(),
        },
        bind: match lookup.text("bind-host", &args.callback.bind_host) {
            Some(given) => Some(given.address()?),
            None => None,
        },
    })
}

/// Headers in files stay out: what mcp-remote makes of them is in few configurations.
fn derived_port(
    args: &ServerArgs,
    lookup: &Lookup<'_>,
    server: &str,
    which: &Which,
    resource: &Resource,
) -> u16 {
    let headers: Vec<Given> = lookup
        .lists("header", &args.traffic.header)
        .into_iter()
        .flatten()
        .collect();
    let headers: Vec<&str> = headers.iter().map(|given| given.text.as_str()).collect();
    let endpoints = which.endpoints.as_ref();
    let document = which.clients.document.as_ref();
    Parts {
        server,
        resource: match resource {
            Resource::Given(resource) => Some(resource.as_str()),
            Resource::Discovered | Resource::Omitted => None,
        },
        authorize_params: &which.authorize_params,
        headers: &headers,
        client_metadata_url: document.map(|own| own.url.as_str()),
        token_endpoint: endpoints.map(|given| given.token_endpoint.as_str()),
    }
    .port(is_blocked)
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
    let filed_port = lookup.only_filed("callback-port");
    let port = args.callback_port.as_ref();
    let given = [
        port.map(|_| "the callback port".to_owned())
            .or(filed_port.map(|given| given.origin)),
        host.map(|given| given.origin),
        path.map(|given| given.origin),
        bind.map(|given| given.origin),
    ];
    let useless = |what| {
        format!("{what} has no effect, since no browser returns to this machine with {origin}")
    };
    let mut given: Vec<String> = given.into_iter().flatten().collect();
    // One member of the configuration file may say several of them.
    given.dedup();
    given.into_iter().map(useless).collect()
}
