//! Tells request, response and notification apart and leaves the payload as it came.
//!
//! A [`Message`] is the text of one JSON-RPC message with the places of the few members the rules
//! need. Nothing else is parsed into values, so numbers, key order and unknown members survive.

mod id;
mod mending;
mod method;

use std::fmt;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::line::{Line, SMALL};
use super::search::Word;
pub use id::Id;
pub use mending::{answered_id, without_byte_order_mark};
pub use method::Method;

/// Parse error (JSON-RPC 2.0 §5.1).
pub const PARSE_ERROR: i32 = -32700;
/// Invalid request.
pub const INVALID_REQUEST: i32 = -32600;
/// Method not found.
pub const METHOD_NOT_FOUND: i32 = -32601;
/// Invalid params.
pub const INVALID_PARAMS: i32 = -32602;
/// Internal error: the one code the bridge uses for failures of its own.
pub const INTERNAL_ERROR: i32 = -32603;

/// Deepest nesting of arrays and objects that is let through.
const DEPTH_LIMIT: usize = 512;
static PROGRESS_TOKEN: Word = Word::new("progressToken");

/// What kind of message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Has a method and an id.
    Request,
    /// Has a method and no id.
    Notification,
    /// Has a `result`.
    Result,
    /// Has an `error`.
    Error,
}

/// One JSON-RPC message: its text, and where in it the envelope's members stand.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    text: Bytes,
    envelope: Envelope,
}

/// What a message was found to be, and where in its text things stand.
#[derive(Clone, PartialEq, Eq)]
struct Envelope {
    kind: Kind,
    id: Option<Id>,
    id_span: Range<usize>,
    method: Option<Method>,
    /// `params`, `result` or `error`, whichever the kind has.
    body: Range<usize>,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Bodies may hold anything a person typed; they are no part of a debug text.
        f.debug_struct("Message")
            .field("kind", &self.envelope.kind)
            .field("id", &self.envelope.id)
            .field("method", &self.envelope.method)
            .field("length", &self.text.len())
            .finish()
    }
}

impl Message {
    /// What kind of message it is.
    pub fn kind(&self) -> Kind {
        self.envelope.kind
    }

    /// The id; `None` for notifications, and for error responses to messages that had none.
    pub fn id(&self) -> Option<&Id> {
        self.envelope.id.as_ref()
    }

    /// The method of a request or notification, else the empty string.
    pub fn method(&self) -> &str {
        self.envelope.method.as_deref().unwrap_or_default()
    }

    /// The same, to be kept apart from the message.
    pub fn shared_method(&self) -> Method {
        self.envelope.method.clone().unwrap_or_default()
    }

    /// The whole message, one line without a line end.
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// The same, taken out of the message.
    pub fn into_text(self) -> Bytes {
        self.text
    }

    /// The JSON text of `params`, `result` or `error`; empty if there are no `params`.
    pub fn body(&self) -> &str {
        // Spans come from a parse of this very text, which was checked to be UTF-8.
        std::str::from_utf8(&self.text[self.envelope.body.clone()]).unwrap_or_default()
    }

    /// The JSON text of a member of the body, if the body is an object that has it.
    pub fn body_member(&self, name: &str) -> Option<&str> {
        member(self.body(), name)
    }

    /// The same message with another id, everything else byte for byte.
    pub fn with_id(&self, id: &Id) -> Bytes {
        match self.envelope.id {
            Some(_) => self.replace(self.envelope.id_span.clone(), id.as_json()),
            None => self.text.clone(),
        }
    }

    /// The same, as a line for the AI client. A large message is not copied for it.
    pub fn line_with_id(&self, id: &Id) -> Line {
        match self.envelope.id {
            Some(_) if self.text.len() > SMALL => {
                Line::spliced(&self.text, self.envelope.id_span.clone(), id.as_json())
            }
            _ => self.with_id(id).into(),
        }
    }

    /// The same message with `replacement` in place of the JSON text `part`, which must be a
    /// slice of [`Message::body`] (as [`member`] gives it).
    pub fn with_part(&self, part: &str, replacement: &str) -> Message {
        let start = part.as_ptr() as usize - self.text.as_ptr() as usize;
        let text = self.replace(start..start + part.len(), replacement);
        parse(text).unwrap_or_else(|_| self.clone())
    }

