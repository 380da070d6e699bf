//! `logout`: ends sign-ins at the server (RFC 7009), gives up the registration (RFC 7592) and
//! deletes what is cached. The last part happens in any case; the others need the network.

use std::time::Duration;

use crate::config::{AuthMode, ClientDocument, ConfiguredClient, Logout, LogoutTarget, Means};
use crate::diag::{Diag, clean};
use crate::error::Error;
use crate::ids::{Issuer, ServerKey, ServerUrl};
use crate::net::client::{HttpError, HttpSettings};
use crate::net::connections::Connections;
use crate::net::http;
use crate::net::token_endpoint::{self, RevokeError, TokenTypeHint};
use crate::oauth::registration::Client;
use crate::oauth::sign_in::{KnownClient, SignIn};
use crate::store::{Cached, Store, StoreError};

/// How long another process may hold the tokens. A refresh takes far less.
const LOCK_LIMIT: Duration = Duration::from_secs(30);

/// Signs out of what the command names.
pub async fn run(logout: &Logout, diag: &Diag) -> Result<(), Error> {
    let store = Store::open(logout.base.dir.clone().ok_or(StoreError::NoFolder)?)?;
    let http = &logout.http;
    let outcome = match &logout.target {
        LogoutTarget::One(key, server) => match end(&store, http, key, logout, diag).await {
            Ok(true) => Ok(()),
            Ok(false) if logout.own_token.is_some() => {
                diag.note(nothing_to_end(logout, server.as_ref()));
                Ok(())
            }
            Ok(false) => Err(not_found(&store, key, server.as_ref())),
            Err(error) => Err(error),
        },
        LogoutTarget::All => all(&store, http, logout, diag).await,
    };
    for warning in store.take_warnings() {
        diag.warn(warning);
    }
    outcome
}

/// Ends every sign-in. One that fails does not keep the others; the last failure is given back.
async fn all(
    store: &Store,
    http: &HttpSettings,
    logout: &Logout,
    diag: &Diag,
) -> Result<(), Error> {
    let keys = store.list()?;
    if keys.is_empty() {
        diag.note("there are no sign-ins");
    }
    let mut outcome = Ok(());
    for key in &keys {
        let Err(error) = end(store, http, key, logout, diag).await else {
            continue;
        };
        if let Err(earlier) = std::mem::replace(&mut outcome, Err(error)) {
            diag.error(&earlier, earlier.hint().as_deref());
        }
    }
    outcome
}

/// Ends one sign-in. Gives `false` if there is none.
async fn end(
    store: &Store,
    http: &HttpSettings,
    key: &ServerKey,
    logout: &Logout,
    diag: &Diag,
) -> Result<bool, Error> {
    if store.read(key)? == Cached::Absent {
        return Ok(false);
    }
    let waiting = || {
        diag.note(format_args!(
            "waiting for another process that uses `{key}`"
        ))
    };
    let lock = store.lock(key, LOCK_LIMIT, waiting).await?;
    let mut mode = None;
    // Read again under the lock: a refresh may just have replaced the tokens.
    match store.read(key)? {
        Cached::Present(sign_in) => {
            let means = logout.means(key);
            super::check_key_files(&means.key_files, diag);
            let http = connections(http, &sign_in, means)?;
            revoke(&http, &sign_in, means, diag).await;
            deregister(&http, &sign_in, diag).await;
            mode = sign_in.grant.as_ref().map(|grant| grant.mode);
        }
        Cached::Unreadable { reason } => diag.warn(format_args!(
            "the file of `{key}` cannot be used, so nothing was revoked: {reason}"
        )),
        // Removing refuses a newer one; one that has just gone needs nothing more.
        Cached::Newer { .. } | Cached::Absent => {}
    }
    store.remove(&lock)?;
    match store.try_lock_sign_in(key)? {
        Some(lock) => store.remove_attempt(&lock)?,
        None => diag.warn(format_args!(
            "a sign-in for `{key}` is open in a browser; close that tab, or it signs in again"
        )),
    }
    diag.note(format_args!("signed out of `{key}`"));
    match mode {
        Some(AuthMode::Seeded) => diag.note(
            "that sign-in began with a refresh token of your configuration; take it out there, or the next use begins with it again",
        ),
        Some(mode) if mode.is_unattended() => diag.note(format_args!(
            "nobody is needed for the mode `{mode}`: the next use gets another token, unless you take that out of your configuration"
        )),
        _ => {}
    }
    Ok(true)
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

/// RFC 7009 §2.1: a client that signs out revokes what it holds, the refresh token first, as most
/// servers end the whole grant with it.
async fn revoke(http: &Connections, sign_in: &SignIn, means: &Means, diag: &Diag) {
    let Some(grant) = &sign_in.grant else {
        return;
    };
    let known = sign_in.clients.get(&grant.issuer);
    let given = means.revocation_endpoint.as_ref();
    let Some((known, endpoint)) =
        known.and_then(|known| Some((known, given.or(known.revocation_endpoint.as_ref())?)))
    else {
        diag.note(format_args!(
            "`{}` offers no way to revoke tokens; they stay valid there until they end; if it has a place for that, name it with `--revocation-endpoint`",
            clean(grant.issuer.as_str())
        ));
        return;
    };
    let client = proven(&grant.issuer, known, means);
    if !client.can_prove_itself() {
        diag.warn(format_args!(
            "the tokens were not revoked, since the client `{}` cannot prove itself without its secret or key; give `logout` the same client options as the sign-in",
            clean(&client.client_id)
        ));
        return;
    }
    let client = &client;
    let refresh = grant.tokens.refresh_token.as_ref();
    let refresh = refresh.map(|token| (token, TokenTypeHint::RefreshToken));
    let access = (&grant.tokens.access_token, TokenTypeHint::AccessToken);
    for (token, hint) in refresh.into_iter().chain([access]) {
        match token_endpoint::revoke(http, endpoint, client, token, hint).await {
            Ok(()) => diag.debug(format_args!("revoked: {hint:?}")),
            Err(error) => {
                diag.warn(format_args!("{error}; it may work there until it ends"));
                // What cannot be reached once need not be waited for again.
                if matches!(error, RevokeError::Network(_)) {
                    return;
                }
            }
        }
    }
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
async fn deregister(http: &Connections, sign_in: &SignIn, diag: &Diag) {
    for known in sign_in.clients.values() {
        let Some(management) = known.client.management.as_ref() else {
            continue;
        };
        match http::delete(http, management.uri.clone(), &management.token).await {
            Ok(answer) if answer.status < 300 => diag.debug("deleted the registration"),
            // Gone already, or not offered after all: nothing that a user could mend.
            Ok(answer) => diag.debug(format_args!(
                "the registration was not deleted: status {}",
                answer.status
            )),
            Err(error) => diag.warn(format_args!(
                "the registration `{}` was not deleted: {error}",
                clean(&known.client.client_id)
            )),
        }
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
