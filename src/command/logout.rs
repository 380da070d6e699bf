//! `logout`: ends sign-ins at the server (RFC 7009), gives up the registration (RFC 7592) and
//! deletes what is cached. The last part happens in any case; the others need the network.

mod report;

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::time::Duration;

use report::{Ended, FORMAT, NotRevoked, Registration, Report, Token, page};

use crate::config::{AuthMode, ClientDocument, ConfiguredClient, Logout, LogoutTarget, Means};
use crate::debug_log;
use crate::diag::{Diag, clean, clean_to};
use crate::error::Error;
use crate::ids::{Issuer, ServerKey, ServerUrl};
use crate::net::client::{HttpError, HttpSettings};
use crate::net::connections::Connections;
use crate::net::http;
use crate::net::token_endpoint::{self, RevokeError, TokenTypeHint};
use crate::oauth::registration::Client;
use crate::oauth::sign_in::{KnownClient, SignIn};
use crate::secret::Secret;
use crate::store::{Cached, Store, StoreError};
use crate::term::Terminal;

/// How long another process may hold the tokens. A refresh takes far less.
const LOCK_LIMIT: Duration = Duration::from_secs(30);

/// Signs out of what the command names, and says what came of it.
pub async fn run(logout: &Logout, diag: &Diag) -> Result<(), Error> {
    let store = Store::open(logout.base.dir.clone().ok_or(StoreError::NoFolder)?)?;
    if logout.target == LogoutTarget::All && logout.asks && !logout.json {
        confirm(&store)?;
    }
    let is_one_terminal = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
    let rows = match is_one_terminal && !logout.json {
        true => super::aside(diag),
        false => diag.clone(),
    };
    let job = SignOut {
        store: &store,
        logout,
        diag,
        rows: &rows,
    };
    let (report, outcome) = job.run().await;
    for warning in store.take_warnings() {
        diag.warn(warning);
    }
    super::print(&match logout.json {
        true => super::json(&report),
        false => page(&report, Terminal::of_stdout()),
    })?;
    outcome
}

/// Lets the person at the terminal say whether all sign-ins are to end. Where none is, whoever wrote
/// the command has said so.
fn confirm(store: &Store) -> Result<(), Error> {
    let (stdin, mut stderr) = (std::io::stdin(), std::io::stderr());
    let count = store.list()?.len();
    if count == 0 || !stdin.is_terminal() || !stderr.is_terminal() {
        return Ok(());
    }
    let what = match count {
        1 => "the one sign-in".to_owned(),
        count => format!("all {count} sign-ins"),
    };
    // A terminal that cannot be written to is none that answers.
    let _ = write!(stderr, "Sign out of {what}? [y/N] ");
    let _ = stderr.flush();
    let mut answer = String::new();
    stdin
        .lock()
        .read_line(&mut answer)
        .map_err(Error::Runtime)?;
    match is_yes(&answer) {
        true => Ok(()),
        false => Err(Error::Declined),
    }
}

/// Whether an answer says that it is to be done. Nothing is said by an empty one.
fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

/// What signing out is done with.
struct SignOut<'a> {
    store: &'a Store,
    logout: &'a Logout,
    diag: &'a Diag,
    /// Where goes what the page says as well: who reads both in one terminal need not read it twice.
    rows: &'a Diag,
}