    /// The `progressToken` in `params._meta` of a request, as JSON text.
    pub fn progress_token(&self) -> Option<&str> {
        // Most requests have none: a search is cheaper than a walk through the arguments.
        if !PROGRESS_TOKEN.is_in(&self.text) {
            return None;
        }
        member(member(self.body(), "_meta")?, "progressToken")
    }

    fn replace(&self, span: Range<usize>, replacement: &str) -> Bytes {
        // Not a byte too many: what is left over would have to be remembered apart.
        let length = self.text.len() - span.len() + replacement.len();
        let mut text = Vec::with_capacity(length);
        text.extend_from_slice(&self.text[..span.start]);
        text.extend_from_slice(replacement.as_bytes());
        text.extend_from_slice(&self.text[span.end..]);
        text.into()
    }
}

/// What a line, a body or an event turned out to hold.
#[derive(Debug)]
pub enum Parsed {
    /// One message.
    Single(Message),
    /// An array of messages (JSON-RPC 2.0 §6; part of MCP in revision 2025-03-26 only).
    Batch(Vec<Result<Message, Malformed>>),
}

/// Why a text is no message, and what to tell its sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The JSON-RPC error code.
    pub code: i32,
    /// What is wrong, in a few words.
    pub reason: &'static str,
    /// The id to answer with, where one can be made out.
    pub id: Option<Id>,
    /// What the text was meant to be, as far as that shows.
    pub meant: Meant,
}

/// What a malformed text was meant to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meant {
    /// Nothing we could tell, or a request: its sender is told.
    Request,
    /// A notification: never answered.
    Notification,
    /// A response: never answered, but whoever waits for it must learn that none will come.
    Response,
}

impl Malformed {
    fn new(code: i32, reason: &'static str) -> Self {
        Self {
            code,
            reason,
            id: None,
            meant: Meant::Request,
        }
    }
}

/// Reads one line, body or event. The bytes are those the other side sent; line ends between
/// tokens become blanks, so that the text is one line.
pub fn parse_any(text: Bytes) -> Result<Parsed, Malformed> {
    parse_or_return(text).map_err(|(malformed, _)| malformed)
}

/// The same, which gives back what is no message. A text that nobody else holds is cheaper to keep
/// than one that is shared.
pub fn parse_or_return(text: Bytes) -> Result<Parsed, (Malformed, Bytes)> {
    let text = single_line(text);
    match read(&text) {
        Ok(Read::Single(envelope)) => Ok(Parsed::Single(Message { text, envelope })),
        Ok(Read::Batch(entries)) => Ok(Parsed::Batch(entries)),
        Err(malformed) => Err((malformed, text)),
    }
}

/// What a text was found to be.
enum Read {
    Single(Envelope),
    Batch(Vec<Result<Message, Malformed>>),
}

fn read(text: &Bytes) -> Result<Read, Malformed> {
    let source = check(text)?;
    match source.trim_start().as_bytes().first() {
        Some(b'[') => parse_batch(text, source).map(Read::Batch),
        Some(b'{') => {
            let members: Members<'_> = serde_json::from_str(source)
                .map_err(|_| Malformed::new(PARSE_ERROR, "Parse error"))?;
            classify(source, &members).map(Read::Single)
        }
        _ if serde_json::from_str::<IgnoredAny>(source).is_ok() => {
            Err(Malformed::new(INVALID_REQUEST, "Invalid Request"))
        }
        _ => Err(Malformed::new(PARSE_ERROR, "Parse error")),
    }
}

/// Reads a text that must be a single message.
pub fn parse(text: Bytes) -> Result<Message, Malformed> {
    match parse_any(text)? {
        Parsed::Single(message) => Ok(message),
        Parsed::Batch(mut entries) if entries.len() == 1 => entries.remove(0),
        Parsed::Batch(_) => Err(Malformed::new(INVALID_REQUEST, "Invalid Request")),
    }
}

fn check(text: &Bytes) -> Result<&str, Malformed> {
    let source = std::str::from_utf8(text)
        .map_err(|_| Malformed::new(PARSE_ERROR, "Parse error: not UTF-8"))?;
    if too_deep(text) {
        return Err(Malformed::new(
            PARSE_ERROR,
            "Parse error: nested too deeply",
        ));
    }
    Ok(source)
}

