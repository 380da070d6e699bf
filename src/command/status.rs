//! `status`: what is cached about each sign-in, for people and for programs. Asks no server and
//! shows no secret.

use std::fmt::{self, Write as _};

use serde::Serialize;

use super::words::{ago, duration};
use crate::config::{Status, StatusTarget};
use crate::diag::{Diag, clean, clean_to};
use crate::error::Error;
use crate::ids::{ServerKey, ServerUrl};
use crate::oauth::dpop::ProofKey;
use crate::oauth::id_token::Account;
use crate::oauth::sign_in::{Failures, SignIn};
use crate::store::{Cached, Store, StoreError};

/// Version of the JSON form. New members may come without a new version.
const FORMAT: u32 = 1;

/// The JSON form of the whole answer.
#[derive(Debug, Serialize)]
struct Report {
    version: u32,
    folder: String,
    sign_ins: Vec<Entry>,
}

/// One sign-in. The order and the names of the members are the JSON form; an absent value is `null`.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Entry {
    /// The name of the cache files, which `logout` takes.
    name: String,
    /// The server's address, without query values.
    server: Option<String>,
    /// Whose sign-in it is, as the ID token tells, where there is one.
    account: Option<Account>,
    /// How requests are authorized, by the name of the mode.
    mode: Option<&'static str>,
    /// The authorization server.
    issuer: Option<String>,
    /// The client's identifier there.
    client_id: Option<String>,
    /// Where that client comes from.
    client: Option<ClientOrigin>,
    /// The `resource` the tokens are for.
    resource: Option<String>,
    /// The scopes that were granted.
    scopes: Vec<String>,
    /// When the access token ends, in seconds since the epoch.
    expires_at: Option<u64>,
    /// The thumbprint (RFC 7638) of the key that the access token is bound to (RFC 9449), if it is to
    /// one.
    dpop_jkt: Option<String>,
    /// Whether another token is to be had without a person.
    refreshable: bool,
    /// When a person consented, in seconds since the epoch.
    granted_at: Option<u64>,
    /// When the tokens were last refreshed, in seconds since the epoch.
    refreshed_at: Option<u64>,
    health: Health,
    /// Why the file cannot be used, or what went wrong last and has not gone well since.
    problem: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum ClientOrigin {
    Registered,
    Configured,
    /// A metadata document describes it.
    Document,
}

/// Whether the sign-in would work now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Health {
    /// The access token is valid, as far as its lifetime tells.
    Ok,
    /// The access token has ended; the next use refreshes it.
    Refreshable,
    /// The access token has ended and nothing can refresh it: a person has to sign in.
    Expired,
    /// A client is registered, but nobody is signed in.
    SignedOut,
    /// The file cannot be used: a person has to sign in.
    Unreadable,
    /// A later version of this program wrote the file.
    Newer,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Refreshable => "ok, the next use refreshes it",
            Self::Expired => "expired, the next use asks you to sign in",
            Self::SignedOut => "signed out, the next use asks you to sign in",
            Self::Unreadable => "unreadable, the next use asks you to sign in",
            Self::Newer => "written by a later version of mcp-drawbridge",
        })
    }
}

/// The sign-ins that `status` asks for, as the text to print. `now` is in seconds since the epoch.
pub fn answer(status: &Status, now: u64, diag: &Diag) -> Result<String, Error> {
    let store = Store::open(status.base.dir.clone().ok_or(StoreError::NoFolder)?)?;
    let mut sign_ins = Vec::new();
    for key in store.list()? {
        let cached = store.read(&key)?;
        if is_wanted(&status.target, &key, &cached) {
            sign_ins.push(Entry::new(&key, &cached, now));
        }
    }
    for warning in store.take_warnings() {
        diag.warn(warning);
    }
    match &status.target {
        StatusTarget::Name(name) if sign_ins.is_empty() => {
            return Err(Error::no_sign_in(name.as_str()));
        }
        StatusTarget::Entry(name, _) if sign_ins.is_empty() => {
            return Err(Error::no_sign_in(name));
        }
        StatusTarget::Server(server) if sign_ins.is_empty() => {
            return Err(Error::no_sign_in(server.to_string()));
        }
        _ => {}
    }
    let report = Report {
        version: FORMAT,
        folder: store.folder().display().to_string(),
        sign_ins,
    };
    Ok(match status.json {
        true => json(&report),
        false => text(&report, now),
    })
}

fn is_wanted(target: &StatusTarget, key: &ServerKey, cached: &Cached) -> bool {
    match target {
        StatusTarget::All => true,
        StatusTarget::Name(name) | StatusTarget::Entry(_, name) => name == key,
        StatusTarget::Server(server) => match cached {
            Cached::Present(sign_in) => ServerUrl::parse(&sign_in.server, true)
                .is_ok_and(|known| known.canonical() == server.canonical()),
            Cached::Absent | Cached::Unreadable { .. } | Cached::Newer { .. } => false,
        },
    }
}

impl Entry {
    fn new(key: &ServerKey, cached: &Cached, now: u64) -> Self {
        let mut entry = Self {
            name: key.to_string(),
            server: None,
            account: None,
            mode: None,
            issuer: None,
            client_id: None,
            client: None,
            resource: None,
            scopes: Vec::new(),
            expires_at: None,
            dpop_jkt: None,
            refreshable: false,
            granted_at: None,
            refreshed_at: None,
            health: Health::SignedOut,
            problem: None,
        };
        match cached {
            Cached::Absent => {}
            Cached::Present(sign_in) => entry.fill(sign_in, now),
            Cached::Unreadable { reason } => {
                entry.health = Health::Unreadable;
                entry.problem = Some(clean(reason));
            }
            Cached::Newer { version } => {
                entry.health = Health::Newer;
                entry.problem = Some(format!("it has format {version}"));
            }
        }
        entry
    }

