//! Network and challenge: the first request, without a token.

use std::net::SocketAddr;

use super::super::report::{Exchange, Kind, Name, Status, Step};
use super::{Reached, Walk};
use crate::command::{question, remote};
use crate::config::AuthMode;
use crate::error::Error;
use crate::ids::display_url;
use crate::mcp::answer::BodyKind;
use crate::mcp::era::Protocol;
use crate::net::remote::Answer;
use crate::oauth::challenge::{Challenge, Reading, Scheme};
use crate::untrusted::{SHOWN, printable};

/// Most addresses of a host that are shown.
const ADDRESSES: usize = 4;

/// Why later steps are left out.
const UNREACHED: &str = "the server was not reached";

/// What an answer says besides its body.
#[derive(Default)]
struct Heard {
    asked: Vec<Exchange>,
    reading: Reading,
    peer: Option<SocketAddr>,
    version: String,
    is_sse: bool,
    /// What the last answer is, if that is no MCP message.
    stranger: Option<String>,
}

impl Heard {
    fn note(&mut self, method: &'static str, answer: &Answer) {
        let url = printable(&display_url(answer.url()), SHOWN);
        self.asked.push(Exchange {
            request: format!("{method} `{url}`"),
            answer: format!("status {}", answer.status),
        });
        self.reading = answer.challenge();
        self.peer = answer.peer().or(self.peer);
        self.version = answer.http_version().replace("HTTP/", "");
        self.is_sse = method == "GET";
        let kind = answer.content_type().unwrap_or_default();
        let is_stranger = answer.status == 200 && answer.body_kind == BodyKind::Unknown;
        self.stranger = is_stranger.then(|| printable(kind, SHOWN));
    }
}

impl Walk<'_, '_> {
    /// Asks the server to open a session without a token. Gives what it wants, and the step about
    /// it, which is still to be added.
    pub(super) async fn reach(&mut self) -> Result<(Reached, Step), Error> {
        let proxy = self.http.client().proxy_for(self.config.server.url());
        let addresses = match &proxy {
            Some(_) => None,
            None => self.addresses().await,
        };
        let mut heard = Heard::default();
        let endpoint = remote(self.config, self.http.clone());
        let host = self.config.server.host();
        let outcome = question::challenge(
            &endpoint,
            &host,
            self.config.transport,
            self.config.protocol,
            |method, answer| {
                heard.note(method, answer);
            },
        )
        .await;
        let unreached = match &outcome {
            Err(error @ Error::Unreachable { cause, .. }) if heard.asked.is_empty() => {
                let step = Step::fail(Name::Network, Kind::Unreachable, cause).hint(error.hint());
                Some(step)
            }
            _ => None,
        };
        let is_secure = self.config.server.url().scheme() == "https";
        let step = unreached.clone().unwrap_or_else(|| {
            let how = match is_secure {
                true => "the server answers, and its certificate is trusted",
                false => "the server answers, over plain http",
            };
            let elsewhere = !is_secure && !self.config.server.is_loopback();
            let step = match elsewhere {
                true => Step::warn(Name::Network, how).rule(Some(
                    "MCP 2025-11-25, Authorization, Communication Security",
                )),
                false => Step::ok(Name::Network, how),
            };
            step.found("HTTP", &heard.version)
        });
        let via = proxy.map_or("none".to_owned(), |proxy| format!("`{proxy}`"));
        let step = step
            .found("proxy", via)
            .found_some("addresses", addresses)
            .found_some("answered by", heard.peer.map(|peer| peer.to_string()));
        self.page.add(step)?;
        if unreached.is_some() {
            let step = Step::skip(Name::Challenge, UNREACHED);
            return Ok((Reached::No(UNREACHED), step));
        }
        Ok(self.judge(outcome, heard))
    }

