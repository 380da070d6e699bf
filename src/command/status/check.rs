//! `status --check`: refreshes sign-ins to see whether that works. The sign-in's own flow does it, so
//! locks are taken, siblings' tokens adopted and new ones kept as a bridge does; nobody is asked.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;

use super::report::{Check, CheckOutcome};
use crate::command::{aside, check_key_file, configured, now};
use crate::compat::hosts::HOSTS;
use crate::config::{AuthMode, Checking, Config, only_refreshing};
use crate::diag::Diag;
use crate::error::Error;
use crate::ids::ServerKey;
use crate::login::{Login, LoginError, Trace};
use crate::net::connections::Connections;
use crate::oauth::flow::{Note, Question};
use crate::oauth::sign_in::SignIn;
use crate::oauth::token::{Freshness, Grant};
use crate::store::{Cached, Store};

/// Tries each of these sign-ins, all at once. Gives what came of each, in this order.
pub async fn all(
    checking: &Checking,
    store: &Store,
    keys: &[ServerKey],
    diag: &Diag,
) -> Result<Vec<Check>, Error> {
    let known = known(checking);
    let mut tries = JoinSet::new();
    let mut checks: Vec<Option<Check>> = Vec::new();
    let mut logins: Vec<Option<String>> = Vec::new();
    for (at, key) in keys.iter().enumerate() {
        let prepared = match store.read(key)? {
            Cached::Present(sign_in) => prepared(checking, &known, key, &sign_in),
            Cached::Absent => Prepared::judged(Check::of(CheckOutcome::NeedsSignIn)),
            Cached::Unreadable { reason } => {
                let check = Check::of(CheckOutcome::NeedsSignIn);
                Prepared::judged(check.because(format!("its file cannot be used: {reason}")))
            }
            Cached::Newer { .. } => {
                let check = Check::of(CheckOutcome::NotTried);
                Prepared::judged(check.because("a later version of mcp-drawbridge wrote its file"))
            }
        };
        logins.push(prepared.login);
        checks.push(match prepared.next {
            Ok(config) => {
                check_key_file(&config, diag);
                let (store, diag) = (store.clone(), aside(diag));
                tries.spawn(async move { (at, one(&config, &store, diag).await) });
                None
            }
            Err(check) => Some(check),
        });
    }
    while let Some(tried) = tries.join_next().await {
        // It fails only if the task panicked, which has been reported.
        let Ok((at, outcome)) = tried else { continue };
        checks[at] = Some(outcome.ok_or(Error::Interrupted)?);
    }
    let advised = |(check, login): (Option<Check>, Option<String>)| {
        let check = check.unwrap_or_else(|| Check::of(CheckOutcome::Failed));
        let is_needed = check.outcome == CheckOutcome::NeedsSignIn && check.hint.is_none();
        match login.filter(|_| is_needed) {
            Some(login) => check.hint(Some(format!("run {login}"))),
            None => check,
        }
    };
    Ok(checks.into_iter().zip(logins).map(advised).collect())
}

/// What is to be done about a sign-in.
struct Prepared {
    /// What the try is made with; in its place what is to be said, where none can be made.
    next: Result<Box<Config>, Check>,
    /// How a person signs in to the same, if that is known, in backticks.
    login: Option<String>,
}

impl Prepared {
    fn judged(check: Check) -> Self {
        Self {
            next: Err(check),
            login: None,
        }
    }
}

/// What sign-ins are used with, by their names, as the configuration file and the user's AI clients
/// say. What lies in the current folder may be anybody's, and no token is sent by its options.
fn known(checking: &Checking) -> Vec<Config> {
    let all: Vec<_> = HOSTS.iter().collect();
    // What cannot be read is `doctor`'s to complain of.
    let found = configured::all(&checking.entries, &all, &checking.home, |_| {});
    let own = found.into_iter().filter(|configured| configured.is_own);
    own.filter_map(|configured| configured.config.ok().map(|config| *config))
        .filter(|config| config.auth != AuthMode::Bearer)
        .collect()
}

fn prepared(checking: &Checking, known: &[Config], key: &ServerKey, sign_in: &SignIn) -> Prepared {
    let config = known.iter().find(|config| config.key == *key);
    let is_known = config.is_some();
    let config = match config {
        Some(config) => Ok(Box::new(config.clone())),
        None => checking.bare(&sign_in.server, key),
    };
    let config = match config {
        Ok(config) => config,
        Err(why) => return Prepared::judged(Check::of(CheckOutcome::NotTried).because(why)),
    };
    let login = (config.key == *key).then(|| config.again.login());
    let next = match hindrance(&config, sign_in) {
        Some(check) => Err(check),
        None => {
            let mut config = only_refreshing(config, key);
            if !is_known {
                config.use_id_token = sign_in.presents_id_token();
            }
            Ok(config)
        }
    };
    Prepared { next, login }
}