    fn fill(&mut self, sign_in: &SignIn, now: u64) {
        self.server = Some(shown_address(&sign_in.server));
        self.account = sign_in.account();
        self.problem = last_failure(&sign_in.failures);
        let mode = sign_in.grant.as_ref().map(|grant| grant.mode);
        self.mode = Some(mode.unwrap_or_default().name());
        let issuer = match &sign_in.grant {
            Some(grant) => Some(&grant.issuer),
            None => sign_in.clients.keys().next(),
        };
        self.issuer = issuer.map(|issuer| clean(issuer.as_str()));
        let known = issuer.and_then(|issuer| sign_in.clients.get(issuer));
        if let Some(known) = known {
            let named = !known.client.is_nobody();
            self.client_id = named.then(|| clean(&known.client.client_id));
            self.client = named.then_some(match (known.client.document, known.client.registered) {
                (true, _) => ClientOrigin::Document,
                (false, true) => ClientOrigin::Registered,
                (false, false) => ClientOrigin::Configured,
            });
        }
        let Some(grant) = &sign_in.grant else {
            return;
        };
        let tokens = &grant.tokens;
        self.resource = grant.resource.as_ref().map(|r| clean(r.as_str()));
        self.scopes = tokens.scopes.iter().map(|scope| clean(scope)).collect();
        self.expires_at = tokens.expires_at;
        let key = tokens.proof_key.as_ref().filter(|_| tokens.is_bound());
        self.dpop_jkt = key.map(ProofKey::thumbprint);
        // RFC 7591 §3.2.1: a client whose secret has ended cannot use it any more.
        let lapsed = known.is_some_and(|known| known.client.has_lapsed(now));
        let renewable = tokens.refresh_token.is_some() || grant.mode.is_unattended();
        self.refreshable = renewable && !lapsed;
        self.granted_at = Some(grant.granted_at);
        self.refreshed_at = grant.refreshed_at;
        let ended = tokens.expires_at.is_some_and(|at| at <= now);
        self.health = match (ended, self.refreshable) {
            (false, _) => Health::Ok,
            (true, true) => Health::Refreshable,
            (true, false) => Health::Expired,
        };
    }

    fn expiry(&self, now: u64) -> String {
        match self.expires_at {
            None => "its end is not known".to_owned(),
            Some(at) if at <= now => format!("ended {} ago", duration(now - at)),
            Some(at) => format!("valid for {}", duration(at - now)),
        }
    }
}

fn last_failure(failures: &Failures) -> Option<String> {
    let (what, note) = match (&failures.sign_in, &failures.refresh) {
        (Some(note), _) => ("sign-in", note),
        (None, Some(note)) => ("refresh", note),
        (None, None) => return None,
    };
    Some(format!("the last {what} failed: {}", clean(&note.reason)))
}

/// The address as messages show it. The file may have been edited, so it may be no address.
fn shown_address(text: &str) -> String {
    match ServerUrl::parse(text, true) {
        Ok(server) => clean_to(&server.to_string(), 2000),
        Err(_) => "not an address".to_owned(),
    }
}

fn json(report: &Report) -> String {
    // The report holds nothing that JSON cannot hold.
    let mut text = serde_json::to_string_pretty(report).unwrap_or_default();
    text.push('\n');
    text
}

fn text(report: &Report, now: u64) -> String {
    let mut text = String::new();
    if report.sign_ins.is_empty() {
        let _ = writeln!(text, "No sign-ins in `{}`.", report.folder);
    }
    for (index, entry) in report.sign_ins.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        let _ = writeln!(text, "{}", entry.name);
        for (label, value) in lines(entry, now) {
            let _ = writeln!(text, "  {label:<13} {value}");
        }
    }
    text
}

fn lines(entry: &Entry, now: u64) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    let mut add = |label, value: Option<String>| lines.extend(value.map(|value| (label, value)));
    add("server", entry.server.clone());
    let account = entry.account.as_ref().and_then(Account::label);
    add("account", account.map(str::to_owned));
    let client = entry.client.map(|origin| match origin {
        ClientOrigin::Registered => "registered client",
        ClientOrigin::Configured => "configured client",
        ClientOrigin::Document => "metadata document",
    });
    add(
        "mode",
        entry.mode.map(|mode| match (client, &entry.client_id) {
            (Some(client), Some(id)) => format!("{mode}, {client} `{id}`"),
            _ => mode.to_owned(),
        }),
    );
    add("issuer", entry.issuer.clone());
    if let Some(granted_at) = entry.granted_at {
        add("resource", entry.resource.clone());
        let scopes = match entry.scopes.is_empty() {
            true => "none named".to_owned(),
            false => entry.scopes.join(" "),
        };
        add("scopes", Some(scopes));
        add("signed in", Some(ago(granted_at, now)));
        add(
            "last refresh",
            Some(match entry.refreshed_at {
                Some(at) => ago(at, now),
                None => "never".to_owned(),
            }),
        );
        let refresh = match entry.refreshable {
            true => "",
            false => ", cannot be refreshed",
        };
        let bound = match entry.dpop_jkt {
            Some(_) => ", bound to a key",
            None => "",
        };
        add(
            "access token",
            Some(format!("{}{bound}{refresh}", entry.expiry(now))),
        );
    }
    add("health", Some(entry.health.to_string()));
    add("problem", entry.problem.clone());
    lines
}

#[cfg(test)]
mod tests;