fn parse_batch(text: &Bytes, source: &str) -> Result<Vec<Result<Message, Malformed>>, Malformed> {
    let entries: Vec<&RawValue> =
        serde_json::from_str(source).map_err(|_| Malformed::new(PARSE_ERROR, "Parse error"))?;
    Ok(entries
        .into_iter()
        .map(|entry| {
            let entry = entry.get();
            let members: Members<'_> = serde_json::from_str(entry)
                .map_err(|_| Malformed::new(INVALID_REQUEST, "Invalid Request"))?;
            let start = offset(source, entry);
            let envelope = classify(entry, &members)?;
            let text = text.slice(start..start + entry.len());
            Ok(Message { text, envelope })
        })
        .collect())
}

/// Sorts an object by what it has, and refuses what JSON-RPC 2.0 §4 and §5 or MCP do not allow.
fn classify(source: &str, members: &Members<'_>) -> Result<Envelope, Malformed> {
    let id = members.id.and_then(|id| Id::from_json(id.get()));
    let refuse = |code, reason, meant| {
        Err(Malformed {
            code,
            reason,
            id: id.clone(),
            meant,
        })
    };
    let span = |part: &RawValue| {
        let start = offset(source, part.get());
        start..start + part.get().len()
    };
    let is_response =
        members.method.is_none() && (members.result.is_some() || members.error.is_some());
    let meant = match (is_response, members.id, members.method) {
        (true, _, _) => Meant::Response,
        (false, None, Some(_)) => Meant::Notification,
        _ => Meant::Request,
    };
    if members.jsonrpc.map(RawValue::get) != Some("\"2.0\"") {
        return refuse(
            INVALID_REQUEST,
            "Invalid Request: `jsonrpc` must be \"2.0\"",
            meant,
        );
    }
    if is_response {
        let (kind, body) = match (members.result, members.error) {
            (Some(result), None) => (Kind::Result, result),
            (None, Some(error)) => (Kind::Error, error),
            _ => {
                return refuse(
                    INVALID_REQUEST,
                    "response with both `result` and `error`",
                    meant,
                );
            }
        };
        // An error that answers an unreadable message has `id: null` or none at all.
        if id.is_none() && (kind == Kind::Result || members.id.is_some_and(|id| id.get() != "null"))
        {
            return refuse(INVALID_REQUEST, "response without a usable `id`", meant);
        }
        return Ok(Envelope {
            kind,
            id_span: members.id.map(span).unwrap_or_default(),
            id,
            method: None,
            body: span(body),
        });
    }
    if members.id.is_some() && id.is_none() {
        return refuse(
            INVALID_REQUEST,
            "Invalid Request: `id` must be a string or an integer",
            meant,
        );
    }
    let method = members.method.and_then(|m| Method::from_json(m.get()));
    let Some(method) = method else {
        return refuse(INVALID_REQUEST, "Invalid Request: no `method`", meant);
    };
    if members
        .params
        .is_some_and(|params| !params.get().starts_with('{'))
    {
        return refuse(
            INVALID_PARAMS,
            "Invalid params: `params` must be an object",
            meant,
        );
    }
    Ok(Envelope {
        kind: if id.is_some() {
            Kind::Request
        } else {
            Kind::Notification
        },
        id_span: members.id.map(span).unwrap_or_default(),
        id,
        method: Some(method),
        body: members.params.map(span).unwrap_or_default(),
    })
}

/// The envelope's members as slices of the text. Of duplicates the last counts, as in most parsers.
#[derive(Default)]
struct Members<'a> {
    jsonrpc: Option<&'a RawValue>,
    id: Option<&'a RawValue>,
    method: Option<&'a RawValue>,
    params: Option<&'a RawValue>,
    result: Option<&'a RawValue>,
    error: Option<&'a RawValue>,
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON-RPC message")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Members::default();
                while let Some(Key(place)) = map.next_key()? {
                    match place {
                        Some(Place::Jsonrpc) => members.jsonrpc = Some(map.next_value()?),
                        Some(Place::Id) => members.id = Some(map.next_value()?),
                        Some(Place::Method) => members.method = Some(map.next_value()?),
                        Some(Place::Params) => members.params = Some(map.next_value()?),
                        Some(Place::Result) => members.result = Some(map.next_value()?),
                        Some(Place::Error) => members.error = Some(map.next_value()?),
                        None => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}

enum Place {
    Jsonrpc,
    Id,
    Method,
    Params,
    Result,
    Error,
}

/// A member's name, looked at without keeping it.
struct Key(Option<Place>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;

        impl Visitor<'_> for KeyVisitor {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member name")
            }

            fn visit_str<E>(self, name: &str) -> Result<Key, E> {
                Ok(Key(match name {
                    "jsonrpc" => Some(Place::Jsonrpc),
                    "id" => Some(Place::Id),
                    "method" => Some(Place::Method),
                    "params" => Some(Place::Params),
                    "result" => Some(Place::Result),
                    "error" => Some(Place::Error),
                    _ => None,
                }))
            }
        }

        deserializer.deserialize_str(KeyVisitor)
    }
}

