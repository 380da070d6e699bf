//! What the user reads of a failure: what happened, what became of the request, what to do next.

use super::{Delivery, Refusal, Sent, Tries, What};
use crate::mcp::failure::{Failure, Stage};
use crate::mcp::jsonrpc::{self, Malformed};
use crate::untrusted::{SHOWN, printable};

/// Most bytes of a reason that are looked at.
const REASON_LIMIT: usize = 4096;

/// An answer that is no success.
pub(super) fn refused(sent: Sent<'_>, refusal: Refusal<'_>, tries: &Tries) -> Failure {
    let Refusal { status, .. } = refusal;
    let server = sent.server;
    let what = sent.what.method().map(|method| format!(" to `{method}`"));
    let what = what.unwrap_or_default();
    let said = quoted(plain_reason(refusal.body));
    let next = match status {
        300..=399 => elsewhere(refusal),
        429 | 503 if refusal.retry_after.is_some() => {
            let seconds = refusal.retry_after.unwrap_or_default().as_secs_f32().ceil();
            format!("it asks to wait {seconds} s; try again then{}", earlier(tries))
        }
        status if is_fault(status) => {
            format!("the fault is on its side; {}", outcome(sent, tries).1)
        }
        400 if misses_certificate(refusal.body) => {
            "it wants a client certificate that it trusts; name yours with `--client-cert` and `--client-key`".to_owned()
        }
        _ => format!("{}{}", advice(status), earlier(tries)),
    };
    Failure {
        status: Some(status),
        retry_after: refusal.retry_after,
        ..Failure::new(
            Stage::Http,
            is_passing(status),
            format!("`{server}` answered {status}{what}{said}: {next}"),
        )
    }
}

/// RFC 9110 §15.6: a server that failed may have done its work before.
fn is_fault(status: u16) -> bool {
    matches!(status, 408 | 500 | 502..=504 | 520..=530)
}

/// What became of a message that may have been carried out, and whether it may be sent once more.
fn outcome(sent: Sent<'_>, tries: &Tries) -> (bool, String) {
    match sent.what {
        What::Request {
            repeatable: true, ..
        }
        | What::Announcement => (
            true,
            format!(
                "it was sent {} times and may have been carried out; try again later",
                tries.replays + 1
            ),
        ),
        What::Stream => (
            true,
            "the event stream was not opened; try again later".to_owned(),
        ),
        What::Request { .. } => (
            false,
            "the request may have been carried out, so it was not sent again; look first whether it was"
                .to_owned(),
        ),
        What::Notification | What::Response => (
            false,
            "it may have arrived, so it was not sent again".to_owned(),
        ),
    }
}

/// What must be added where the last attempt was refused or not sent: one before may have arrived.
fn earlier(tries: &Tries) -> &'static str {
    match tries.replays {
        0 | u32::MAX => "",
        _ => "; an earlier attempt may have been carried out",
    }
}

/// Whether the same request may meet another answer later.
fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 421 | 425 | 429 | 500 | 502..=504 | 506..=599)
}

/// Whether nginx refuses a client without the certificate it wants: it ends no handshake over that,
/// but answers 400 with a page of its own.
fn misses_certificate(body: &[u8]) -> bool {
    [
        "No required SSL certificate was sent",
        "The SSL certificate error",
    ]
    .iter()
    .any(|said| memchr::memmem::find(body, said.as_bytes()).is_some())
}

/// What a person can do about a status.
fn advice(status: u16) -> &'static str {
    match status {
        403 => "you may not have access, or the server does not accept this client",
        404 | 405 | 410 | 501 => "there is no MCP endpoint at this address; check the path",
        406 | 415 => {
            "it does not accept MCP's content types; check that the address is an MCP endpoint"
        }
        407 => "a proxy on the way wants a name and a password; check the proxy settings",
        409 => "the request is at odds with the state the server is in",
        413 | 431 => "the request is too large for it; ask for less at once",
        421 => "it is not the server for this address; check the address, or try again later",
        429 => "it limits the rate of requests; try again later",
        511 => "the network wants you to sign in first; open any page in a browser",
        500..=599 => "the fault is on its side; try again later",
        100..=199 => "that is no answer to a request; check that the address is an MCP endpoint",
        _ => "check the address and the headers you configured",
    }
}

/// A redirect that is not followed (RFC 9110 §15.4).
fn elsewhere(refusal: Refusal<'_>) -> String {
    match (refusal.location, refusal.status) {
        (Some(target), 307 | 308) if refusal.location_is_ours => {
            format!("it keeps sending clients on, in the end to `{target}`; check the address")
        }
        (Some(target), 307 | 308) => format!(
            "it redirects to `{target}`; tokens are not sent to another origin, so configure that address if you trust it"
        ),
        // Clients may go on with a GET, which would lose the message.
        (Some(target), _) => format!(
            "it sends clients on to `{target}`; configure that address if it is the MCP server's"
        ),
        (None, _) => {
            "it sends clients elsewhere without saying where to; check the address".to_owned()
        }
    }
}

