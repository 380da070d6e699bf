//! What went wrong with a request, in words that say whose fault it is and what to do.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::{Duration, SystemTime};

use hyper_util::client::legacy;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error as TlsError};
use url::Url;

use super::direct::TooSlow;
use super::guard::Forbidden;
use super::proxy::display_proxy;
use super::tls::UnknownAuthority;
use crate::mcp::answer::Delivery;
use crate::untrusted::{SHOWN, printable};

/// Why a request got no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Whether the request may have been processed.
    pub delivery: Delivery,
    /// What happened, without secrets.
    pub cause: String,
    /// What the user does next, where that follows from the cause.
    pub hint: Option<&'static str>,
    /// That a server must not send us there, where that is the cause.
    pub forbidden: Option<Box<Forbidden>>,
}

/// How a request was sent, as far as it matters for what went wrong.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way<'a> {
    /// The proxy it goes through.
    pub through: Option<Through<'a>>,
    /// How long the connection may take.
    pub connect_timeout: Duration,
    /// Whether there is a client certificate to offer.
    pub has_certificate: bool,
}

/// A way through a proxy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Through<'a> {
    /// The proxy.
    pub proxy: &'a Url,
    /// Whether it leads to plain http, for which no tunnel is made.
    pub to_plain: bool,
}

const TRUST_HINT: &str = "if your network inspects TLS or the server has a private CA, name that CA's certificate with `--ca-file`";
const TLS_HINT: &str = "check the port; a server that speaks TLS is addressed with `https://`, one without with `http://`";
const CLOCK_HINT: &str =
    "if this machine's clock is right, only the operator of the server can mend that";
const PROXY_PASSWORD_HINT: &str = "put user name and password into the proxy's address, as in `http://USER:PASSWORD@HOST:PORT`, with special characters percent-encoded";

impl Trouble {
    fn new(delivery: Delivery, cause: impl Into<String>) -> Self {
        Self {
            delivery,
            cause: cause.into(),
            hint: None,
            forbidden: None,
        }
    }

    /// A server must not send us there.
    pub(super) fn forbidden(forbidden: Forbidden) -> Self {
        Self {
            forbidden: Some(Box::new(forbidden.clone())),
            ..Self::lasting(forbidden.to_string(), forbidden.hint())
        }
    }

    /// There is nothing to send requests with.
    pub(super) fn unbuilt(error: &super::client::HttpError) -> Self {
        let cause = error.source().map(ToString::to_string);
        Self::new(
            Delivery::NotSent,
            format!("{error}: {}", cause.unwrap_or_default()),
        )
    }

    /// HTTP cannot carry the address.
    pub(super) fn unsendable() -> Self {
        Self::new(Delivery::NotSent, "HTTP has no form for its address")
    }

    /// What cannot go well before somebody changes something.
    fn lasting(cause: impl Into<String>, hint: &'static str) -> Self {
        Self {
            hint: Some(hint),
            ..Self::new(Delivery::Distrusted, cause)
        }
    }

    /// Cause and hint in one sentence.
    pub fn sentence(&self) -> String {
        match self.hint {
            Some(hint) => format!("{}; {hint}", self.cause),
            None => self.cause.clone(),
        }
    }

    /// The proxy asks who we are, or does not believe it (RFC 9110 §15.5.8).
    pub(super) fn proxy_password(proxy: &Url) -> Self {
        let shown = display_proxy(proxy);
        let cause = match proxy.username().is_empty() && proxy.password().is_none() {
            true => format!("the proxy `{shown}` wants a user name and a password"),
            false => format!("the proxy `{shown}` does not accept the user name and password"),
        };
        Self::lasting(cause, PROXY_PASSWORD_HINT)
    }