impl SignOut<'_> {
    /// Does it. The report says what was done even if something failed.
    async fn run(&self) -> (Report, Result<(), Error>) {
        let mut report = Report {
            version: FORMAT,
            sign_ins: Vec::new(),
        };
        let outcome = match &self.logout.target {
            LogoutTarget::One(key, server) => self.one(key, server.as_ref(), &mut report).await,
            LogoutTarget::All => self.all(&mut report).await,
        };
        (report, outcome)
    }

    async fn one(
        &self,
        key: &ServerKey,
        server: Option<&ServerUrl>,
        report: &mut Report,
    ) -> Result<(), Error> {
        match self.end(key, report).await {
            Ok(true) => Ok(()),
            Ok(false) if self.logout.own_token.is_some() => {
                self.diag.note(nothing_to_end(self.logout, server));
                Ok(())
            }
            Ok(false) => Err(not_found(self.store, key, server)),
            Err(error) => Err(error),
        }
    }

    /// Ends every sign-in. One that fails does not keep the others; the last failure is given back.
    async fn all(&self, report: &mut Report) -> Result<(), Error> {
        let keys = self.store.list()?;
        if keys.is_empty() {
            self.diag.note("there are no sign-ins");
        }
        let mut outcome = Ok(());
        for key in &keys {
            let Err(error) = self.end(key, report).await else {
                continue;
            };
            if let Err(earlier) = std::mem::replace(&mut outcome, Err(error)) {
                self.diag.error(&earlier, earlier.hint().as_deref());
            }
        }
        outcome
    }

    /// Ends one sign-in, and reports it. Gives `false` if there is none.
    async fn end(&self, key: &ServerKey, report: &mut Report) -> Result<bool, Error> {
        if self.store.read(key)? == Cached::Absent {
            return Ok(false);
        }
        let mut ended = Ended::new(key.to_string(), self.store.token_file(key));
        let outcome = self.end_one(key, &mut ended).await;
        if let Err(error) = &outcome {
            ended.problem = Some(clean_to(&error.to_string(), 2000));
        }
        report.sign_ins.push(ended);
        outcome.map(|()| true)
    }

    async fn end_one(&self, key: &ServerKey, ended: &mut Ended) -> Result<(), Error> {
        let (store, logout, diag) = (self.store, self.logout, self.diag);
        let waiting = || {
            diag.note(format_args!(
                "waiting for another process that uses `{key}`"
            ))
        };
        // Before the tokens are locked: who takes a sign-in over holds the ledger while it waits for
        // them. And before they are gone: whoever starts meanwhile takes nothing over.
        let is_elsewhere = logout.elsewhere.as_ref().is_some_and(|base| base.exists());
        let was_taken = match store.read(key)? {
            Cached::Present(sign_in) => sign_in.taken_over.is_some(),
            _ => false,
        };
        let mut noted = match was_taken || is_elsewhere {
            true => Some(note_end(store, key).await),
            false => None,
        };
        let lock = store.lock(key, LOCK_LIMIT, waiting).await?;
        let (mut mode, mut origin) = (None, None);
        // Read again under the lock: a refresh may just have replaced the tokens.
        match store.read(key)? {
            Cached::Present(sign_in) => {
                let means = logout.means(key);
                super::check_key_files(&means.key_files, diag);
                let http = connections(&logout.http, &sign_in, means)?;
                let server = ServerUrl::parse(&sign_in.server, true).ok();
                ended.server = server.map(|server| clean_to(&server.to_string(), 2000));
                self.revoke(&http, &sign_in, means, ended).await;
                deregister(&http, &sign_in, self.rows, ended).await;
                mode = sign_in.grant.as_ref().map(|grant| grant.mode);
                origin = sign_in.taken_over;
            }
            Cached::Unreadable { reason } => diag.warn(format_args!(
                "the file of `{key}` cannot be used, so nothing was revoked: {reason}"
            )),
            // Removing refuses a newer one; one that has just gone needs nothing more.
            Cached::Newer { .. } | Cached::Absent => {}
        }
        store.remove(&lock)?;
        ended.removed = true;
        drop(lock);
        if origin.is_some() && noted.is_none() {
            // It was taken over since, with a folder of mcp-remote that this process does not know.
            noted = Some(note_end(store, key).await);
        }
        let noted = noted.unwrap_or(Ok(()));
        // What was said may have a code in it that is good for a while.
        if let Err((path, error)) = debug_log::remove(&debug_log::path(store.folder(), key)) {
            let path = path.display();
            diag.warn(format_args!("`{path}` is not deleted: {error}"));
        }
        if noted.is_err() {
            diag.warn(format_args!(
                "that you signed out of `{key}` cannot be noted, so its next use may take the sign-in of mcp-remote over again"
            ));
        }
        match store.try_lock_sign_in(key)? {
            Some(lock) => store.remove_attempt(&lock)?,
            None => diag.warn(format_args!(
                "a sign-in for `{key}` is open in a browser; close that tab, or it signs in again"
            )),
        }
        if let Some(origin) = origin.filter(|origin| !origin.replaced) {
            diag.note(format_args!(
                "that sign-in was taken over from {}, whose own files still hold it; it is not taken over again",
                clean(&origin.from)
            ));
        }
        match mode {
            Some(AuthMode::Seeded) => diag.note(
                "that sign-in began with a refresh token of your configuration; take it out there, or the next use begins with it again",
            ),
            Some(mode) if mode.is_unattended() => diag.note(format_args!(
                "nobody is needed for the mode `{mode}`: the next use gets another token, unless you take that out of your configuration"
            )),
            _ => {}
        }
        noted
    }

    /// RFC 7009 §2.1: a client that signs out revokes what it holds, the refresh token first, as most
    /// servers end the whole grant with it.
    async fn revoke(&self, http: &Connections, sign_in: &SignIn, means: &Means, ended: &mut Ended) {
        let Some(grant) = &sign_in.grant else {
            return;
        };
        ended.issuer = Some(clean(grant.issuer.as_str()));
        let refresh = grant.tokens.refresh_token.as_ref();
        let refresh = refresh.map(|token| (token, Token::RefreshToken));
        let access = (&grant.tokens.access_token, Token::AccessToken);
        let tokens: Vec<(&Secret, Token)> = refresh.into_iter().chain([access]).collect();
        let none = |ended: &mut Ended, why: &str| {
            let kept = tokens.iter().map(|(_, token)| NotRevoked::new(*token, why));
            ended.not_revoked.extend(kept);
        };
        let known = sign_in.clients.get(&grant.issuer);
        let given = means.revocation_endpoint.as_ref();
        let Some((known, endpoint)) =
            known.and_then(|known| Some((known, given.or(known.revocation_endpoint.as_ref())?)))
        else {
            self.diag.note(format_args!(
                "`{}` offers no way to revoke tokens; they stay valid there until they end; if it has a place for that, name it with `--revocation-endpoint`",
                clean(grant.issuer.as_str())
            ));
            none(
                ended,
                "the authorization server offers no way to revoke tokens",
            );
            return;
        };
        let client = proven(&grant.issuer, known, means);
        if !client.can_prove_itself() {
            self.diag.warn(format_args!(
                "the tokens were not revoked, since the client `{}` cannot prove itself without its secret or key; give `logout` the same client options as the sign-in",
                clean(&client.client_id)
            ));
            none(
                ended,
                "the client cannot prove itself without its secret or key",
            );
            return;
        }
        for (at, (token, kind)) in tokens.iter().enumerate() {
            let hint = match kind {
                Token::RefreshToken => TokenTypeHint::RefreshToken,
                Token::AccessToken => TokenTypeHint::AccessToken,
            };
            match token_endpoint::revoke(http, endpoint, &client, token, hint).await {
                Ok(()) => ended.revoked.push(*kind),
                Err(error) => {
                    self.rows
                        .warn(format_args!("{error}; it may work there until it ends"));
                    // What cannot be reached once need not be waited for again.
                    let rest = match error {
                        RevokeError::Network(_) => &tokens[at..],
                        RevokeError::Refused(_) => &tokens[at..=at],
                    };
                    let why = error.to_string();
                    let kept = rest.iter().map(|(_, kind)| NotRevoked::new(*kind, &why));
                    ended.not_revoked.extend(kept);
                    if rest.len() + at == tokens.len() {
                        return;
                    }
                }
            }
        }
    }
}