    /// Where the host is, as this machine finds it; what is wrong with that is said by the request.
    async fn addresses(&self) -> Option<String> {
        let url = self.config.server.url();
        let host = url
            .host_str()?
            .trim_start_matches('[')
            .trim_end_matches(']');
        let port = url.port_or_known_default()?;
        let looking = tokio::net::lookup_host((host, port));
        let found = tokio::time::timeout(self.config.http.connect_timeout, looking).await;
        let mut addresses: Vec<String> = Vec::new();
        for address in found.ok()?.ok()? {
            let address = format!("`{}`", address.ip());
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        let more = addresses.len().saturating_sub(ADDRESSES);
        addresses.truncate(ADDRESSES);
        let shown = addresses.join(", ");
        Some(match more {
            0 => shown,
            more => format!("{shown} and {more} more"),
        })
    }

    fn judge(&self, outcome: Result<Option<Challenge>, Error>, heard: Heard) -> (Reached, Step) {
        let transport = match heard.is_sse {
            true => "HTTP+SSE (MCP 2024-11-05)",
            false => "streamable HTTP",
        };
        // A token of the user's own goes with the session; a header of theirs has gone already.
        let by_header = self.config.auth == AuthMode::Bearer && self.config.bearer.is_none();
        let (reached, step) = match outcome {
            Ok(Some(_)) if by_header => {
                let step = Step::fail(
                    Name::Challenge,
                    Kind::Failed,
                    "the server does not accept the configured `Authorization` header",
                );
                let hint = Some("check the value of the header, which is not shown here");
                (
                    Reached::No("the server lets nobody in that way"),
                    step.rule(Some("RFC 6750 §3.1")).hint(hint),
                )
            }
            Ok(Some(challenge)) => {
                let step = challenged(&challenge, &heard.reading);
                (Reached::Wants(challenge), step)
            }
            Ok(None) if heard.stranger.is_some() => {
                let kind = heard.stranger.clone().unwrap_or_default();
                let summary = match kind.as_str() {
                    "" => "the server answers with something that is no MCP message".to_owned(),
                    kind => format!("the server answers with `{kind}`, which is no MCP message"),
                };
                let step = Step::fail(Name::Challenge, Kind::Failed, summary);
                let hint = Some(
                    "check the path; if it is right, a login page, a gateway or a captive portal may stand before the server",
                );
                (
                    Reached::No("the server answers no MCP message here"),
                    step.rule(Some("MCP 2025-11-25, Transports, Streamable HTTP"))
                        .hint(hint),
                )
            }
            Ok(None) => {
                let how = match by_header {
                    true => "the server accepts the configured `Authorization` header",
                    false => "the server answers without a token",
                };
                let step = Step::ok(Name::Challenge, how).found("transport", transport);
                (Reached::Open, step)
            }
            Err(Error::Refused { server, status }) => {
                let summary = format!("`{server}` answered {status} and asks for no sign-in");
                let is_none = matches!(status, 404 | 405 | 410 | 501);
                let is_plain = self.config.server.url().scheme() == "http";
                let hint = match (is_none, status) {
                    (true, _) => "there is no MCP endpoint at this address; check the path",
                    (false, 400) if self.config.protocol != Protocol::Auto => {
                        "it may speak another revision of MCP; leave `--protocol` out"
                    }
                    // RFC 9110 §15.5.1: what else a server that speaks TLS says to plain http.
                    (false, 400) if is_plain => {
                        "check the address, `http://` or `https://` included, and the headers you configured"
                    }
                    (false, _) => "check the address and the headers you configured",
                };
                let reached = match is_none || by_header {
                    true => Reached::No("the server answers no MCP message here"),
                    false => Reached::Wants(Challenge::default()),
                };
                let step = Step::fail(Name::Challenge, Kind::Failed, summary).hint(Some(hint));
                (
                    reached,
                    step.rule(Some("MCP 2025-11-25, Transports, Streamable HTTP")),
                )
            }
            Err(error) => {
                let step = Step::fail(Name::Challenge, Kind::Unreachable, error.to_string());
                (Reached::No(UNREACHED), step.hint(error.hint()))
            }
        };
        let remarks = heard.reading.remarks.iter();
        let step = remarks.fold(step, |step, remark| {
            step.found("remark", remark.to_string())
        });
        (reached, step.asked(heard.asked))
    }
}

/// The step of a server that asks for a sign-in.
fn challenged(challenge: &Challenge, reading: &Reading) -> Step {
    let step = match &reading.challenge {
        None => Step::warn(
            Name::Challenge,
            "the server asks for a sign-in without a challenge; its metadata is looked for where it is by rule",
        )
        .rule(Some("RFC 9110 §11.6.1")),
        Some(challenge) if challenge.resource_metadata.is_some() => {
            Step::ok(Name::Challenge, "the server asks for a sign-in").rule(Some("RFC 9728 §5.1"))
        }
        Some(_) => Step::ok(
            Name::Challenge,
            "the server asks for a sign-in; its metadata is looked for where it is by rule",
        )
        .rule(Some("RFC 6750 §3")),
    };
    match reading.challenge {
        Some(_) => with_members(step, challenge),
        None => step,
    }
}

fn with_members(step: Step, challenge: &Challenge) -> Step {
    let quoted = |text: &String| format!("`{}`", printable(text, SHOWN));
    let scheme = match challenge.scheme {
        Scheme::Bearer => "Bearer",
        Scheme::Dpop => "DPoP",
    };
    step.found("scheme", scheme)
        .found_some(
            "resource_metadata",
            challenge.resource_metadata.as_ref().map(quoted),
        )
        .found_some(
            "scope",
            challenge
                .scope
                .as_ref()
                .map(|scope| quoted(&scope.join(" "))),
        )
        .found_some("error", challenge.error.as_ref().map(quoted))
        .found_some(
            "error_description",
            challenge.error_description.as_ref().map(quoted),
        )
}

/// The same step, once the server has asked for a sign-in in the middle of a session.
pub(super) fn asked_later(before: Step, challenge: &Challenge) -> Step {
    let summary = "the server opens a session without a token, and asks for a sign-in later";
    let step = Step {
        summary: summary.to_owned(),
        status: Status::Ok,
        rule: Some(
            "MCP 2025-11-25, Authorization, Protected Resource Metadata Discovery Requirements",
        ),
        ..before
    };
    with_members(step, challenge)
}