    /// What a failed request comes to.
    pub(super) fn of(error: &Failed, way: &Way<'_>) -> Self {
        if let Some(forbidden) = find::<Forbidden>(error) {
            return Self::forbidden(forbidden.clone());
        }
        if let Some(tls) = find::<TlsError>(error)
            && let Some(trouble) = tls_trouble(tls, error, way)
        {
            return trouble;
        }
        if was_refused(error) {
            let cause = "it refused the request before it looked at it";
            return Self::new(Delivery::NotSent, cause);
        }
        let is_no_http = |error: &hyper::Error| error.is_parse() && !error.is_parse_too_large();
        if find::<hyper::Error>(error).is_some_and(is_no_http) {
            return Self {
                hint: Some(TLS_HINT),
                ..Self::new(Delivery::Unknown, "what it answers is not HTTP")
            };
        }
        if was_sent(error) {
            return Self::new(Delivery::Unknown, cause_of(error));
        }
        match way.through {
            Some(through) => through_proxy(error, through, way),
            None if took_too_long(error) => {
                Self::new(Delivery::NoConnection, no_connection("", way))
            }
            None => Self::new(Delivery::NotSent, cause_of(error)),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence())
    }
}

fn no_connection(through: &str, way: &Way<'_>) -> String {
    format!(
        "no connection{through} within {} s (`--connect-timeout`)",
        way.connect_timeout.as_secs_f32()
    )
}

/// A connection that failed on its way through a proxy.
fn through_proxy(error: &Failed, through: Through<'_>, way: &Way<'_>) -> Trouble {
    let Through { proxy, to_plain } = through;
    let shown = display_proxy(proxy);
    let unsent = |cause: String| Trouble::new(Delivery::NotSent, cause);
    let unreachable =
        |cause: &str| unsent(format!("the proxy `{shown}` cannot be reached: {cause}"));
    // The library keeps the types of these errors to itself, so their text has to do. Tests with
    // real proxies hold it to that.
    let said = |kind: &str| {
        chain(error).find_map(|error| error.to_string().strip_prefix(kind).map(str::to_owned))
    };
    if let Some(said) = said("tunnel error: ") {
        return match &*said {
            "proxy authorization required" => Trouble::proxy_password(proxy),
            "failed to create underlying connection" => unreachable(&last_cause(error)),
            "unsuccessful" => {
                let doubts = match proxy.username() {
                    "" => "it may not allow that, or not find it",
                    // Some say 401 or 403 instead of 407.
                    _ => {
                        "it may not allow that, not find it, or not accept the user name and password"
                    }
                };
                unsent(format!("the proxy `{shown}` opens no way to it; {doubts}"))
            }
            _ => unsent(format!(
                "the proxy `{shown}` broke off: {}",
                last_cause(error)
            )),
        };
    }
    if let Some(said) = said("SOCKS error: ") {
        return match &*said {
            "credentials not accepted"
            | "server does not support user/pass authentication"
            | "server implements authentication incorrectly" => Trouble::proxy_password(proxy),
            "failed to create underlying connection" => unreachable("nothing answers there"),
            said => unsent(format!("the proxy `{shown}` opens no way to it: {said}")),
        };
    }
    if took_too_long(error) {
        let cause = no_connection(&format!(" through the proxy `{shown}`"), way);
        return Trouble::new(Delivery::NoConnection, cause);
    }
    match to_plain {
        // Without a tunnel, the connection is to the proxy and to nothing else.
        true => unreachable(&cause_of(error)),
        false => unsent(format!("{} (through the proxy `{shown}`)", cause_of(error))),
    }
}