/// Notes that the user signed out, so that nothing is taken over from mcp-remote again by itself.
async fn note_end(store: &Store, key: &ServerKey) -> Result<(), Error> {
    let lock = store.lock_imports(LOCK_LIMIT).await?;
    match store.read_ledger() {
        Ok(mut ledger) => {
            ledger.sign_out(key.as_str(), super::now());
            Ok(store.write_ledger(&lock, &ledger)?)
        }
        // As long as it cannot be used, nothing is taken over.
        Err(StoreError::Ledger { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// For a server that is used with a token of the user's own, of which nothing is kept here.
fn nothing_to_end(logout: &Logout, server: Option<&ServerUrl>) -> String {
    let origin = logout.own_token.as_deref().unwrap_or_default();
    let server = server.map_or("the server".to_owned(), |server| {
        format!("`{}`", server.host())
    });
    format!(
        "there is nothing to sign out of: {server} is used with the token of {origin}; take it out there, and revoke it where you got it"
    )
}

/// What asks the addresses that this sign-in's server named, and those that the user did.
fn connections(
    settings: &HttpSettings,
    sign_in: &SignIn,
    means: &Means,
) -> Result<Connections, HttpError> {
    let mut settings = settings.clone();
    settings.policy.own.clone_from(&means.own);
    let server = ServerUrl::parse(&sign_in.server, true);
    settings.policy.server = server.ok().map(|server| server.url().clone());
    Connections::new(settings)
}

/// The client with what proves it, which the user keeps if they configured it.
fn proven(issuer: &Issuer, known: &KnownClient, means: &Means) -> Client {
    let client_id = &known.client.client_id;
    let configured = |own: &&ConfiguredClient| own.client_id == *client_id;
    let document = |own: &&ClientDocument| known.client.document && own.url == *client_id;
    if let Some(own) = means.client.as_ref().filter(configured) {
        return own.known(issuer, known);
    }
    match means.document.as_ref().filter(document) {
        Some(own) => own.known(issuer, known),
        None => known.client.clone(),
    }
}

/// RFC 7592 §2.3: deletes the registrations we made, where the server told us how.
async fn deregister(http: &Connections, sign_in: &SignIn, rows: &Diag, ended: &mut Ended) {
    for known in sign_in.clients.values() {
        let Some(management) = known.client.management.as_ref() else {
            continue;
        };
        let client_id = &known.client.client_id;
        let outcome = match http::delete(http, management.uri.clone(), &management.token).await {
            Ok(answer) if answer.status < 300 => Ok(()),
            // Gone already, or not offered after all: nothing that a user could mend.
            Ok(answer) => Err(format!("the server answered {}", answer.status)),
            Err(error) => {
                rows.warn(format_args!(
                    "the registration `{}` was not deleted: {error}",
                    clean(client_id)
                ));
                Err(error.to_string())
            }
        };
        ended
            .registrations
            .push(Registration::new(client_id, outcome));
    }
}

/// The error for a sign-in that is not there, with those for the same server that are.
fn not_found(store: &Store, key: &ServerKey, server: Option<&ServerUrl>) -> Error {
    let Some(server) = server else {
        return Error::no_sign_in(key.as_str());
    };
    let is_similar = |key: &ServerKey| match store.read(key) {
        Ok(Cached::Present(sign_in)) => ServerUrl::parse(&sign_in.server, true)
            .is_ok_and(|known| known.canonical() == server.canonical()),
        _ => false,
    };
    let keys = store.list().unwrap_or_default();
    Error::NoSignIn {
        what: server.to_string(),
        others: keys
            .iter()
            .filter(|key| is_similar(key))
            .map(ServerKey::to_string)
            .collect(),
    }
}

#[cfg(test)]
mod tests;
