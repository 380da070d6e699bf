//! HTTP+SSE (MCP 2024-11-05, Transports): the GET that opens the event stream, the stream itself,
//! and what is answered to messages whose answers come on it.

use std::time::Duration;

use bytes::Bytes;
use url::Url;

use super::{Ended, Exchange, Part, parse_event, parts};
use crate::diag;
use crate::mcp::answer::{BodyKind, Tries};
use crate::mcp::failure::{Failure, Stage};
use crate::mcp::jsonrpc::{self, Kind};
use crate::mcp::relay::{Event, OutgoingKind};
use crate::mcp::session;
use crate::mcp::sse::SseEvent;
use crate::mcp::transport::{Endpoint, Route};
use crate::net::remote::{Answer, Broken, Carried, EventReader};

/// How long the server may take to name the address for messages, once the stream is open.
const ENDPOINT_LIMIT: Duration = Duration::from_secs(10);
/// How long the body of an answer is read that need not say anything.
const BODY_LIMIT: Duration = Duration::from_secs(30);
/// Most bytes of an address in a remark.
const SHOWN: usize = 200;

/// What has been read of the event stream up to some point.
enum Heard {
    Event(SseEvent),
    End,
    Broken(String),
}

impl Exchange {
    /// Whether it opens the event stream.
    pub(super) fn is_events(&self) -> bool {
        matches!(self.outgoing.kind, OutgoingKind::Events { .. })
    }

    fn is_over_sse(&self) -> bool {
        matches!(self.outgoing.route, Route::Sse(_))
    }

    /// How often it is tried again: not at all if the relay does that.
    pub(super) fn first_tries(kind: &OutgoingKind) -> Tries {
        match kind {
            OutgoingKind::Events { once: true } => Tries::used_up(),
            _ => Tries::scattered(rand::random()),
        }
    }

    /// What may be a session id in the address for messages.
    pub(super) fn endpoint_secrets(&self) -> impl Iterator<Item = &str> {
        let url = match &self.outgoing.route {
            Route::Sse(endpoint) => Some(endpoint.url()),
            Route::Streamable => None,
        };
        let pairs = url
            .and_then(Url::query)
            .into_iter()
            .flat_map(|query| query.split('&'));
        let values = pairs.filter_map(|pair| pair.split_once('=').map(|(_, value)| value));
        let segments = url.and_then(Url::path_segments).into_iter().flatten();
        // Shorter ones are words.
        values.chain(segments.filter(|segment| segment.len() >= 16))
    }

    /// Sends it, the way it goes.
    pub(super) async fn send(&self) -> Result<Answer, Broken> {
        let (remote, credential) = (&self.wire.remote, self.credential.as_ref());
        let way = &self.way;
        let body = || self.outgoing.body.clone();
        match &self.outgoing.route {
            _ if self.is_events() => remote.open_events(way, credential).await,
            Route::Sse(endpoint) => {
                let (url, is_request) = (endpoint.url(), self.is_request());
                remote
                    .post_to(url, way, body(), credential, is_request)
                    .await
            }
            Route::Streamable => {
                let session = self.outgoing.session.as_deref();
                remote
                    .post(
                        way,
                        body(),
                        Carried {
                            credential,
                            session,
                            head: self.outgoing.head.as_deref(),
                        },
                    )
                    .await
            }
        }
    }

    /// Reads a successful answer.
    pub(super) async fn receive(&mut self, answer: Answer) -> Result<(), Ended> {
        match self.is_over_sse() {
            _ if self.is_events() => Box::pin(self.read_events(answer)).await,
            true => {
                Box::pin(self.posted(answer)).await;
                Ok(())
            }
            false => self.deliver(answer).await,
        }
    }

    /// Whether an answer that is no success says that the event stream, and with it the session, is
    /// gone.
    pub(super) fn is_lost(&self, answer: &Answer, body: &[u8]) -> bool {
        self.is_over_sse()
            && self.outgoing.session.is_some()
            && session::means_stream_lost(answer.status, body)
    }

    /// The message was taken. Its answer comes on the event stream, unless the server gives it here
    /// all the same.
    async fn posted(&self, mut answer: Answer) {
        self.report(Event::Accepted).await;
        let Ok(Ok(body)) = tokio::time::timeout(BODY_LIMIT, answer.body()).await else {
            return;
        };
        drop(answer);
        let Ok(parsed) = jsonrpc::parse_any(body) else {
            return;
        };
        for part in parts(parsed, |reason| self.wire.diag.debug(reason)) {
            let Part::Message(message) = part else {
                self.report(part.into()).await;
                continue;
            };
            match (message.kind(), message.id()) {
                (Kind::Result | Kind::Error, Some(_)) => self.report(Event::Message(message)).await,
                (Kind::Error, None) if self.is_request() => {
                    self.report(Event::Reply(message)).await
                }
                _ => {}
            }
        }
    }

