//! What can still be made of a text that is no message as it stands.

use bytes::Bytes;

use super::{Id, Members};

/// The text without a byte order mark, which some servers put in front (RFC 8259 §8.1 lets a reader
/// ignore it).
pub fn without_byte_order_mark(text: Bytes) -> Bytes {
    match text.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => text.slice_ref(rest),
        None => text,
    }
}

/// The id of a response that is malformed in another way: not UTF-8, nested too deeply, with both
/// `result` and `error` or neither, without `jsonrpc`. Whoever waits for it will get no other.
pub fn answered_id(text: &[u8]) -> Option<Id> {
    let text = String::from_utf8_lossy(text);
    let members: Members<'_> = serde_json::from_str(&text).ok()?;
    match members.method {
        None => Id::from_json(members.id?.get()),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_malformed_answer_is_found() {
        let deep = format!(
            r#"{{"jsonrpc":"2.0","result":{}{},"id":7}}"#,
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        for text in [
            &b"{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":\"\xff\xfe\"}"[..],
            br#"{"jsonrpc":"2.0","id":7,"result":{},"error":{"code":1,"message":"m"}}"#,
            br#"{"jsonrpc":"2.0","id":7}"#,
            br#"{"id":7,"result":{}}"#,
            br#"{"jsonrpc":"1.0","id":7,"error":{}}"#,
            deep.as_bytes(),
        ] {
            assert_eq!(answered_id(text), Some(Id::from_number(7)));
        }
    }

    #[test]
    fn what_answers_nothing_has_no_such_id() {
        for text in [
            &br#"{"jsonrpc":"2.0","id":7,"method":"x","params":3}"#[..],
            br#"{"jsonrpc":"2.0","id":null,"result":{}}"#,
            br#"{"jsonrpc":"2.0","id":7.5,"result":{}}"#,
            br#"{"jsonrpc":"2.0","id":7,"result":{"#,
            br#"[{"id":7}]"#,
            b"\xff",
            b"",
        ] {
            assert_eq!(answered_id(text), None);
        }
    }

    #[test]
    fn only_a_mark_in_front_is_taken_away() {
        for (text, left) in [
            ("\u{feff}{}", "{}"),
            ("{}", "{}"),
            ("{\u{feff}}", "{\u{feff}}"),
            ("\u{feff}\u{feff}{}", "\u{feff}{}"),
            ("", ""),
        ] {
            assert_eq!(without_byte_order_mark(text.into()), left);
        }
    }
}
