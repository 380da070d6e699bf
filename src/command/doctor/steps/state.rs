//! What is on this machine: configuration, sign-in and token.

use super::super::machine::clients;
use super::super::report::{Kind, Name, Status, Step};
use super::{Reached, Walk};
use crate::command::login::paste;
use crate::command::now;
use crate::command::words::{ago, when};
use crate::config::AuthMode;
use crate::error::Error;
use crate::ids::ServerUrl;
use crate::login::Login;
use crate::oauth::challenge::Challenge;
use crate::oauth::id_token::Account;
use crate::oauth::takeover::TakeOver;
use crate::oauth::token::{Freshness, Grant};
use crate::store::{Cached, Store, StoreError};
use crate::takeover;
use crate::untrusted::{SHOWN, printable};

impl Walk<'_, '_> {
    /// Where each value came from, and what is cached.
    pub(super) fn configuration(
        &mut self,
        login: Option<&Result<Login, StoreError>>,
    ) -> Result<(), Error> {
        let config = self.config;
        let name = Name::Configuration;
        let mode = match config.auth {
            AuthMode::Bearer => "requests carry what is configured in place of a sign-in",
            AuthMode::OAuth => "signs in through a browser, where that is asked for",
            AuthMode::Seeded => "signs in with the configured refresh token",
            AuthMode::Device => "signs in by a code for another device, where that is asked for",
            AuthMode::ClientCredentials => "signs in with the client's own credentials",
            AuthMode::Enterprise => "signs in with what the organisation says of you",
            AuthMode::Workload => "signs in with what the platform says of this workload",
        };
        let mut step = match login {
            Some(Err(error)) => {
                Step::fail(name, Kind::Failed, error.to_string()).hint(Some(error.hint()))
            }
            _ => Step::ok(name, mode),
        };
        step = step
            .found("server", format!("`{}`", config.server))
            .found("name", format!("`{}`", config.key))
            .found("mode", config.auth.name());
        if let Some(Ok(login)) = login {
            let (state, is_odd) = self.read_cache(login);
            let (kept, is_kept) = self.kept(login);
            step = step.found("cache", kept).found("cached", state);
            if is_odd || !is_kept {
                step.status = Status::Warn;
            }
        }
        for remains in self.of_mcp_remote() {
            step = step.found("mcp-remote", remains);
        }
        for (option, origin) in &config.base.origins {
            step = step.found("given", format!("`{option}` by {origin}"));
        }
        for warning in &config.base.warnings {
            step = step.found("warning", warning);
        }
        self.page.add(step)
    }

    /// What there is of mcp-remote for this server, and what to do about it.
    fn of_mcp_remote(&self) -> Vec<String> {
        let config = self.config;
        let same = |address: &str| {
            let server = ServerUrl::parse(address, true);
            server.is_ok_and(|server| server.canonical() == config.server.canonical())
        };
        let starting = clients::still_starting(self.home, same).into_iter();
        let mut told: Vec<String> = starting
            .map(|(host, entry)| {
                format!("`{entry}` of {host} still starts it for this server; run `mcp-drawbridge migrate --host {host} --apply`")
            })
            .collect();
        let looked = match &self.cached.grant {
            Some(_) => None,
            None => config.elsewhere.as_ref().map(takeover::look),
        };
        if let Some(path) = looked.and_then(|looked| looked.path) {
            let path = path.display();
            told.push(match config.take_over {
                TakeOver::Never => format!("its sign-in in `{path}` is taken over if you say so (`mcp-drawbridge import`, with the same arguments and `--apply`)"),
                _ => format!("its sign-in in `{path}` is taken over by the next use"),
            });
        }
        told
    }

    /// Where the sign-in is kept, and whether that outlasts this process.
    fn kept(&self, login: &Login) -> (String, bool) {
        match Store::open_or_memory(self.config.base.dir.clone()) {
            Ok((_, None)) => {
                let file = login.store().token_file(&self.config.key);
                (format!("`{}`", file.display()), true)
            }
            Ok((_, Some(why))) => (format!("in memory only: {why}"), false),
            Err(error) => (error.to_string(), false),
        }
    }

    /// What is in it, and whether that is odd.
    fn read_cache(&mut self, login: &Login) -> (String, bool) {
        match login.store().read(&self.config.key) {
            Ok(Cached::Absent) => ("nothing".to_owned(), false),
            Ok(Cached::Present(sign_in)) => {
                self.cached = *sign_in;
                let state = match &self.cached.grant {
                    Some(grant) => format!("a sign-in of {}", ago(grant.granted_at, now())),
                    None => "a registration, and no sign-in".to_owned(),
                };
                (state, false)
            }
            Ok(Cached::Unreadable { reason }) => (format!("cannot be used: {reason}"), true),
            Ok(Cached::Newer { version }) => {
                let of = format!("written by a later version of mcp-drawbridge (format {version})");
                (of, true)
            }
            Err(error) => (error.to_string(), true),
        }
    }

