//! `login`: signs in now and says what was granted.

pub(super) mod paste;

use std::fmt::Write as _;

use super::words::duration;
use super::{now, print, question};
use crate::config::{AuthMode, BearerSource, Config};
use crate::diag::{Diag, clean, clean_to};
use crate::error::Error;
use crate::login::Login;
use crate::net::connections::Connections;
use crate::oauth::id_token::Account;
use crate::oauth::token::Grant;
use crate::store::{Cached, Store};

/// Asks the server what it wants, signs in, and prints what came of it.
pub async fn run(config: &Config, diag: &Diag) -> Result<(), Error> {
    let signing_in = sign_in(config, diag);
    tokio::select! {
        outcome = signing_in => outcome,
        _ = tokio::signal::ctrl_c() => Err(Error::Interrupted),
    }
}

async fn sign_in(config: &Config, diag: &Diag) -> Result<(), Error> {
    let host = config.server.host();
    if config.auth == AuthMode::Bearer {
        let what = match &config.bearer {
            None => "the configured `Authorization` header".to_owned(),
            Some(BearerSource::Variable { name, .. }) => format!("the token in `{name}`"),
            Some(BearerSource::Command(command)) => {
                format!("the token that `{}` prints", command.program())
            }
        };
        return print(&format!(
            "`{host}` is used with {what}; there is nothing to sign in to\n"
        ));
    }
    super::check_key_file(config, diag);
    let http = Connections::new(config.http.clone())?;
    let remote = super::remote(config, http.clone());
    let Some(challenge) =
        question::challenge(&remote, &host, config.transport, config.protocol, |_, _| {}).await?
    else {
        return print(&format!("`{host}` needs no sign-in\n"));
    };
    let diag = diag.for_host(&host);
    let (login, task) = Login::start(config, http, diag.clone())?;
    login.speak_to(paste::audience());
    let outcome = tokio::select! {
        outcome = login.sign_in(challenge) => outcome,
        never = async {
            // There is nothing to paste where nobody is sent anywhere.
            if !login.asks() {
                std::future::pending::<()>().await;
            }
            paste::take_over_stdin(&login, &config.again, &diag).await;
            std::future::pending().await
        } => never,
    };
    drop(login);
    task.ended().await;
    let grant = outcome.map_err(Error::Login)?;
    let account = account(config, &grant);
    print(&granted(config, &grant, account.as_ref(), now()))
}

/// Whose grant it is. The client that it belongs to stands beside it in the cache; if it could not
/// be saved, which has been said, that is not known.
fn account(config: &Config, grant: &Grant) -> Option<Account> {
    let store = Store::open(config.base.dir.clone()?).ok()?;
    match store.read(&config.key).ok()? {
        Cached::Present(sign_in) if sign_in.grant.as_ref() == Some(grant) => sign_in.account(),
        _ => None,
    }
}

fn granted(config: &Config, grant: &Grant, account: Option<&Account>, now: u64) -> String {
    let host = config.server.host();
    let mut text = match grant.mode.is_unattended() {
        true => format!("got a token for `{host}`\n"),
        false => format!("signed in to `{host}`\n"),
    };
    // Writing to a String cannot fail.
    let _ = writeln!(text, "  name     {}", config.key);
    if let Some(label) = account.and_then(Account::label) {
        let _ = writeln!(text, "  account  {label}");
    }
    if grant.mode != AuthMode::OAuth {
        let _ = writeln!(text, "  mode     {}", grant.mode);
    }
    let _ = writeln!(text, "  issuer   {}", clean(grant.issuer.as_str()));
    let scopes = match grant.tokens.scopes.is_empty() {
        true => "none named".to_owned(),
        false => clean_to(&grant.tokens.scopes.join(" "), 2000),
    };
    let _ = writeln!(text, "  scopes   {scopes}");
    let ends = match grant.tokens.expires_at {
        Some(at) => format!("in {}", duration(at.saturating_sub(now))),
        None => "not said".to_owned(),
    };
    let renewed = match grant.tokens.refresh_token.is_some() || grant.mode.is_unattended() {
        true => "renewed silently",
        false => "then a new sign-in is needed",
    };
    let _ = writeln!(text, "  token    ends {ends}, {renewed}");
    text
}
