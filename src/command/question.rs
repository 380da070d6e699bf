//! What `login` and `doctor` ask the server to learn whether it wants a sign-in: what it speaks, and
//! to open a session, over either transport.

use bytes::Bytes;

use crate::error::Error;
use crate::mcp::answer::{BodyKind, REDIRECTS};
use crate::mcp::era::{self, Head, Protocol};
use crate::mcp::failure::{Failure, Stage};
use crate::mcp::revision::NEWEST;
use crate::mcp::session::Session;
use crate::mcp::transport::{Detection, Next, Preference, Setback, Transport};
use crate::net::remote::{Answer, Carried, Remote, Way};
use crate::oauth::challenge::Challenge;

/// What the server asks for; `None` if it lets anybody in. `heard` is told every answer, and the
/// method it is the answer to.
pub(super) async fn challenge(
    remote: &Remote,
    host: &str,
    preference: Preference,
    protocol: Protocol,
    mut heard: impl FnMut(&'static str, &Answer),
) -> Result<Option<Challenge>, Error> {
    let mut detection = Detection::new(preference, None);
    let mut transport = detection.begin();
    let mut takes_discover = false;
    if let (Transport::Streamable, Some(discover)) = (transport, era::discover(protocol)) {
        let answer = ask(remote, host, &Asked::Discover(discover), &mut heard).await?;
        if answer.status == 401 {
            return Ok(Some(answer.challenge().challenge.unwrap_or_default()));
        }
        takes_discover = answer.is_success();
        if !takes_discover && !era::is_refusal(answer.status) {
            // Another question would get no better answer.
            return Err(Error::Refused {
                server: host.to_owned(),
                status: answer.status,
            });
        }
    }
    loop {
        let asked = match transport {
            Transport::Streamable => Asked::Initialize,
            Transport::Sse => Asked::Events,
        };
        let answer = ask(remote, host, &asked, &mut heard).await?;
        if answer.status == 401 {
            return Ok(Some(answer.challenge().challenge.unwrap_or_default()));
        }
        let is_stream = answer.body_kind == BodyKind::EventStream;
        let failure = Failure {
            status: Some(answer.status),
            ..Failure::new(Stage::Http, false, "it was refused")
        };
        let setback = match transport {
            Transport::Streamable if answer.is_success() => {
                end(remote, &answer).await;
                return Ok(None);
            }
            // It has no sessions.
            Transport::Streamable if takes_discover && answer.status < 500 => return Ok(None),
            // Dropped, the stream is closed.
            Transport::Sse if answer.is_success() && is_stream => return Ok(None),
            Transport::Sse if answer.is_success() => Setback::NoEvents(failure),
            _ => Setback::Failed(failure),
        };
        let status = match detection.set_back(setback) {
            Next::Try(other) => {
                transport = other;
                continue;
            }
            Next::Report(failure) => failure.status,
            Next::Deliver(..) => None,
        };
        return Err(Error::Refused {
            server: host.to_owned(),
            status: status.unwrap_or(answer.status),
        });
    }
}

/// What the server is asked.
enum Asked {
    /// What it speaks.
    Discover((Bytes, Head)),
    /// To open a session.
    Initialize,
    /// For the stream of the older transport.
    Events,
}

/// Asks, and follows the server to where it has moved its endpoint (RFC 9110 §15.4).
async fn ask(
    remote: &Remote,
    host: &str,
    asked: &Asked,
    heard: &mut impl FnMut(&'static str, &Answer),
) -> Result<Answer, Error> {
    let unreachable = |cause: &str, hint| Error::Unreachable {
        server: host.to_owned(),
        cause: cause.to_owned(),
        hint,
    };
    let mut way = Way::default();
    for _ in 0..=REDIRECTS {
        let (method, sent) = match asked {
            Asked::Discover((body, head)) => {
                let carried = Carried {
                    head: Some(head),
                    ..Carried::default()
                };
                ("POST", remote.post(&way, body.clone(), carried).await)
            }
            Asked::Initialize => {
                let sent = remote.post(&way, initialize(), Carried::default()).await;
                ("POST", sent)
            }
            Asked::Events => ("GET", remote.open_events(&way, None).await),
        };
        let answer = sent.map_err(|broken| unreachable(broken.bare_cause(), broken.hint))?;
        heard(method, &answer);
        way.to = match (asked, answer.status) {
            (_, 307 | 308) | (Asked::Events, 301..=303) => remote.follow(&answer),
            _ => None,
        };
        if way.to.is_none() {
            return Ok(answer);
        }
    }
    Err(unreachable("it redirects in circles", None))
}

/// The session that the question opened is not needed. Failing to say so does no harm.
async fn end(remote: &Remote, answer: &Answer) {
    if let Ok(Some(id)) = answer.session_id() {
        let session = Session {
            serial: 1,
            id: Some(id),
            revision: NEWEST,
        };
        let carried = Carried {
            credential: None,
            session: Some(&session),
            head: None,
        };
        let _ = remote.end_session(carried).await;
    }
}

/// The request that every server understands and that has no effects.
pub(super) fn initialize() -> Bytes {
    let (version, program) = (NEWEST.name, env!("CARGO_PKG_VERSION"));
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{{\"protocolVersion\":\"{version}\",\
         \"capabilities\":{{}},\"clientInfo\":{{\"name\":\"mcp-drawbridge\",\"version\":\"{program}\"}}}}}}"
    )
    .into()
}

#[cfg(test)]
mod tests {
    use crate::mcp::jsonrpc;

    #[test]
    fn the_question_is_a_valid_initialize() {
        let message = jsonrpc::parse(super::initialize()).unwrap();
        assert_eq!(message.method(), "initialize");
        assert!(message.body_member("clientInfo").is_some());
    }
}