/// The JSON text of the member `name` of the object in `object`; `None` if the text is no object
/// or has no such member. Of duplicates the last counts.
pub fn member<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    struct MemberVisitor<'n>(&'n str);

    impl<'de> Visitor<'de> for MemberVisitor<'_> {
        type Value = Option<&'de RawValue>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = None;
            while let Some(matches) = map.next_key_seed(NameSeed(self.0))? {
                match matches {
                    true => found = Some(map.next_value()?),
                    false => {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
            }
            Ok(found)
        }
    }

    struct NameSeed<'n>(&'n str);

    impl<'de> serde::de::DeserializeSeed<'de> for NameSeed<'_> {
        type Value = bool;

        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
            deserializer.deserialize_str(self)
        }
    }

    impl Visitor<'_> for NameSeed<'_> {
        type Value = bool;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a member name")
        }

        fn visit_str<E>(self, name: &str) -> Result<bool, E> {
            Ok(name == self.0)
        }
    }

    if !object.starts_with('{') {
        return None;
    }
    let mut deserializer = serde_json::Deserializer::from_str(object);
    deserializer
        .deserialize_map(MemberVisitor(name))
        .ok()
        .flatten()
        .map(RawValue::get)
}

/// The value of a JSON string; `None` if the text is anything else.
pub fn string(json: &str) -> Option<String> {
    serde_json::from_str(json).ok()
}

/// A response with an empty result.
pub fn empty_result(id: &Id) -> Bytes {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}").into()
}

/// How to write the id of an error whose cause had no readable id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingId {
    /// `"id":null`, as JSON-RPC 2.0 §5 has it.
    Null,
    /// No `id` member, as MCP's schema has it from revision 2025-11-25 on.
    Omitted,
}

/// An error response. `data` is JSON text.
pub fn error(
    id: Option<&Id>,
    missing: MissingId,
    code: i32,
    message: &str,
    data: Option<&str>,
) -> Bytes {
    let id = match (id, missing) {
        (Some(id), _) => format!("\"id\":{id},"),
        (None, MissingId::Null) => "\"id\":null,".to_owned(),
        (None, MissingId::Omitted) => String::new(),
    };
    let data = data
        .map(|data| format!(",\"data\":{data}"))
        .unwrap_or_default();
    let message = quote(message);
    format!("{{\"jsonrpc\":\"2.0\",{id}\"error\":{{\"code\":{code},\"message\":{message}{data}}}}}")
        .into()
}

/// A text as a JSON string.
pub fn quote(text: &str) -> String {
    // Writing a string to memory cannot fail.
    serde_json::to_string(text).unwrap_or_default()
}

fn offset(whole: &str, part: &str) -> usize {
    part.as_ptr() as usize - whole.as_ptr() as usize
}

/// Makes a text one line. Raw line ends can only stand between tokens, where a blank means the
/// same. Text that nobody else holds is changed where it lies.
pub fn single_line(text: Bytes) -> Bytes {
    let Some(first) = memchr::memchr2(b'\n', b'\r', &text) else {
        return text;
    };
    let mut text = text
        .try_into_mut()
        .unwrap_or_else(|shared| BytesMut::from(&shared[..]));
    for byte in &mut text[first..] {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    text.freeze()
}

/// Whether arrays and objects are nested deeper than the limit. Only texts that have that many
/// brackets at all are looked at closely.
fn too_deep(text: &[u8]) -> bool {
    if memchr::memchr2_iter(b'{', b'[', text)
        .nth(DEPTH_LIMIT)
        .is_none()
    {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (true, b'"') => in_string = false,
            (true, _) => {}
            (false, b'"') => in_string = true,
            (false, b'{' | b'[') => {
                depth += 1;
                if depth > DEPTH_LIMIT {
                    return true;
                }
            }
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests;
