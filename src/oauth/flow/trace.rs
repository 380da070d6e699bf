//! What a flow asks of servers, in words, for whoever follows it step by step.

use std::fmt;

use url::Url;

use super::{Action, Event, Flow, State};
use crate::ids::display_url;
use crate::untrusted::{SHOWN, printable};

/// What a request of a flow is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To find who issues tokens for the server.
    ResourceMetadata,
    /// To find the authorization server's endpoints.
    ServerMetadata,
    /// To become a client.
    Registration,
    /// To see whether the authorization server still knows the client.
    AuthorizationPage,
    /// To leave the authorization request.
    PushedRequest,
    /// To get a code for another device.
    DeviceCode,
    /// To get tokens, by a grant of this type.
    Tokens(&'static str),
}

impl Purpose {
    /// Where it is written how this is asked for.
    pub fn rule(self) -> &'static str {
        match self {
            Self::ResourceMetadata => "RFC 9728 §3.1",
            Self::ServerMetadata => "RFC 8414 §3.1, OpenID Connect Discovery §4",
            Self::Registration => "RFC 7591 §3.1",
            Self::AuthorizationPage => "RFC 6749 §4.1.1",
            Self::PushedRequest => "RFC 9126 §2.1",
            Self::DeviceCode => "RFC 8628 §3.1",
            Self::Tokens(_) => "RFC 6749 §3.2",
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ResourceMetadata => f.write_str("the resource's metadata"),
            Self::ServerMetadata => f.write_str("the authorization server's metadata"),
            Self::Registration => f.write_str("a registration"),
            Self::AuthorizationPage => f.write_str("the page to sign in on"),
            Self::PushedRequest => f.write_str("a reference to the authorization request"),
            Self::DeviceCode => f.write_str("a code for another device"),
            Self::Tokens(grant) => write!(f, "tokens for `{grant}`"),
        }
    }
}

/// A request of a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What it is for.
    pub purpose: Purpose,
    /// The HTTP method.
    pub method: &'static str,
    /// Where it goes, fit for messages.
    pub url: String,
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (url, purpose) = (&self.url, self.purpose);
        write!(f, "asked `{url}` for {purpose} ({})", purpose.rule())
    }
}

impl Flow {
    /// What `action`, which the flow wants done, asks of a server; `None` if it asks none.
    pub fn question(&self, action: &Action) -> Option<Question> {
        let (purpose, method, url) = match action {
            Action::Fetch { url, .. } => {
                let purpose = match self.state {
                    State::FindingResource { .. } => Purpose::ResourceMetadata,
                    _ => Purpose::ServerMetadata,
                };
                (purpose, "GET", url)
            }
            Action::Register { url, .. } => (Purpose::Registration, "POST", url),
            Action::Probe(attempt) => (Purpose::AuthorizationPage, "GET", &attempt.address.0),
            Action::Push { request, .. } => (Purpose::PushedRequest, "POST", &request.endpoint),
            Action::RequestCode { request, .. } => (Purpose::DeviceCode, "POST", &request.endpoint),
            Action::RequestToken { request, .. } => {
                let purpose = Purpose::Tokens(request.grant.grant_type());
                (purpose, "POST", &request.endpoint)
            }
            _ => return None,
        };
        Some(Question {
            purpose,
            method,
            url: shown(url),
        })
    }
}

impl Event {
    /// What a server answered, without anything that grants access; `None` if none was asked.
    pub fn outcome(&self) -> Option<String> {
        Some(match self {
            Self::Fetched(Ok(reply)) => format!("status {}", reply.status),
            Self::Fetched(Err(fault)) => fault.to_string(),
            Self::TokenAnswer(Ok(_)) => "tokens".to_owned(),
            Self::TokenAnswer(Err(error)) | Self::Issued(Err(error)) => error.to_string(),
            Self::Issued(Ok(_)) => "a statement about the user".to_owned(),
            _ => return None,
        })
    }
}

/// An address that a server may have named, fit for messages.
fn shown(url: &Url) -> String {
    printable(&display_url(url), SHOWN)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::oauth::discovery::Reply;
    use crate::oauth::token_endpoint::{Refusal, TokenError};

    #[test]
    fn a_question_says_what_for_and_by_which_rule_and_hides_the_query() {
        let url = Url::parse("https://as.example/register?key=SECRET_1").unwrap();
        let question = Question {
            purpose: Purpose::Registration,
            method: "POST",
            url: shown(&url),
        };
        assert_eq!(
            question.to_string(),
            "asked `https://as.example/register?…` for a registration (RFC 7591 §3.1)"
        );
        let tokens = Purpose::Tokens("refresh_token");
        assert_eq!(tokens.to_string(), "tokens for `refresh_token`");
    }

    #[test]
    fn an_outcome_tells_nothing_of_a_body_but_what_refuses() {
        let url = Url::parse("https://as.example/").unwrap();
        let reply = Reply {
            status: 201,
            body: json!({ "client_secret": "SECRET_1" }).to_string().into(),
            url,
            retry_after: None,
        };
        let outcome = Event::Fetched(Ok(reply)).outcome();
        assert_eq!(outcome.as_deref(), Some("status 201"));
        let refusal = Refusal::read(400, br#"{"error":"invalid_grant"}"#);
        let refused = Event::TokenAnswer(Err(TokenError::GrantDead(refusal)));
        let outcome = refused.outcome().unwrap_or_default();
        assert!(outcome.contains("`invalid_grant`"), "{outcome}");
        assert_eq!(Event::BrowserOpened.outcome(), None);
    }
}