/// What is to be said in place of a try that would come to nothing.
fn hindrance(config: &Config, sign_in: &SignIn) -> Option<Check> {
    let needed = |why: &str| Some(Check::of(CheckOutcome::NeedsSignIn).because(why));
    let Some(grant) = &sign_in.grant else {
        return needed("nobody is signed in");
    };
    let not_tried = |why: &str| {
        let again = "`mcp-drawbridge doctor --sign-in` with the arguments of the sign-in tries";
        Some(
            Check::of(CheckOutcome::NotTried)
                .because(why)
                .hint(Some(again)),
        )
    };
    if grant.mode.is_unattended() && config.auth != grant.mode {
        return not_tried("what stands in for a person is in no configuration that is known here");
    }
    if !grant.mode.is_unattended() && grant.tokens.refresh_token.is_none() {
        let why = "there is no refresh token";
        return match grant.freshness(now()) {
            Freshness::Expired => needed(why),
            _ => Some(Check::of(CheckOutcome::NotRefreshable).because(why)),
        };
    }
    let client = &sign_in.clients.get(&grant.issuer)?.client;
    if client.has_lapsed(now()) {
        return needed("the client's secret has ended");
    }
    let own = config.client.as_ref().map(|own| &own.client_id);
    let document = config.document.as_ref().map(|own| &own.url);
    let is_mine = [own, document].contains(&Some(&client.client_id));
    let can_ask = client.is_nobody() || client.can_prove_itself() || is_mine;
    match can_ask {
        true => None,
        false => not_tried(
            "the client's secret or key is not kept with the sign-in, and in no configuration that is known here",
        ),
    }
}

/// Tries one; `None` if the user ended it.
async fn one(config: &Config, store: &Store, diag: Diag) -> Option<Check> {
    let failed = |error: &dyn std::fmt::Display| {
        Some(Check::of(CheckOutcome::Failed).because(error.to_string()))
    };
    let held = match store.read(&config.key) {
        Ok(Cached::Present(sign_in)) => sign_in.grant,
        _ => None,
    };
    let Some(held) = held else {
        return Some(Check::of(CheckOutcome::NeedsSignIn).because("nobody is signed in"));
    };
    let http = match Connections::new(config.http.clone()) {
        Ok(http) => http,
        Err(error) => return failed(&Error::from(error)),
    };
    let (login, task) = match Login::start(config, http, diag.clone()) {
        Ok(started) => started,
        Err(error) => return failed(&error),
    };
    let notes = Arc::new(Notes::new(diag));
    login.follow(notes.clone());
    let outcome = tokio::select! {
        outcome = login.renew(held.tokens.access_token.clone()) => Some(outcome),
        _ = tokio::signal::ctrl_c() => None,
    };
    drop(login);
    // An answer that is on its way holds the only refresh token that is good.
    task.ended().await;
    let outcome = outcome?;
    let is_new = |grant: &Grant| {
        let moments = |grant: &Grant| (grant.granted_at, grant.refreshed_at);
        grant.tokens.access_token != held.tokens.access_token || moments(grant) != moments(&held)
    };
    let outcome = outcome.as_ref().map(|grant| grant.as_ref().map(is_new));
    let check = judged(&notes.take(), outcome);
    Some(match check.outcome {
        // Those that share an outage learn of it from the cache, and so does this.
        CheckOutcome::Failed if is_outage(store, &config.key) => Check {
            outcome: CheckOutcome::Unreachable,
            ..check
        },
        _ => check,
    })
}

/// Whether the last refresh failed for a reason that passes by itself.
fn is_outage(store: &Store, key: &ServerKey) -> bool {
    match store.read(key) {
        Ok(Cached::Present(sign_in)) => {
            let failures = [sign_in.failures.refresh, sign_in.failures.sign_in];
            failures.iter().flatten().any(|note| note.transient)
        }
        _ => false,
    }
}

