//! Initialize and tools: a session with what there is.

use serde_json::Value;

use super::super::report::{Kind, Name, Step};
use super::super::session::{self, Told};
use super::{Reached, Walk};
use crate::access::Access;
use crate::command::aside;
use crate::command::bridge::bearer;
use crate::command::wire;
use crate::error::Error;
use crate::login::{Held, Login};
use crate::mcp::record::ServerRecord;
use crate::mcp::revision;
use crate::mcp::transport::Transport;
use crate::oauth::challenge::Challenge;
use crate::oauth::token::Grant;
use crate::untrusted::{SHOWN, printable};

/// The steps that a session takes.
const TALKED: [Name; 2] = [Name::Initialize, Name::Tools];

impl Walk<'_, '_> {
    /// Talks to the server as an AI client does, with a token if there is one. `told` is what came
    /// of doing so without, if that was done.
    pub(super) async fn talk(
        &mut self,
        login: Option<Login>,
        grant: Option<Grant>,
        reached: &Reached,
        told: Option<Told>,
    ) -> Result<(), Error> {
        let mut held = Held::default();
        let told = match (reached, login, grant, told) {
            (Reached::No(why), ..) => return self.skip(&TALKED, why),
            // What was configured in place of a sign-in.
            (_, None, ..) => self.session(bearer(self.config)).await?,
            // In a session of the bridge's own, a token that is refused is mended.
            (_, Some(login), Some(_), _) if self.may_sign_in => {
                self.session(Access::Login(login)).await?
            }
            (_, Some(login), Some(grant), _) => {
                let (holding, wanted) = login.holding(Some(grant));
                held = wanted;
                self.session(Access::Login(holding)).await?
            }
            (Reached::Open, _, _, Some(told)) => told,
            _ => return self.skip(&TALKED, "they need a token, and there is none to use"),
        };
        let wanted = held.wanted();
        let step = match &told.initialize {
            Ok(_) => initialized(told.said.as_ref()),
            Err(error) => self.failed(Name::Initialize, error, wanted.as_ref()),
        };
        self.page.add(step)?;
        let step = match &told.tools {
            _ if told.initialize.is_err() => Step::skip(Name::Tools, "there is no session"),
            None => Step::skip(Name::Tools, "the server offers no tools"),
            Some(Ok(count)) => listed(*count),
            Some(Err(error)) => self.failed(Name::Tools, error, wanted.as_ref()),
        };
        self.page.add(step)
    }

    /// Holds a session, with what grants access.
    pub(super) async fn session(&self, access: Access) -> Result<Told, Error> {
        let wire = wire(self.config, self.http.clone(), access, aside(&self.diag));
        self.in_session.set(true);
        let told = session::hold(wire).await;
        self.in_session.set(false);
        told
    }

    /// A request of the session that got an error. `wanted` is what the server asked for in place
    /// of the token.
    fn failed(&self, name: Name, error: &Value, wanted: Option<&Challenge>) -> Step {
        let bridge = &error["data"]["bridge"];
        let Some(wanted) = wanted else {
            let kind = match bridge["stage"].as_str() {
                Some("connect") => Kind::Unreachable,
                _ => Kind::Failed,
            };
            let message = error["message"]
                .as_str()
                .unwrap_or("an error without a message");
            return Step::fail(name, kind, message)
                .found_some("code", error["code"].as_i64().map(|code| code.to_string()))
                .hint(Some(match (bridge["hint"].as_str(), bridge.is_object()) {
                    (Some(hint), _) => hint,
                    (None, true) => "`--debug` tells more",
                    (None, false) => "it is the server's own answer; its operator can tell more",
                }));
        };
        let lacks_scope = wanted.error.as_deref() == Some("insufficient_scope");
        let summary = match lacks_scope {
            true => "the server says that the token lacks a scope",
            false => "the server does not accept the token",
        };
        let grant = self.cached.grant.as_ref();
        let can_refresh = grant.is_some_and(|grant| grant.tokens.refresh_token.is_some());
        let hint = match can_refresh && !lacks_scope {
            true => "the bridge refreshes it when that happens; to see whether that works, give `--sign-in`".to_owned(),
            false => format!("run {}", self.config.again.login()),
        };
        let quoted = |text: &String| format!("`{}`", printable(text, SHOWN));
        Step::fail(name, Kind::NeedsSignIn, summary)
            .found_some("error", wanted.error.as_ref().map(quoted))
            .found_some(
                "error_description",
                wanted.error_description.as_ref().map(quoted),
            )
            .found_some(
                "scope",
                wanted.scope.as_ref().map(|scope| quoted(&scope.join(" "))),
            )
            .rule(Some("RFC 6750 §3.1"))
            .hint(Some(hint))
    }
}

fn listed(count: usize) -> Step {
    let step = match count {
        0 => Step::warn(Name::Tools, "the server lists no tools"),
        1 => Step::ok(Name::Tools, "1 tool"),
        count => Step::ok(Name::Tools, format!("{count} tools")),
    };
    step.rule(Some("MCP 2025-11-25, Tools, Listing Tools"))
}

/// The bridge agrees on a revision with each side, so what counts is what the server said to it.
fn initialized(said: Option<&(ServerRecord, Transport)>) -> Step {
    let Some((record, transport)) = said else {
        let summary = "the server opens a session, but says too much or too little of itself";
        return Step::warn(Name::Initialize, summary);
    };
    let quoted = |text: &str| format!("`{}`", printable(text, SHOWN));
    let info = |name: &str| {
        let info = record.server_info.as_ref()?;
        info.get(name).and_then(Value::as_str).map(quoted)
    };
    let is_stateless = revision::find_stateless(&record.protocol_version).is_some();
    let (summary, rule) = match is_stateless {
        true => (
            "the server says what it is, and needs no session",
            "MCP 2026-07-28, Discovery",
        ),
        false => (
            "the server opens a session",
            "MCP 2025-11-25, Lifecycle, Initialization",
        ),
    };
    Step::ok(Name::Initialize, summary)
        .found("transport", transport.name())
        .found("protocol", quoted(&record.protocol_version))
        .found_some("server", info("name"))
        .found_some("version", info("version"))
        .rule(Some(rule))
}
