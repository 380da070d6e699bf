//! Asks servers, and says what came of it.

use http::{HeaderMap, HeaderValue, header};
use serde_json::Value;
use url::Url;

use super::{Busy, Hands, Rim, cause, now, pause};
use crate::ids::same_origin;
use crate::mcp::revision::INITIALIZE_REVISIONS;
use crate::net::http::{self as net_http, Document, FetchError};
use crate::net::token_endpoint;
use crate::oauth::discovery::{FetchFault, Fetched, Reply};
use crate::oauth::flow::Event;
use crate::oauth::token_endpoint::{Cause, GrantRequest, TokenRequest};
use crate::secret::Secret;

impl Rim {
    /// Fetches a metadata document after so many seconds.
    pub async fn fetch(&self, url: Url, after: u64) -> Fetched {
        fetched(self.document(url, after).await)
    }

    pub(super) async fn document(&self, url: Url, after: u64) -> Result<Document, FetchError> {
        pause(after).await;
        let server = self.settings.server.url();
        let mut headers = match same_origin(&url, server) {
            true => self.headers.clone(),
            false => HeaderMap::new(),
        };
        // MCP 2025-03-26, Authorization, Server Metadata Discovery.
        let revision = HeaderValue::from_static(INITIALIZE_REVISIONS[0].name);
        headers.insert("mcp-protocol-version", revision);
        net_http::fetch(&self.http, url, headers).await
    }
}

impl Hands {
    /// Whether the server may send us, or a browser, to these addresses.
    pub(super) async fn may_ask<const N: usize>(&self, addresses: [&Url; N]) -> Result<(), Event> {
        for url in addresses {
            let judged = net_http::may_ask(&self.rim.http, url).await;
            judged.map_err(|error| Event::Forbidden(cause(error)))?;
        }
        Ok(())
    }

    pub(super) async fn request_token(&mut self, request: &TokenRequest, after: u64) -> Event {
        pause(after).await;
        if let (GrantRequest::AuthorizationCode { .. }, Some(turn)) = (&request.grant, &self.turn) {
            // Whoever takes over now must not wait for a tab that has done its part. If it cannot be
            // removed, the attempt lapses by itself.
            let _ = self.rim.store.remove_attempt(turn);
        }
        // Until the answer is saved: a refresh token is spent, or a code.
        self.busy = Some(Busy::new(&self.rim));
        if let GrantRequest::TokenExchange(_) = request.grant {
            let answer = token_endpoint::exchange_token(&self.rim.http, request).await;
            self.busy = None;
            return Event::Issued(answer);
        }
        let answer = token_endpoint::request(&self.rim.http, request, now()).await;
        if answer.is_err() {
            self.busy = None;
        }
        Event::TokenAnswer(answer)
    }

    pub(super) async fn read_assertion(&self) -> Result<Secret, Cause> {
        match &self.rim.assertion {
            Some(source) => source.read().await,
            None => Err(cause(std::io::Error::other(
                "there is nothing to hand in for a token",
            ))),
        }
    }

    pub(super) async fn probe(&self, url: Url) -> Event {
        let accept = HeaderValue::from_static("text/html,application/xhtml+xml,*/*;q=0.8");
        let headers = HeaderMap::from_iter([(header::ACCEPT, accept)]);
        told(net_http::fetch(&self.rim.http, url, headers).await)
    }

    pub(super) async fn register(&self, url: Url, body: &Value) -> Event {
        let token = self.rim.settings.initial_access_token.as_ref();
        told(net_http::post_json(&self.rim.http, url, token, body.to_string()).await)
    }
}

/// What the flow is told of a request to an address that a server named.
pub(super) fn told(outcome: Result<Document, FetchError>) -> Event {
    match outcome {
        Err(error @ FetchError::Forbidden(_)) => Event::Forbidden(cause(error)),
        outcome => Event::Fetched(fetched(outcome)),
    }
}

fn fetched(outcome: Result<Document, FetchError>) -> Fetched {
    match outcome {
        Ok(document) => Ok(Reply {
            status: document.status,
            retry_after: document.retry_after.map(|wait| wait.as_secs()),
            body: document.body,
            url: document.url,
        }),
        Err(
            error @ (FetchError::TooLarge { .. }
            | FetchError::Redirected { .. }
            | FetchError::Forbidden(_)),
        ) => Err(FetchFault::Unusable(cause(error))),
        Err(error @ FetchError::Untrusted { .. }) => Err(FetchFault::Untrusted(cause(error))),
        Err(error) => Err(match error.may_have_been_processed() {
            true => FetchFault::NoAnswer(cause(error)),
            false => FetchFault::NotSent(cause(error)),
        }),
    }
}
