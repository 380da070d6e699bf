//! Where the browser returns to.

use std::net::IpAddr;

use super::given::{self, Lookup};
use crate::cli::{ServerArgs, UsageError};
use crate::oauth::known::Row;

/// Path of the redirect URI, as mcp-remote has it: clients registered by hand list it.
const CALLBACK_PATH: &str = "/oauth/callback";

/// The redirect URI without its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    /// A loopback host as it stands in a URL: an IPv6 address is in brackets.
    pub host: String,
    /// The port to use strictly; `None` leaves the choice to the system.
    pub port: Option<u16>,
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

pub(super) fn callback(
    args: &ServerArgs,
    lookup: &Lookup<'_>,
    known: Option<&Row>,
) -> Result<Callback, UsageError> {
    let default_host = match (known.and_then(|row| row.loopback), cfg!(windows)) {
        (Some(host), _) => host,
        (None, true) => "127.0.0.1",
        (None, false) => "localhost",
    };
    Ok(Callback {
        host: match lookup.text("host", &args.callback.host) {
            Some(given) => given.loopback_host()?,
            None => default_host.to_owned(),
        },
        port: match &args.callback_port {
            Some(text) => given::port(text)?,
            None => match lookup.only_filed("callback-port") {
                Some(given) => given.port()?,
                None => None,
            },
        },
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

/// What `--device-code` takes the effect from.
pub(super) fn without_effect(args: &ServerArgs, lookup: &Lookup<'_>) -> Vec<String> {
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
        format!(
            "{what} has no effect, since no browser returns to this machine with `--device-code`"
        )
    };
    let mut given: Vec<String> = given.into_iter().flatten().collect();
    // One member of the configuration file may say several of them.
    given.dedup();
    given.into_iter().map(useless).collect()
}
