//! What the answer to a GET means, for the standing stream and for the rest of another (MCP
//! 2025-11-25, Transports, Listening for Messages from the Server, Resumability and Redelivery).

use super::answer::BodyKind;
use super::jsonrpc::Message;
use super::session;

/// The head of an answer to a GET.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The status code.
    pub status: u16,
    /// What the body is.
    pub body_kind: BodyKind,
    /// The JSON-RPC error in the body of a refusal, if there is one.
    pub error: Option<&'a Message>,
    /// Whether the request carried a session id.
    pub with_session: bool,
}

impl Head<'_> {
    fn is_stream(&self) -> bool {
        self.status == 200 && self.body_kind == BodyKind::EventStream
    }

    /// Whether the server may no longer know the session. It is not certain: where there is no
    /// standing stream at all, a server may say 404 as well.
    fn doubts_session(&self) -> bool {
        self.with_session && session::means_session_lost(self.status, self.error)
    }

    /// Whether the server, or something on the way to it, is only unable at the moment.
    fn is_passing(&self) -> bool {
        matches!(self.status, 408 | 425 | 429 | 500 | 502..=599)
    }
}

/// What the answer to the GET for the standing stream means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The stream is open.
    Open,
    /// A token is needed, or another one.
    SignIn,
    /// To be asked again after a while.
    Again(Again),
    /// The server has none.
    Absent,
}

/// How a standing stream is asked for again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Again {
    /// The cursor is of no use any more.
    pub afresh: bool,
    /// The session may be gone.
    pub doubts_session: bool,
}

/// Judges the answer to the GET for the standing stream.
///
/// `was_open`: this session has had one before. Then a refusal is a matter of the moment, of a
/// server that restarts or still thinks the last one open, and only a server that says that it does
/// not have such a thing is believed. `with_cursor`: it was asked to resume.
pub fn judge_standing(head: Head<'_>, was_open: bool, with_cursor: bool) -> Standing {
    match head.status {
        _ if head.is_stream() => Standing::Open,
        401 => Standing::SignIn,
        // Those that can be followed were followed.
        300..=399 => Standing::Absent,
        _ if head.is_passing() => Standing::Again(Again::default()),
        // Somebody has it: a connection of ours that the server has not noticed to be gone.
        409 => Standing::Again(Again::default()),
        405 | 406 | 501 => Standing::Absent,
        _ if !was_open => Standing::Absent,
        status => Standing::Again(Again {
            // The server does not know the cursor, whatever else it means.
            afresh: with_cursor && status == 400,
            doubts_session: head.doubts_session(),
        }),
    }
}

/// What the answer to the GET for the rest of a stream means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumed {
    /// It goes on.
    Open,
    /// A token is needed, or another one.
    SignIn,
    /// To be asked again after a while.
    Again,
    /// There is no rest.
    Gone {
        /// Why, after "resuming it was answered …".
        why: &'static str,
        /// The session may be gone.
        doubts_session: bool,
    },
}

