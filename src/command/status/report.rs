//! What `status` finds: made of what is cached, without asking anybody. The JSON form is this.
//!
//! Every text in it is fit to be shown, and none grants access.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::diag::{clean, clean_to};
use crate::ids::{ServerKey, ServerUrl};
use crate::mcp::record::ServerRecord;
use crate::mcp::revision;
use crate::oauth::dpop::ProofKey;
use crate::oauth::id_token::Account;
use crate::oauth::sign_in::{Failures, KnownClient, SignIn};
use crate::oauth::token::Grant;
use crate::store::Cached;

/// Version of the JSON form. New members may come without a new version.
pub const FORMAT: u32 = 1;

/// Longest address that is shown, in characters.
const ADDRESS: usize = 2000;

/// The JSON form of the whole answer.
#[derive(Debug, Serialize)]
pub struct Report {
    /// [`FORMAT`].
    pub version: u32,
    /// The folder of the sign-ins.
    pub folder: String,
    /// Those that were asked for, by name.
    pub sign_ins: Vec<Entry>,
}

/// One sign-in. The order and the names of the members are the JSON form; an absent value is `null`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The name of the cache files, which `logout` takes.
    pub name: String,
    /// The server's address, without query values.
    pub server: Option<String>,
    /// What the server was last seen to speak.
    pub protocol: Option<Protocol>,
    /// Whose sign-in it is, as the ID token tells, where there is one.
    pub account: Option<Account>,
    /// How requests are authorized, by the name of the mode.
    pub mode: Option<&'static str>,
    /// What is sent to the server.
    pub sends: Option<Sends>,
    /// The authorization server.
    pub issuer: Option<String>,
    /// The client's identifier there.
    pub client_id: Option<String>,
    /// Where that client comes from.
    pub client: Option<ClientOrigin>,
    /// The `resource` the tokens are for.
    pub resource: Option<String>,
    /// The scopes that were granted.
    pub scopes: Vec<String>,
    /// When what is sent ends, in seconds since the epoch.
    pub expires_at: Option<u64>,
    /// The thumbprint (RFC 7638) of the key that the access token is bound to (RFC 9449), if it is to
    /// one.
    pub dpop_jkt: Option<String>,
    /// Whether another token is to be had without a person.
    pub refreshable: bool,
    /// How, or why not.
    pub renewal: Option<Renewal>,
    /// The program that the sign-in was taken over from, and when.
    pub taken_over: Option<Origin>,
    /// When a person consented, in seconds since the epoch.
    pub granted_at: Option<u64>,
    /// When the tokens were last refreshed, in seconds since the epoch.
    pub refreshed_at: Option<u64>,
    /// Whether it would work now.
    pub health: Health,
    /// Why the file cannot be used, or what went wrong last and has not gone well since.
    pub problem: Option<String>,
    /// What came of `--check`; `null` without it.
    pub check: Option<Check>,
}

/// What a server was last seen to speak.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Protocol {
    /// The revision of MCP that was agreed on.
    pub revision: String,
    /// Whether it opens with `initialize` (MCP up to 2025-11-25).
    pub has_sessions: bool,
    /// The revision without sessions that it speaks; `null` if it knows none.
    pub stateless: Option<String>,
    /// `streamable-http` or `sse`; `null` if that is not recorded.
    pub transport: Option<&'static str>,
    /// What it calls itself.
    pub server_name: Option<String>,
    /// Its own version.
    pub server_version: Option<String>,
    /// When the era or the transport was last found out, in seconds since the epoch.
    pub found_at: Option<u64>,
}

/// What is sent to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sends {
    /// The access token.
    AccessToken,
    /// The ID token, as `--use-id-token` wants it.
    IdToken,
}

/// How another token is to be had without a person, or why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Renewal {
    /// By a refresh token.
    RefreshToken,
    /// By what stands in for a person.
    Unattended,
    /// There is no refresh token.
    None,
    /// The client's secret has ended (RFC 7591 §3.2.1), so nothing can be done with it.
    ClientLapsed,
}