/// What TLS complains of, if that is known to be lasting or can be said better.
fn tls_trouble(tls: &TlsError, error: &Failed, way: &Way<'_>) -> Option<Trouble> {
    let proxys = || {
        let Through { proxy, to_plain } = way
            .through
            .filter(|through| through.proxy.scheme() == "https")?;
        let to_proxy = chain(error).any(|error| {
            error.to_string() == "tunnel error: failed to create underlying connection"
        });
        (to_proxy || to_plain)
            .then(|| format!("the certificate of the proxy `{}`", display_proxy(proxy)))
    };
    let whose = proxys().unwrap_or_else(|| "its certificate".to_owned());
    Some(match tls {
        TlsError::InvalidCertificate(why) => {
            let (cause, hint) = certificate_trouble(why, &whose);
            Trouble::lasting(cause, hint)
        }
        // Ours: there is nothing to judge a certificate by.
        TlsError::Other(why) => Trouble::lasting(
            why.to_string(),
            "install this system's CA certificates, or name some with `--ca-file`",
        ),
        TlsError::AlertReceived(alert) if is_about_our_certificate(*alert) => {
            match way.has_certificate {
                true => Trouble::lasting(
                    format!("it does not accept the client certificate ({alert:?})"),
                    "check that `--client-cert` is the one that the server wants",
                ),
                false => Trouble::lasting(
                    "it wants a client certificate",
                    "name yours with `--client-cert` and `--client-key`",
                ),
            }
        }
        TlsError::AlertReceived(alert) if !was_sent(error) => Trouble::new(
            Delivery::NotSent,
            format!("it ended the TLS handshake ({alert:?})"),
        ),
        TlsError::InvalidMessage(_) if !was_sent(error) => Trouble {
            hint: Some(TLS_HINT),
            ..Trouble::new(Delivery::NotSent, "it does not speak TLS on this port")
        },
        TlsError::PeerIncompatible(why) => Trouble::lasting(
            format!("it speaks no TLS that is secure enough ({why:?})"),
            "only the operator of the server can mend that",
        ),
        _ => return None,
    })
}

/// RFC 8446 §6.2: in TLS 1.3 these come when the client takes the handshake for finished and has
/// sent its request, but the server has refused it unread.
fn is_about_our_certificate(alert: AlertDescription) -> bool {
    use AlertDescription as A;
    matches!(
        alert,
        A::CertificateRequired
            | A::BadCertificate
            | A::UnsupportedCertificate
            | A::CertificateRevoked
            | A::CertificateExpired
            | A::CertificateUnknown
            | A::UnknownCA
            | A::AccessDenied
    )
}

fn certificate_trouble(why: &CertificateError, whose: &str) -> (String, &'static str) {
    match why {
        CertificateError::Expired => (format!("{whose} has ended"), CLOCK_HINT),
        CertificateError::ExpiredContext { not_after, .. } => {
            (format!("{whose} ended on {}", date(*not_after)), CLOCK_HINT)
        }
        CertificateError::NotValidYet => (format!("{whose} is not valid yet"), CLOCK_HINT),
        CertificateError::NotValidYetContext { not_before, .. } => (
            format!("{whose} is not valid before {}", date(*not_before)),
            CLOCK_HINT,
        ),
        CertificateError::NotValidForName => (
            format!("{whose} is for another host name"),
            "check the address",
        ),
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => {
            let names: Vec<String> = presented.iter().map(|name| presented_name(name)).collect();
            let names = match names.is_empty() {
                true => "no host".to_owned(),
                false => names.join(", "),
            };
            (
                format!("{whose} is for {names}, not for `{}`", expected.to_str()),
                "check the address",
            )
        }
        CertificateError::Revoked => (
            format!("{whose} has been revoked"),
            "only the operator of the server can mend that",
        ),
        CertificateError::UnknownIssuer => (
            format!("{whose} was issued by somebody whom this machine does not trust"),
            TRUST_HINT,
        ),
        CertificateError::Other(other) => match other.0.downcast_ref::<UnknownAuthority>() {
            Some(UnknownAuthority::Itself) => (format!("{whose} is self-signed"), TRUST_HINT),
            Some(UnknownAuthority::Named(name)) => (
                format!(
                    "{whose} was issued by `{}`, whom this machine does not trust",
                    printable(name, SHOWN)
                ),
                TRUST_HINT,
            ),
            None => (format!("{whose} is not trusted: {other}"), TRUST_HINT),
        },
        other => (format!("{whose} cannot be used: {other}"), TRUST_HINT),
    }
}