/// Judges the answer to the GET for the rest of a stream.
pub fn judge_resumed(head: Head<'_>) -> Resumed {
    let doubts_session = head.doubts_session();
    let why = match head.status {
        _ if head.is_stream() => return Resumed::Open,
        401 => return Resumed::SignIn,
        // The server has not noticed that the connection before is gone.
        409 => return Resumed::Again,
        _ if head.is_passing() => return Resumed::Again,
        _ if doubts_session => "the server may have lost the session",
        405 | 501 => "the server does not resume streams",
        400 => "the server does not know where it ended",
        200 => "something other than events came",
        _ => "the server refused",
    };
    Resumed::Gone {
        why,
        doubts_session,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::jsonrpc;

    fn error(text: &str) -> Message {
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":null,"error":{{"code":-32000,"message":"{text}"}}}}"#
        );
        jsonrpc::parse(text.into()).unwrap()
    }

    fn head(status: u16, with_session: bool, error: Option<&Message>) -> Head<'_> {
        Head {
            status,
            body_kind: BodyKind::EventStream,
            error,
            with_session,
        }
    }

    const AGAIN: Standing = Standing::Again(Again {
        afresh: false,
        doubts_session: false,
    });
    const DOUBTS: Standing = Standing::Again(Again {
        afresh: false,
        doubts_session: true,
    });

    #[test]
    fn a_first_standing_stream_is_there_or_not_or_comes_later() {
        for (status, expected) in [
            (200, Standing::Open),
            (401, Standing::SignIn),
            (307, Standing::Absent),
            (308, Standing::Absent),
            (408, AGAIN),
            (409, AGAIN),
            (425, AGAIN),
            (429, AGAIN),
            (500, AGAIN),
            (502, AGAIN),
            (503, AGAIN),
            (504, AGAIN),
            (599, AGAIN),
            (400, Standing::Absent),
            (403, Standing::Absent),
            (404, Standing::Absent),
            (405, Standing::Absent),
            (406, Standing::Absent),
            (410, Standing::Absent),
            (501, Standing::Absent),
            (204, Standing::Absent),
            (301, Standing::Absent),
        ] {
            for with_session in [false, true] {
                let seen = judge_standing(head(status, with_session, None), false, false);
                assert_eq!(seen, expected, "{status}");
            }
        }
    }

    #[test]
    fn a_standing_stream_that_was_open_is_given_up_only_if_the_server_has_none() {
        for (status, expected) in [
            (200, Standing::Open),
            (401, Standing::SignIn),
            (403, AGAIN),
            (404, DOUBTS),
            (410, DOUBTS),
            (400, AGAIN),
            (405, Standing::Absent),
            (406, Standing::Absent),
            (501, Standing::Absent),
            (204, AGAIN),
            (409, AGAIN),
            (503, AGAIN),
        ] {
            let seen = judge_standing(head(status, true, None), true, false);
            assert_eq!(seen, expected, "{status}");
        }
    }

    #[test]
    fn what_is_no_event_stream_is_no_standing_stream() {
        for body_kind in [BodyKind::Json, BodyKind::Unknown] {
            let head = Head {
                body_kind,
                ..head(200, true, None)
            };
            assert_eq!(judge_standing(head, false, false), Standing::Absent);
            assert_eq!(judge_standing(head, true, true), AGAIN);
            assert!(matches!(judge_resumed(head), Resumed::Gone { .. }));
        }
    }

    #[test]
    fn a_cursor_that_the_server_refuses_is_given_up() {
        for (status, afresh) in [(400, true), (404, false), (409, false), (503, false)] {
            let Standing::Again(again) = judge_standing(head(status, true, None), true, true)
            else {
                panic!("{status}");
            };
            assert_eq!(again.afresh, afresh, "{status}");
        }
    }

    #[test]
    fn a_session_is_doubted_only_where_there_is_one() {
        let (session, other) = (
            error("No valid session ID provided"),
            error("Unknown event"),
        );
        for (status, error, doubts) in [
            (404, None, true),
            (404, Some(&other), true),
            (410, None, true),
            (400, Some(&session), true),
            (400, Some(&other), false),
            (400, None, false),
            (403, Some(&session), false),
        ] {
            for with_session in [false, true] {
                let head = head(status, with_session, error);
                let Standing::Again(again) = judge_standing(head, true, false) else {
                    panic!("{status}");
                };
                assert_eq!(again.doubts_session, doubts && with_session, "{status}");
                let Resumed::Gone { doubts_session, .. } = judge_resumed(head) else {
                    panic!("{status}");
                };
                assert_eq!(doubts_session, doubts && with_session, "{status}");
            }
        }
    }

    #[test]
    fn the_rest_of_a_stream_comes_or_comes_later_or_is_gone() {
        let word = |status| match judge_resumed(head(status, true, None)) {
            Resumed::Open => "open",
            Resumed::SignIn => "sign in",
            Resumed::Again => "again",
            Resumed::Gone { why, .. } => why,
        };
        for (status, expected) in [
            (200, "open"),
            (401, "sign in"),
            (408, "again"),
            (409, "again"),
            (425, "again"),
            (429, "again"),
            (500, "again"),
            (502, "again"),
            (503, "again"),
            (599, "again"),
            (400, "the server does not know where it ended"),
            (404, "the server may have lost the session"),
            (410, "the server may have lost the session"),
            (405, "the server does not resume streams"),
            (501, "the server does not resume streams"),
            (403, "the server refused"),
            (302, "the server refused"),
        ] {
            assert_eq!(word(status), expected, "{status}");
        }
    }
}