    /// Reads the event stream to its end.
    async fn read_events(&mut self, answer: Answer) -> Result<(), Ended> {
        let server = self.wire.server.clone();
        if answer.body_kind != BodyKind::EventStream {
            let detail =
                format!("`{server}` answered a GET with something else than an event stream");
            self.report(Event::NoEvents(no_events(answer.status, detail)))
                .await;
            return Ok(());
        }
        let (status, url) = (answer.status, answer.url().clone());
        let mut reader = answer.events();
        let first = tokio::time::timeout(ENDPOINT_LIMIT, self.first_endpoint(&mut reader)).await;
        let detail = match first {
            Ok(Ok(data)) => {
                let endpoint = self.endpoint(&url, &data)?;
                self.report(Event::Connected(endpoint)).await;
                return self.read_messages(&url, reader).await;
            }
            Ok(Err(None)) => format!(
                "`{server}` ended the event stream of a GET before it named the address for messages"
            ),
            Ok(Err(Some(cause))) => {
                let detail = format!(
                    "the event stream of `{server}` broke before it named the address for messages: {cause}"
                );
                return Err(Failure::new(Stage::Http, true, detail).into());
            }
            Err(_) => format!(
                "`{server}` opened an event stream on a GET, but did not name the address for messages within {} s",
                ENDPOINT_LIMIT.as_secs()
            ),
        };
        self.report(Event::NoEvents(no_events(status, detail)))
            .await;
        Ok(())
    }

    /// The data of the first `endpoint` event; without one, why the stream ended if it did not end
    /// well. What comes before it belongs to no session.
    async fn first_endpoint(&self, reader: &mut EventReader) -> Result<Bytes, Option<String>> {
        loop {
            match heard(reader).await {
                Heard::Event(event) if &*event.name == "endpoint" => return Ok(event.data),
                Heard::Event(event) => self.wire.diag.debug(format_args!(
                    "dropped an event `{}` that came before the address for messages",
                    diag::clean_to(&event.name, 60)
                )),
                Heard::End => return Err(None),
                Heard::Broken(cause) => return Err(Some(cause)),
            }
        }
    }

    fn endpoint(&self, url: &Url, data: &[u8]) -> Result<Endpoint, Failure> {
        let data = String::from_utf8_lossy(data);
        Endpoint::resolve(url, &data).map_err(|error| {
            let shown = data.split(['?', '#']).next().unwrap_or_default();
            let detail = format!(
                "`{}` wants messages sent to `{}`, {error}; tell whoever runs the server, or configure the address that it should have named",
                self.wire.server,
                diag::clean_to(shown, SHOWN)
            );
            Failure::new(Stage::Protocol, false, detail)
        })
    }

    async fn read_messages(&mut self, url: &Url, mut reader: EventReader) -> Result<(), Ended> {
        let cause = loop {
            match heard(&mut reader).await {
                Heard::Event(event) if &*event.name == "endpoint" => {
                    let endpoint = self.endpoint(url, &event.data)?;
                    self.report(Event::Connected(endpoint)).await;
                }
                Heard::Event(event) if &*event.name == "message" => {
                    for part in parse_event(event.data, |reason| self.wire.diag.debug(reason)) {
                        self.report(part.into()).await;
                    }
                }
                Heard::Event(_) => {}
                Heard::End => break "it ended".to_owned(),
                Heard::Broken(cause) => break cause,
            }
        };
        let detail = format!(
            "the event stream of `{}` was lost: {cause}",
            self.wire.server
        );
        self.report(Event::EventsEnded {
            failure: Failure::new(Stage::Http, true, detail),
            retry: reader.retry(),
        })
        .await;
        Ok(())
    }
}

async fn heard(reader: &mut EventReader) -> Heard {
    match reader.next().await {
        Ok(Some(event)) => Heard::Event(event),
        Ok(None) => Heard::End,
        Err(broken) => Heard::Broken(broken.cause),
    }
}

fn no_events(status: u16, detail: String) -> Failure {
    Failure {
        status: Some(status),
        ..Failure::new(Stage::Http, false, detail)
    }
}
