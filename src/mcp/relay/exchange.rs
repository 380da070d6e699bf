//! What the relay wants done, and what it is told.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::mcp::era::Head;
use crate::mcp::failure::Failure;
use crate::mcp::jsonrpc::{Id, Message, Method};
use crate::mcp::line::Line;
use crate::mcp::record::ServerRecord;
use crate::mcp::session::Session;
use crate::mcp::transport::{Endpoint, Route, Transport};
use crate::secret::Secret;

/// What the relay wants done.
#[derive(Debug)]
pub enum Effect {
    /// Write this line to the AI client.
    ToHost(Line),
    /// POST this message, or open the event stream.
    Send(Outgoing),
    /// Stop an exchange: nobody waits for it any more.
    Abort(u64),
    /// Nobody waits for this exchange any more, but it may come to its end by itself: its answer came
    /// by another way.
    Release(u64),
    /// Open the standing GET stream, as this exchange.
    OpenStanding {
        /// Its number.
        exchange: u64,
        /// The session it belongs to.
        session: Arc<Session>,
    },
    /// Tell the server that the session is over.
    EndSession(Arc<Session>),
    /// Keep for the next start what the server said of itself and which transport it speaks.
    Remember {
        /// What it said.
        record: Box<ServerRecord>,
        /// The transport.
        transport: Transport,
        /// Whether that was found out just now.
        detected: bool,
    },
    /// Look out for tokens that another process obtains. [`Event::TokensChanged`] says so.
    AwaitTokens(u64),
    /// Finish the sign-in with what the user pasted. [`Event::Brought`] says what came of it.
    Bring {
        /// The exchange to say it for.
        call: u64,
        /// What was pasted.
        text: Secret,
    },
    /// Have every later message go over a new connection, and streams asked for again: the ones in
    /// use are dead.
    RenewConnections,
    /// Say something on stderr: for people, or for whoever debugs.
    Note(Note),
}

/// A remark for stderr.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// Worth a person's attention.
    Notable(String),
    /// For debugging.
    Detail(String),
}

/// A message for the remote server.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The exchange; for requests also the JSON-RPC id.
    pub exchange: u64,
    /// The message.
    pub body: Bytes,
    /// What is to be expected in return.
    pub kind: OutgoingKind,
    /// Whether it is a request that does no harm if it is carried out twice.
    pub repeatable: bool,
    /// The session; `None` for `initialize`.
    pub session: Option<Arc<Session>>,
    /// Where it goes.
    pub route: Route,
    /// Whether a person may be asked to sign in for it.
    pub asks: bool,
    /// What its head repeats of it, at a server without sessions.
    pub head: Option<Box<Head>>,
}

/// What kind of message goes to the remote server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutgoingKind {
    /// A request with this method.
    Request(Method),
    /// A notification with this method.
    Notification(Method),
    /// The answer to a request of the server.
    Response,
    /// No message: a GET that opens the event stream of MCP 2024-11-05.
    Events {
        /// Whether one attempt is enough, as another follows later.
        once: bool,
    },
}

/// What happened on an exchange.
#[derive(Debug)]
pub enum Event {
    /// The answer to `initialize` came with these headers (before its message).
    SessionHeader(Option<Secret>),
    /// A message that came in a body or on a stream.
    Message(Message),
    /// The one answer to this exchange's request, whatever its id says.
    Reply(Message),
    /// What answers the request with this id, and is no message.
    NoMessage {
        /// The id.
        id: Id,
        /// What is wrong with it, in a few words.
        reason: &'static str,
    },
    /// The request was answered with this HTTP status and JSON-RPC error.
    Refused {
        /// The status.
        status: u16,
        /// The error.
        error: Message,
    },
    /// The server took a notification or response; or a request, without answering it here.
    Accepted,
    /// The server no longer knows the session.
    SessionLost,
    /// The event stream is open, and messages go to this address; again if the server names another.
    Connected(Endpoint),
    /// The GET was answered, but with no event stream of MCP 2024-11-05.
    NoEvents(Failure),
    /// The event stream has ended.
    EventsEnded {
        /// How, and what becomes of a request that waits for it.
        failure: Failure,
        /// The delay before a reconnect that the server asked for.
        retry: Option<Duration>,
    },
    /// A stream could not be opened again, and the server may no longer know the session.
    SessionDoubted,
    /// The standing stream is open.
    StandingOpen,
    /// The standing stream was reopened and what came in between is lost.
    StandingGap,
    /// The server offers no standing stream.
    StandingAbsent,
    /// The exchange waits for a person to sign in. Said as soon as that is known, and again every
    /// now and then.
    SigningIn,
    /// The exchange waits before it is sent again. Said as soon as that is known, and again every now
    /// and then.
    Waiting {
        /// What for, in a few words.
        why: String,
    },
    /// The exchange waits for a token that can be had without a person, but not as fast as an AI
    /// client expects an answer to `initialize`.
    Delayed,
    /// Nobody has signed in for as long as the AI client can be kept waiting ([`super::PATIENCE`]).
    /// The server refused the request, which therefore had no effect.
    NotSignedIn,
    /// Another process has changed the tokens.
    TokensChanged,
    /// What came of the address that the user pasted; an error says why and what to do.
    Brought(Result<(), String>),
    /// There will be no answer.
    Failed(Failure),
    /// There will be no answer, since none came in time; the server may still be at work.
    GaveUp(Failure),
}