/// An answer that did not come, or broke off.
pub(super) fn broken(sent: Sent<'_>, delivery: Delivery, cause: &str, tries: &Tries) -> Failure {
    let server = sent.server;
    match delivery {
        Delivery::NotSent | Delivery::NoConnection => Failure::new(
            Stage::Connect,
            true,
            format!(
                "`{server}` cannot be reached: {cause}; check the address and the network, then try again{}",
                earlier(tries)
            ),
        ),
        Delivery::Distrusted => Failure::new(
            Stage::Connect,
            false,
            format!("`{server}` cannot be reached: {cause}"),
        ),
        Delivery::Unknown => {
            let (retryable, outcome) = outcome(sent, tries);
            Failure::new(
                Stage::Http,
                retryable,
                format!(
                    "the connection to `{server}` broke before the answer came: {cause}; {outcome}"
                ),
            )
        }
        // MCP 2025-11-25, Lifecycle, Timeouts: the request is cancelled and no longer awaited.
        Delivery::TimedOut => {
            let next = match sent.what {
                What::Request {
                    repeatable: false, ..
                } => {
                    "it was told to stop; look first whether the request was carried out, then try again"
                }
                What::Request { .. } => {
                    "it was told to stop; the request may have been carried out; try again later"
                }
                _ => "it was not sent again",
            };
            Failure::new(
                Stage::Http,
                true,
                format!("`{server}` took too long: {cause}; {next}"),
            )
        }
        Delivery::TooLarge => Failure::new(
            Stage::Protocol,
            false,
            format!("`{server}` gave an answer that is too large: {cause}; ask for less at once"),
        ),
        Delivery::Unreadable => Failure::new(
            Stage::Protocol,
            false,
            format!(
                "`{server}` gave an answer that cannot be read: {cause}; report this to its operator"
            ),
        ),
    }
}

/// A success whose body is no message. `content_type` is what the server calls it.
pub fn unreadable(
    server: &str,
    status: u16,
    content_type: Option<&str>,
    body: &[u8],
    malformed: &Malformed,
) -> Failure {
    let labelled = content_type
        .map(|label| printable(label, SHOWN))
        .filter(|label| !label.is_empty())
        .map(|label| format!(" ({label})"));
    let labelled = labelled.unwrap_or_default();
    let said = quoted(plain_reason(body).filter(|_| !body.trim_ascii_start().starts_with(b"{")));
    let reason = malformed.reason;
    Failure {
        status: Some(status),
        ..Failure::new(
            Stage::Protocol,
            false,
            format!(
                "`{server}` answered {status} with something that is not JSON-RPC{labelled}{said}: {reason}; check that the address is an MCP endpoint"
            ),
        )
    }
}

/// A success that holds messages, but none that answers the request.
pub fn not_an_answer(server: &str) -> Failure {
    Failure::new(
        Stage::Protocol,
        false,
        format!(
            "`{server}` answered with a message that does not answer this request; its operator has to mend that"
        ),
    )
}

/// An answer on a stream that has this request's id, but is no proper message.
pub fn no_message(server: &str, reason: &str) -> Failure {
    Failure::new(
        Stage::Protocol,
        false,
        format!(
            "`{server}` answered this request with something that is not JSON-RPC: {reason}; its operator has to mend that"
        ),
    )
}

fn quoted(said: Option<String>) -> String {
    said.map(|said| format!(" (“{said}”)")).unwrap_or_default()
}

/// A short plain-text reason of a server: no markup, no control characters, at most 200 characters.
pub fn plain_reason(body: &[u8]) -> Option<String> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let body = &body[..body.len().min(REASON_LIMIT)];
    let text = match std::str::from_utf8(body) {
        Ok(text) => text,
        // A character that was cut in two ends the text; anything else is no text.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&body[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let text = text.trim();
    let from_json = |name| jsonrpc::member(text, name).and_then(jsonrpc::string);
    let text = match text.starts_with(['{', '[']) {
        // RFC 6749 §5.2, RFC 9457 §3.1, and what frameworks say.
        true => ["error_description", "message", "detail", "error", "title"]
            .into_iter()
            .find_map(from_json)
            .or_else(|| {
                jsonrpc::member(jsonrpc::member(text, "error")?, "message")
                    .and_then(jsonrpc::string)
            })?,
        false => text.to_owned(),
    };
    let text = printable(&text, SHOWN);
    (!text.is_empty() && !has_markup(&text)).then_some(text)
}

/// Whether the text has a tag or a comment of HTML.
fn has_markup(text: &str) -> bool {
    text.split('<').skip(1).any(|rest| {
        rest.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'))
    })
}