/// What it came to, by what was told on the way, whether there was a token at the end, and whether that
/// was a new one.
fn judged(notes: &[Note], outcome: Result<Option<bool>, &LoginError>) -> Check {
    let sign_in =
        |why: &dyn std::fmt::Display| Check::of(CheckOutcome::NeedsSignIn).because(why.to_string());
    for note in notes {
        match note {
            Note::GrantEnded(refusal) => {
                return sign_in(&format_args!(
                    "the authorization server has ended the sign-in ({refusal})"
                ));
            }
            Note::RefreshRefused(refusal) => {
                return sign_in(&format_args!(
                    "the authorization server refused it ({refusal})"
                ));
            }
            Note::ClientForgotten(why) => {
                return sign_in(&format_args!(
                    "the authorization server no longer knows the client ({why})"
                ));
            }
            Note::RefreshPutOff(why) => {
                return Check::of(CheckOutcome::Failed).because(why);
            }
            Note::NoIdToken => {
                return Check::of(CheckOutcome::NotRefreshable).because(
                    "a refresh brings no ID token, which is what is sent; the one of before is sent until it ends",
                );
            }
            Note::NotSaved(cause) => {
                return Check::of(CheckOutcome::Failed)
                    .because(format!("the new tokens could not be kept: {cause}"));
            }
            _ => {}
        }
    }
    let refreshed = notes.iter().any(|note| matches!(note, Note::Refreshing(_)));
    match outcome {
        Err(error) if error.is_unreachable() => Check::of(CheckOutcome::Unreachable)
            .because(error.to_string())
            .hint(error.hint()),
        Err(error) if error.needs_person() => sign_in(error).hint(error.hint()),
        Err(error) => Check::of(CheckOutcome::Failed)
            .because(error.to_string())
            .hint(error.hint()),
        Ok(None) => Check::of(CheckOutcome::NeedsSignIn),
        Ok(Some(false)) if !refreshed => Check::of(CheckOutcome::NotTried)
            .because("the client that is configured for it is not the one that signed in"),
        Ok(Some(_)) if notes.iter().any(|note| matches!(note, Note::Adopted)) && !refreshed => {
            Check::of(CheckOutcome::RefreshedElsewhere)
        }
        Ok(Some(_)) => Check::of(CheckOutcome::Refreshed),
    }
}

/// What is told on the way. Only who wants to know everything hears it.
struct Notes {
    diag: Diag,
    notes: Mutex<Vec<Note>>,
}

impl Notes {
    fn new(diag: Diag) -> Self {
        let notes = Mutex::default();
        Self { diag, notes }
    }

    fn take(&self) -> Vec<Note> {
        std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Trace for Notes {
    fn asked(&self, question: &Question, outcome: &str) {
        self.diag.debug(format_args!("{question}: {outcome}"));
    }

    fn noted(&self, note: &Note) {
        self.diag.debug(note);
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.push(note.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::flow::RefreshReason;
    use crate::oauth::token::Refusal;

    /// What was told, what came of it, and what that is.
    type Case<'e> = (
        Vec<Note>,
        Result<Option<bool>, &'e LoginError>,
        CheckOutcome,
    );

    fn refusal() -> Refusal {
        Refusal {
            status: 400,
            error: Some("invalid_grant".to_owned()),
            ..Refusal::default()
        }
    }

    #[test]
    fn what_was_told_on_the_way_decides() {
        let refreshing = || Note::Refreshing(RefreshReason::EndsIn(3));
        let cases: Vec<Case> = vec![
            (vec![refreshing()], Ok(Some(true)), CheckOutcome::Refreshed),
            // Without a person there is nothing to refresh, and so no word of it.
            (vec![], Ok(Some(true)), CheckOutcome::Refreshed),
            (
                vec![Note::Adopted],
                Ok(Some(true)),
                CheckOutcome::RefreshedElsewhere,
            ),
            (
                vec![refreshing(), Note::GrantEnded(refusal())],
                Ok(None),
                CheckOutcome::NeedsSignIn,
            ),
            (
                vec![refreshing(), Note::RefreshRefused(refusal())],
                Ok(Some(true)),
                CheckOutcome::NeedsSignIn,
            ),
            (
                vec![refreshing(), Note::ClientForgotten("gone".to_owned())],
                Ok(None),
                CheckOutcome::NeedsSignIn,
            ),
            (
                vec![refreshing(), Note::RefreshPutOff("down".to_owned())],
                Ok(Some(true)),
                CheckOutcome::Failed,
            ),
            (
                vec![refreshing(), Note::NoIdToken],
                Ok(Some(true)),
                CheckOutcome::NotRefreshable,
            ),
            (vec![], Ok(None), CheckOutcome::NeedsSignIn),
            // It was given as it is.
            (vec![], Ok(Some(false)), CheckOutcome::NotTried),
            (vec![refreshing()], Ok(Some(false)), CheckOutcome::Refreshed),
            (vec![], Err(&LoginError::Closing), CheckOutcome::Failed),
        ];
        for (notes, outcome, expected) in cases {
            assert_eq!(judged(&notes, outcome).outcome, expected, "{notes:?}");
        }
        let ended = judged(&[Note::GrantEnded(refusal())], Ok(None));
        assert!(
            ended
                .problem
                .is_some_and(|why| why.contains("invalid_grant"))
        );
    }
}