/// A name that a certificate is for. The library writes `DnsName("a.example")`.
fn presented_name(written: &str) -> String {
    let inner = written
        .split_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'))
        .unwrap_or(written);
    format!("`{}`", printable(inner.trim_matches('"'), SHOWN))
}

fn date(time: UnixTime) -> String {
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(time.as_secs()))
}

/// What a request failed with. The words of the outermost error are of no use to a person.
type Failed = dyn Error + 'static;

/// The error and its causes. An `io::Error` gives as its source the source of what it wraps, and
/// skips that itself.
fn chain(error: &Failed) -> impl Iterator<Item = &Failed> {
    std::iter::successors(Some(error), |&error| next_cause(error))
}

fn next_cause(error: &Failed) -> Option<&Failed> {
    let wrapped = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref);
    match wrapped {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

fn find<T: Error + 'static>(error: &Failed) -> Option<&T> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// Whether a request that failed may have reached the server, or parts of it.
fn was_sent(error: &Failed) -> bool {
    !(is_connect(error) || was_refused(error))
}

/// Whether there was no connection.
fn is_connect(error: &Failed) -> bool {
    chain(error).any(|error| match error.downcast_ref::<reqwest::Error>() {
        Some(error) => error.is_builder(),
        None => error
            .downcast_ref::<legacy::Error>()
            .is_some_and(legacy::Error::is_connect),
    })
}

/// Whether it was waited for no longer.
fn took_too_long(error: &Failed) -> bool {
    chain(error).any(|error| {
        error.is::<TooSlow>()
            || error.downcast_ref().is_some_and(reqwest::Error::is_timeout)
            || error.downcast_ref().is_some_and(hyper::Error::is_timeout)
            || error
                .downcast_ref()
                .is_some_and(|error: &io::Error| error.kind() == io::ErrorKind::TimedOut)
    })
}

/// Whether a request that was refused goes well on another connection, or right away: if the server
/// goes away in peace, or had too much to do.
pub(super) fn is_worth_repeating(error: &legacy::Error) -> bool {
    find::<h2::Error>(error).is_some_and(|error| {
        let reason = error.reason();
        error.is_remote()
            && (error.is_go_away() && reason == Some(h2::Reason::NO_ERROR)
                || error.is_reset() && reason == Some(h2::Reason::REFUSED_STREAM))
    })
}

/// Whether the request was certainly not processed although there was a connection.
///
/// RFC 9113 §8.7: a server says so with REFUSED_STREAM, and with a GOAWAY whose last stream is an
/// earlier one, which the library reports for no other streams. A request that was taken back
/// because its connection had closed before it could be written was not sent either.
fn was_refused(error: &Failed) -> bool {
    let by_stream = find::<h2::Error>(error).is_some_and(|error| {
        error.is_remote()
            && (error.is_go_away()
                || error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM))
    });
    by_stream || find::<hyper::Error>(error).is_some_and(hyper::Error::is_canceled)
}

/// What made a request fail: the causes' own words, without the address, whose query may grant
/// access, and without the layers that only repeat the next.
pub(super) fn cause_of(error: &Failed) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(error) = next {
        let text = error.to_string();
        // What the layers in between put in front says nothing to a person.
        let text = text.strip_prefix("other error: ").unwrap_or(&text);
        let text = match text.starts_with("peer closed connection without sending TLS close_notify")
        {
            true => "it closed the connection",
            false => text,
        };
        let text = match text {
            "dns error" => "its name cannot be looked up",
            text => text,
        };
        match parts.last_mut() {
            _ if text.starts_with("client error (") || text == "error resolving DNS" => {}
            Some(last) if last.contains(text) => {}
            Some(last) if text.contains(last.as_str()) => *last = text.to_owned(),
            _ => parts.push(text.to_owned()),
        }
        next = error.source();
    }
    match (parts.is_empty(), took_too_long(error)) {
        (false, _) => parts.join(": "),
        (true, true) => "it took too long".to_owned(),
        (true, false) => "the request failed".to_owned(),
    }
}

/// The innermost cause.
fn last_cause(error: &Failed) -> String {
    chain(error)
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