/// Where a sign-in is from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The program.
    pub from: String,
    /// When it was taken over, in seconds since the epoch.
    pub at: u64,
    /// The file that it stood in, and still stands; `null` if that is not recorded.
    pub file: Option<String>,
    /// The process of that program that still runs for this server.
    pub still_runs: Option<u32>,
}

/// Where a client comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientOrigin {
    /// This program registered it, or the one that the sign-in was taken over from.
    Registered,
    /// The user did.
    Configured,
    /// A metadata document describes it.
    Document,
}

/// Whether the sign-in would work now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// The token is valid, as far as its lifetime tells.
    Ok,
    /// The token has ended; the next use refreshes it.
    Refreshable,
    /// The token has ended and nothing can refresh it: a person has to sign in.
    Expired,
    /// A client is registered, but nobody is signed in.
    SignedOut,
    /// The file cannot be used: a person has to sign in.
    Unreadable,
    /// A later version of this program wrote the file.
    Newer,
}

/// What came of the try to refresh a sign-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What came of it.
    pub outcome: CheckOutcome,
    /// What went wrong.
    pub problem: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What came of the try to refresh a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckOutcome {
    /// It was refreshed, and the new tokens are kept.
    Refreshed,
    /// Another process refreshed it at this moment.
    RefreshedElsewhere,
    /// There is nothing to refresh it with, and it works until it ends.
    NotRefreshable,
    /// A person has to sign in.
    NeedsSignIn,
    /// The authorization server cannot be reached, or is out of order.
    Unreachable,
    /// It failed otherwise.
    Failed,
    /// What it takes is not known here, so nothing was tried.
    NotTried,
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

impl CheckOutcome {
    /// What it comes to as an exit code; 0 is success.
    fn exit_code(self) -> u8 {
        match self {
            Self::Refreshed | Self::RefreshedElsewhere | Self::NotRefreshable => 0,
            Self::NeedsSignIn => 3,
            Self::Unreachable => 4,
            Self::Failed | Self::NotTried => 1,
        }
    }
}

impl Check {
    /// The outcome alone.
    pub fn of(outcome: CheckOutcome) -> Self {
        Self {
            outcome,
            problem: None,
            hint: None,
        }
    }

    /// The same with what went wrong.
    pub fn because(mut self, problem: impl AsRef<str>) -> Self {
        self.problem = Some(clean_to(problem.as_ref(), ADDRESS));
        self
    }

    /// The same with what to do.
    pub fn hint(mut self, hint: Option<impl AsRef<str>>) -> Self {
        self.hint = hint.map(|hint| clean_to(hint.as_ref(), ADDRESS));
        self
    }
}

impl Report {
    /// How many sign-ins did not pass `--check`, and the exit code for that: of several, the one that
    /// a person can do most about.
    pub fn failures(&self) -> (usize, u8) {
        let checks = self
            .sign_ins
            .iter()
            .filter_map(|entry| entry.check.as_ref());
        let codes = checks.map(|check| check.outcome.exit_code());
        let codes: Vec<u8> = codes.filter(|code| *code != 0).collect();
        let first = [3, 4, 1].into_iter().find(|code| codes.contains(code));
        (codes.len(), first.unwrap_or_default())
    }
}

/// What is known about a sign-in besides its own file.
#[derive(Debug, Default)]
pub struct Around {
    /// What the server said of itself.
    pub record: Option<ServerRecord>,
    /// The file that the sign-in was taken over from.
    pub origin: Option<PathBuf>,
    /// The process of mcp-remote that still runs for the server.
    pub still_runs: Option<u32>,
}

impl Entry {
    /// What is cached under a name, at `now` in seconds since the epoch.
    pub fn new(key: &ServerKey, cached: &Cached, around: &Around, now: u64) -> Self {
        let mut entry = Self {
            name: key.to_string(),
            server: None,
            protocol: None,
            account: None,
            mode: None,
            sends: None,
            issuer: None,
            client_id: None,
            client: None,
            resource: None,
            scopes: Vec::new(),
            expires_at: None,
            dpop_jkt: None,
            refreshable: false,
            renewal: None,
            taken_over: None,
            granted_at: None,
            refreshed_at: None,
            health: Health::SignedOut,
            problem: None,
            check: None,
        };
        match cached {
            Cached::Absent => {}
            Cached::Present(sign_in) => entry.fill(sign_in, around, now),
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

    fn fill(&mut self, sign_in: &SignIn, around: &Around, now: u64) {
        self.server = Some(shown_address(&sign_in.server));
        self.protocol = around.record.as_ref().map(protocol);
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
            self.fill_client(known);
        }
        let Some(grant) = &sign_in.grant else {
            return;
        };
        let tokens = &grant.tokens;
        let is_id_token = sign_in.presents_id_token();
        self.sends = Some(match is_id_token {
            true => Sends::IdToken,
            false => Sends::AccessToken,
        });
        self.resource = grant.resource.as_ref().map(|r| clean(r.as_str()));
        self.scopes = tokens.scopes.iter().map(|scope| clean(scope)).collect();
        self.expires_at = sign_in.presented_until();
        let key = tokens.proof_key.as_ref();
        let key = key.filter(|_| tokens.is_bound() && !is_id_token);
        self.dpop_jkt = key.map(ProofKey::thumbprint);
        let renewal = renewal(grant, known, now);
        self.refreshable = matches!(renewal, Renewal::RefreshToken | Renewal::Unattended);
        self.renewal = Some(renewal);
        let taken = sign_in.taken_over.as_ref();
        self.taken_over = taken.filter(|taken| !taken.replaced).map(|taken| Origin {
            from: clean(&taken.from),
            at: taken.at,
            file: around.origin.as_ref().map(|file| {
                // It is what the ledger says, which anybody may have written.
                clean_to(&file.display().to_string(), ADDRESS)
            }),
            still_runs: around.still_runs,
        });
        self.granted_at = Some(grant.granted_at);
        self.refreshed_at = grant.refreshed_at;
        let ended = self.expires_at.is_some_and(|at| at <= now);
        self.health = match (ended, self.refreshable) {
            (false, _) => Health::Ok,
            (true, true) => Health::Refreshable,
            (true, false) => Health::Expired,
        };
    }

    fn fill_client(&mut self, known: &KnownClient) {
        let client = &known.client;
        if client.is_nobody() {
            return;
        }
        self.client_id = Some(clean(&client.client_id));
        self.client = Some(match (client.document, client.registered) {
            (true, _) => ClientOrigin::Document,
            (false, true) => ClientOrigin::Registered,
            (false, false) => ClientOrigin::Configured,
        });
    }
}

fn renewal(grant: &Grant, known: Option<&KnownClient>, now: u64) -> Renewal {
    match () {
        () if known.is_some_and(|known| known.client.has_lapsed(now)) => Renewal::ClientLapsed,
        () if grant.mode.is_unattended() => Renewal::Unattended,
        () if grant.tokens.refresh_token.is_some() => Renewal::RefreshToken,
        () => Renewal::None,
    }
}

fn protocol(record: &ServerRecord) -> Protocol {
    let info = |name: &str| {
        let text = record.server_info.as_ref()?.get(name)?.as_str()?;
        Some(clean_to(text, 100)).filter(|text| !text.is_empty())
    };
    let revision = clean_to(&record.protocol_version, 40);
    let is_stateless = revision::find_stateless(&record.protocol_version).is_some();
    let (has_sessions, stateless) = match &record.era {
        Some(era) => (era.has_sessions, era.stateless.clone()),
        None => (!is_stateless, is_stateless.then(|| revision.clone())),
    };
    let found = [
        record.era.as_ref().map(|era| era.found_at),
        record.verdict.as_ref().map(|verdict| verdict.found_at),
    ];
    Protocol {
        revision,
        has_sessions,
        stateless: stateless.map(|revision| clean_to(&revision, 40)),
        transport: record
            .verdict
            .as_ref()
            .map(|verdict| verdict.transport.name()),
        server_name: info("title").or_else(|| info("name")),
        server_version: info("version"),
        found_at: found.into_iter().flatten().max(),
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
        Ok(server) => clean_to(&server.to_string(), ADDRESS),
        Err(_) => "not an address".to_owned(),
    }
}
