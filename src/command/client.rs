//! What mcp-remote-client does for a person: signs in if that is needed, and shows what the server has.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::bridge::bearer;
use super::doctor::session::{self, List, Shown};
use super::login::paste;
use super::{check_key_file, harmless, print, question, remote, wire};
use crate::access::Access;
use crate::config::{AuthMode, Config};
use crate::diag::{Diag, clean};
use crate::error::Error;
use crate::login::Login;
use crate::net::connections::Connections;

/// Connects, signs in if that is needed, and prints tools and resources.
pub async fn run(config: &Config, diag: &Diag) -> Result<(), Error> {
    check_key_file(config, diag);
    let http = Connections::new(config.http.clone())?;
    let diag = diag.for_host(&config.server.host());
    let (access, task) = match config.auth {
        AuthMode::Bearer => (bearer(config), None),
        _ => {
            let (login, task) = Login::start(config, http.clone(), diag.clone())?;
            login.speak_to(paste::audience());
            let signing_in = sign_in(config, &http, &login, &diag);
            let outcome = tokio::select! {
                outcome = signing_in => outcome,
                _ = tokio::signal::ctrl_c() => Err(Error::Interrupted),
            };
            if let Err(error) = outcome {
                drop(login);
                task.ended().await;
                return Err(error);
            }
            (Access::Login(login), Some(task))
        }
    };
    let shown = session::show(wire(config, http, access, diag)).await;
    if let Some(task) = task {
        // It writes what it has to.
        task.ended().await;
    }
    tell(config, &shown?)
}

/// Asks a person, unless there is a token or none is needed.
async fn sign_in(
    config: &Config,
    http: &Connections,
    login: &Login,
    diag: &Diag,
) -> Result<(), Error> {
    if login.credential().await.map_err(Error::Login)?.is_some() {
        return Ok(());
    }
    let remote = remote(config, http.clone());
    let host = config.server.host();
    let challenge =
        question::challenge(&remote, &host, config.transport, config.protocol, |_, _| {});
    let Some(challenge) = challenge.await? else {
        return Ok(());
    };
    let outcome = tokio::select! {
        outcome = login.challenged(None, challenge) => outcome,
        never = async {
            if !login.asks() {
                std::future::pending::<()>().await;
            }
            paste::take_over_stdin(login, &config.again, diag).await;
            std::future::pending().await
        } => never,
    };
    outcome.map(|_| ()).map_err(Error::Login)
}

fn tell(config: &Config, shown: &Shown) -> Result<(), Error> {
    let host = config.server.host();
    if let Err(error) = &shown.initialize {
        let text = |value: &Value| value.as_str().map(clean);
        return Err(Error::NoSession {
            server: host,
            reason: text(&error["message"]).unwrap_or_else(|| "it gave no reason".to_owned()),
            hint: text(&error["data"]["bridge"]["hint"]),
        });
    }
    let mut page = format!("connected to `{host}`\n");
    for (name, list) in [("tools", &shown.tools), ("resources", &shown.resources)] {
        // Writing to a String cannot fail.
        let _ = writeln!(page, "{name}: {}", listed(name, list));
    }
    print(&page)
}

/// A list as JSON, or why there is none.
fn listed(name: &str, list: &List) -> String {
    match list {
        None => "the server offers none".to_owned(),
        Some(Ok(items)) => harmless(&format!("{:#}", json!({ name: items }))),
        Some(Err(error)) => {
            let message = error["message"].as_str();
            format!("error: {}", clean(message.unwrap_or("without a message")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::untrusted::is_invisible;

    #[test]
    fn lists_are_json_that_steers_no_terminal() {
        let tool = json!({ "name": "a\u{1b}\u{9b}\u{202e}\u{e0001}b" });
        let text = listed("tools", &Some(Ok(vec![tool.clone()])));
        assert!(
            !text.chars().any(|c| is_invisible(c) && c != '\n'),
            "{text}"
        );
        let read: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(read["tools"][0], tool);
    }

    #[test]
    fn what_is_not_there_is_told_in_words() {
        assert_eq!(listed("tools", &None), "the server offers none");
        let error = Some(Err(json!({ "code": -1, "message": "no\u{1b}[31m" })));
        assert_eq!(listed("tools", &error), "error: no");
    }
}
