use std::sync::Arc;

use super::*;
use crate::config::BearerSource;
use crate::oauth::flow::FlowError;
use crate::oauth::token_endpoint::{Effect, Outage, OutageCause, Refusal, TokenError};
use crate::secret::Secret;
use crate::secret_command::SecretCommand;

fn variable() -> Access {
    Access::Bearer(Bearer::new(BearerSource::Variable {
        name: "MY_TOKEN".to_owned(),
        token: Secret::new("TOKEN_1"),
    }))
}

fn flow(error: FlowError) -> AccessError {
    let (server, error) = ("m.example".to_owned(), Arc::new(error));
    AccessError::Login(LoginError::Flow { server, error })
}

#[tokio::test]
async fn where_nobody_signs_in_a_refusal_is_final_and_says_what_was_refused() {
    for (access, renewals, what) in [
        (Access::Header, 0, "the configured `Authorization` header"),
        (variable(), 1, "the token in the variable `MY_TOKEN`"),
    ] {
        assert_eq!(access.renewals(), renewals);
        assert!(!access.asks() && access.login().is_none());
        let sent = access.credential().await.expect("a credential");
        let challenged = access.challenged(sent.clone(), Challenge::default()).await;
        let lacking = access.insufficient_scope(sent, Some(Challenge::default()));
        for error in [challenged.unwrap_err(), lacking.await.unwrap_err()] {
            assert!(error.is_final() && !error.is_unreachable());
            let said = error.to_string();
            let begin = format!("the server does not accept {what}; ");
            assert!(said.starts_with(&begin), "{said}");
            assert!(!said.contains("TOKEN_1"), "{said}");
        }
    }
}

#[test]
fn the_host_is_told_whether_a_token_is_no_good_or_not_enough() {
    let refused = variable().refused();
    for (status, says) in [
        (
            401,
            "`m.example` does not accept the token in the variable `MY_TOKEN`; set it",
        ),
        (
            403,
            "`m.example` says that the token in the variable `MY_TOKEN` may not do this",
        ),
    ] {
        let failure = refused.failure("m.example", status);
        assert_eq!(failure.status, Some(status));
        assert!(!failure.retryable);
        assert!(failure.detail.starts_with(says), "{}", failure.detail);
    }
}

#[tokio::test]
async fn a_command_that_gives_nothing_may_do_so_later() {
    let command = SecretCommand::parse("/no/such/program").unwrap();
    let bearer = Bearer::new(BearerSource::Command(command));
    let error = Access::Bearer(bearer).credential().await.unwrap_err();
    assert!(!error.is_final() && !error.is_unreachable());
    let failure = error.failure("m.example", 401);
    assert!(failure.retryable);
    assert!(failure.detail.contains("`/no/such/program`"), "{error}");
}

#[test]
fn only_a_server_that_is_out_of_reach_is_called_so() {
    let down = TokenError::Unavailable(Outage {
        effect: Effect::None,
        retry_after: None,
        cause: OutageCause::Answer(Refusal::default()),
    });
    assert!(flow(FlowError::Exchange(down)).is_unreachable());
    let late = flow(FlowError::TimedOut(300));
    assert!(!late.is_unreachable() && !late.is_final());
}
