//! Sends one message as often as it takes: on from where it is redirected to, and again with another
//! proof.

use std::time::Duration;

use http::Method;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

use super::{Answer, Broken, Carried, Remote};
use crate::mcp::answer::{Delivery, REDIRECTS, body_kind};
use crate::net::client::Draft;
use crate::net::dpop::{DPOP, Told};
use crate::net::request::Request;
use crate::oauth::credential::{Credential, Scheme};
use crate::oauth::dpop::{ProofKey, Tries};

/// How long to wait for the head of an answer.
#[derive(Clone, Copy)]
pub(super) enum Patience {
    /// As the user says.
    Configured,
    /// This long: it is not about an answer that somebody waits for.
    Fixed(Duration),
}

/// What has to be proved with each request.
#[derive(Clone, Copy)]
pub(super) struct Proven<'a> {
    credential: &'a Credential,
    key: &'a ProofKey,
}

impl<'a> Proven<'a> {
    /// What this credential needs proved; `None` for one that is enough by itself.
    pub(super) fn new(credential: Option<&'a Credential>) -> Option<Self> {
        let credential = credential?;
        match &credential.scheme {
            Scheme::Bearer => None,
            Scheme::Dpop(key) => Some(Self { credential, key }),
        }
    }
}

impl Remote {
    /// Sends a message without body, on from where it is redirected to.
    pub(super) async fn send_on(
        &self,
        method: Method,
        headers: HeaderMap,
        carried: Carried<'_>,
        patience: Patience,
    ) -> Result<Answer, Broken> {
        let proven = Proven::new(carried.credential);
        let mut to = self.address();
        for _ in 0..REDIRECTS {
            let (method, headers) = (method.clone(), headers.clone());
            // 301, 302 and 303 keep a GET, and turn everything else into one.
            let keeps = method == Method::GET;
            let request = self.http.client().request(method, to);
            let answer = self.send(request, headers, proven, patience).await?;
            let next = match answer.status {
                301..=303 if keeps => self.follow(&answer),
                307 | 308 => self.follow(&answer),
                _ => None,
            };
            match next {
                Some(next) => to = next.into(),
                None => return Ok(answer),
            }
        }
        let request = self.http.client().request(method, to);
        self.send(request, headers, proven, patience).await
    }

    pub(super) async fn send(
        &self,
        draft: Draft,
        headers: HeaderMap,
        proven: Option<Proven<'_>>,
        patience: Patience,
    ) -> Result<Answer, Broken> {
        match proven {
            // Many wait for answers at the same time, and few with proofs: their memory is their own.
            Some(proven) => Box::pin(self.send_proven(draft, headers, proven, patience)).await,
            None => {
                let answer = self.send_once(draft, headers, patience).await?;
                // RFC 9449 §9: what refuses a request without a token may have the nonce for the
                // one with it.
                self.prover
                    .take_nonce(answer.url(), answer.response.headers());
                Ok(answer)
            }
        }
    }

    /// Sends a message with a proof, again if it was refused for the proof alone (RFC 9449 §9):
    /// nobody has looked at the message then, and the token may be good.
    async fn send_proven(
        &self,
        draft: Draft,
        headers: HeaderMap,
        proven: Proven<'_>,
        patience: Patience,
    ) -> Result<Answer, Broken> {
        let mut tries = Tries::default();
        loop {
            // Its body is one piece of memory, which clones share.
            let request = draft.request.clone();
            let proof = self.prove(&request, proven, &tries)?;
            let mut headers = headers.clone();
            // In the place of any that the user configured.
            headers.insert(DPOP, proof);
            let http = draft.http.clone();
            let sent = self.send_once(Draft { http, request }, headers, patience);
            let mut answer = sent.await?;
            let error = match answer.status {
                401 => answer.challenge().dpop_error,
                _ => None,
            };
            let told = Told::read(answer.response.headers());
            let again = self
                .prover
                .hear(answer.url(), &told, error.as_deref(), &mut tries);
            if !again {
                return Ok(answer);
            }
            // Leaves the connection fit for the next.
            answer.error_body().await;
        }
    }

    fn prove(
        &self,
        request: &Request,
        proven: Proven<'_>,
        tries: &Tries,
    ) -> Result<HeaderValue, Broken> {
        let (method, url) = (request.method.as_str(), request.to.url());
        let token = Some(&proven.credential.token);
        let proof = self.prover.prove(proven.key, method, url, token, tries);
        proof.map_err(|error| {
            let cause = format!("no proof for the request can be signed: {error}");
            Broken::new(Delivery::NotSent, cause)
        })
    }

    async fn send_once(
        &self,
        draft: Draft,
        mut headers: HeaderMap,
        patience: Patience,
    ) -> Result<Answer, Broken> {
        let Draft { http, mut request } = draft;
        let to = request.to.clone();
        if let Some(cookies) = &self.cookies {
            cookies.add(&mut headers, to.url());
        }
        request.headers = headers;
        // A connection that the server has ended meanwhile is found out when its task runs, which
        // this lets happen first: what is sent on it would be lost, and nobody could tell.
        tokio::task::yield_now().await;
        let send = http.execute(request);
        let response = match patience {
            Patience::Configured => {
                let why = |seconds| {
                    format!("no answer within {seconds} s (`--headers-timeout` allows more)")
                };
                within(self.timeouts.headers, send, why).await??
            }
            Patience::Fixed(limit) => {
                let why = |seconds| format!("no answer within {seconds} s");
                within(Some(limit), send, why).await??
            }
        };
        self.http.reached(response.remote_addr());
        if let Some(cookies) = &self.cookies {
            cookies.take(response.headers(), to.url());
        }
        let content_type = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        Ok(Answer {
            intake: self.intake.clone(),
            status: response.status().as_u16(),
            body_kind: body_kind(content_type),
            from: to,
            response,
            timeouts: self.timeouts,
        })
    }
}

/// Waits no longer than a limit; says what was waited for otherwise.
pub(super) async fn within<T>(
    limit: Option<Duration>,
    what: impl Future<Output = T>,
    why: impl FnOnce(f32) -> String,
) -> Result<T, Broken> {
    let Some(limit) = limit else {
        return Ok(what.await);
    };
    tokio::time::timeout(limit, what)
        .await
        .map_err(|_| Broken::timed_out(why(limit.as_secs_f32())))
}