    /// Whether somebody is signed in. With the user's leave, signs in if not. Gives what there is
    /// to be used.
    pub(super) async fn sign_in(
        &mut self,
        login: Option<&Login>,
        reached: &Reached,
    ) -> Result<Option<Grant>, Error> {
        let name = Name::SignIn;
        let Some(login) = login else {
            let why = "something else is configured in place of a sign-in";
            self.page.add(Step::skip(name, why))?;
            return Ok(None);
        };
        let cached = self.cached.grant.clone();
        let freshness = cached.as_ref().map(|grant| grant.freshness(now()));
        let is_usable = !matches!(freshness, None | Some(Freshness::Expired));
        match (reached, is_usable) {
            (Reached::Wants(challenge), false) if self.may_sign_in => {
                return self.obtain(login, challenge.clone()).await;
            }
            (Reached::Open, false) => {
                self.page
                    .add(Step::skip(name, "the server asks for no sign-in"))?;
                return Ok(None);
            }
            _ => {}
        }
        let Some(grant) = cached else {
            self.page.add(self.absent(reached))?;
            return Ok(None);
        };
        let can_refresh = grant.tokens.refresh_token.is_some();
        let step = match (is_usable, can_refresh) {
            (true, _) => Step::ok(name, "signed in"),
            (false, true) => Step::warn(
                name,
                "signed in, but the access token has ended; the next use refreshes it",
            )
            .hint(Some("to see whether that works, give `--sign-in`")),
            (false, false) => Step::fail(
                name,
                Kind::NeedsSignIn,
                "the access token has ended, and there is no refresh token",
            )
            .hint(Some(format!("run {}", self.config.again.login()))),
        };
        let account = self.cached.account();
        self.page.add(described(step, &grant, account.as_ref()))?;
        Ok(is_usable.then_some(grant))
    }

    /// Nobody is signed in.
    fn absent(&self, reached: &Reached) -> Step {
        let name = Name::SignIn;
        match reached {
            Reached::Wants(_) if self.needs_nobody || self.config.auth.is_unattended() => {
                let why = "no token is cached; it is obtained without a person when it is needed";
                Step::skip(name, why).hint(Some("to see whether that works, give `--sign-in`"))
            }
            Reached::Wants(_) => {
                let hint = format!(
                    "run {}, or this again with `--sign-in`",
                    self.config.again.login()
                );
                Step::fail(name, Kind::NeedsSignIn, "nobody is signed in").hint(Some(hint))
            }
            Reached::Open | Reached::No(_) => Step::skip(name, "nobody is signed in"),
        }
    }

    /// Gets a token, by whatever it takes.
    async fn obtain(
        &mut self,
        login: &Login,
        challenge: Challenge,
    ) -> Result<Option<Grant>, Error> {
        login.speak_to(paste::audience());
        let diag = self.diag.for_host(&self.config.server.host());
        let outcome = tokio::select! {
            outcome = login.challenged(None, challenge) => outcome,
            never = async {
                paste::take_over_stdin(login, &self.config.again, &diag).await;
                std::future::pending().await
            } => never,
        };
        // The cache holds it, and the client that it belongs to.
        self.read_cache(login);
        match outcome {
            Ok(_) => {
                let step = Step::ok(Name::SignIn, "signed in just now");
                let step = match &self.cached.grant {
                    Some(grant) => described(step, grant, self.cached.account().as_ref()),
                    None => step,
                };
                self.page.add(step)?;
                Ok(self.cached.grant.clone())
            }
            Err(error) => {
                let kind = match () {
                    () if error.is_unreachable() => Kind::Unreachable,
                    () if error.needs_person() => Kind::NeedsSignIn,
                    () => Kind::Failed,
                };
                let step = Step::fail(Name::SignIn, kind, error.to_string());
                self.page.add(step.rule(error.rule()).hint(error.hint()))?;
                Ok(None)
            }
        }
    }

    /// What the token is worth.
    pub(super) fn token(&mut self, usable: Option<&Grant>) -> Result<(), Error> {
        let name = Name::Token;
        let Some(grant) = usable.or(self.cached.grant.as_ref()) else {
            return self.page.add(Step::skip(name, "there is none"));
        };
        let (tokens, now) = (&grant.tokens, now());
        let can_refresh = tokens.refresh_token.is_some();
        let ends = match tokens.expires_at {
            None => "not said by the server".to_owned(),
            Some(at) => when(at, now),
        };
        let step = match (grant.freshness(now), can_refresh) {
            (Freshness::Fresh, _) => Step::ok(
                name,
                "the access token is valid, as far as its lifetime tells",
            ),
            (Freshness::Due, true) => {
                Step::ok(name, "the access token is valid, and due for a refresh")
            }
            (Freshness::Due, false) => Step::warn(
                name,
                "the access token ends soon, and there is no refresh token",
            ),
            (Freshness::Expired, _) => Step::warn(name, "the access token has ended"),
        };
        let scopes = match tokens.scopes.is_empty() {
            true => "none named".to_owned(),
            false => format!("`{}`", printable(&tokens.scopes.join(" "), SHOWN)),
        };
        let resource = grant.resource.as_ref();
        let step = step
            .found("ends", ends)
            .found(
                "type",
                format!("`{}`", printable(&tokens.token_type, SHOWN)),
            )
            .found("scopes", scopes)
            .found_some(
                "for",
                resource.map(|r| format!("`{}`", printable(r.as_str(), SHOWN))),
            )
            .found("refresh token", if can_refresh { "yes" } else { "no" })
            .rule(Some("RFC 6749 §5.1"));
        self.page.add(step)
    }
}

/// Adds whose sign-in it is.
fn described(step: Step, grant: &Grant, account: Option<&Account>) -> Step {
    let issuer = printable(grant.issuer.as_str(), SHOWN);
    step.found_some("account", account.and_then(Account::label))
        .found("issuer", format!("`{issuer}`"))
        .found("since", ago(grant.granted_at, now()))
}
