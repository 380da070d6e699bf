//! What a request carries that grants access. Servers quote requests in their refusals, and what they
//! say is shown and logged.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::{AUTHORIZATION, HeaderMap};
use serde_json::Value;
use url::form_urlencoded;

use crate::secret::Secret;

/// The parameters that grant access, or prove who asks: RFC 6749, RFC 7009, RFC 7521, RFC 7636,
/// RFC 8628 and RFC 8693.
const SECRET: [&str; 10] = [
    "actor_token",
    "assertion",
    "client_assertion",
    "client_secret",
    "code",
    "code_verifier",
    "device_code",
    "refresh_token",
    "subject_token",
    "token",
];

/// What is shorter may be a word of what the server says, and is no secret worth the name.
const SHORTEST: usize = 8;

/// The secrets of one request, the longest first: one may have another in it.
pub struct Carried(Vec<Secret>);

impl Carried {
    /// Those in its header and in its body, if that is a form.
    pub fn of(headers: &HeaderMap, body: &str) -> Self {
        let mut all: Vec<String> = Vec::new();
        for (name, value) in form_urlencoded::parse(body.as_bytes()) {
            if SECRET.contains(&&*name) {
                all.push(form_urlencoded::byte_serialize(value.as_bytes()).collect());
                all.push(value.into_owned());
            }
        }
        let header = headers.get(AUTHORIZATION);
        let header = header.and_then(|value| value.to_str().ok()?.split_once(' '));
        if let Some((_, credential)) = header {
            all.push(credential.to_owned());
            all.extend(password(credential));
        }
        all.retain(|secret| secret.len() >= SHORTEST);
        all.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self(all.into_iter().map(Secret::new).collect())
    }

    /// Writes `[redacted]` in their place. JSON is read before, as it has many spellings for one text.
    pub fn hide(&self, body: &mut Vec<u8>) {
        match serde_json::from_slice::<Value>(body) {
            Ok(mut document) => {
                self.hide_in(&mut document);
                *body = document.to_string().into_bytes();
            }
            Err(_) => *body = self.hidden(&String::from_utf8_lossy(body)).into_bytes(),
        }
    }

    fn hide_in(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.hidden(text),
            Value::Array(all) => all.iter_mut().for_each(|one| self.hide_in(one)),
            Value::Object(members) => members.values_mut().for_each(|one| self.hide_in(one)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn hidden(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.0 {
            text = text.replace(secret.expose(), "[redacted]");
        }
        text
    }
}

/// The secret of a client that proves itself by HTTP's Basic scheme (RFC 6749 §2.3.1).
fn password(credential: &str) -> Option<String> {
    let pair = String::from_utf8(BASE64_STANDARD.decode(credential).ok()?).ok()?;
    let (_, password) = pair.split_once(':')?;
    let decoded = form_urlencoded::parse(password.as_bytes()).next()?;
    Some(decoded.0.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(headers: &[&str], form: &str, body: &str) -> String {
        let headers = headers.iter().map(|value| {
            let value = value.parse().expect("a header");
            (AUTHORIZATION, value)
        });
        let mut body = body.as_bytes().to_vec();
        Carried::of(&headers.collect(), form).hide(&mut body);
        String::from_utf8(body).expect("UTF-8")
    }

    #[test]
    fn every_secret_of_the_form_is_hidden_and_nothing_else() {
        for name in SECRET {
            let form = format!("client_id=CLIENT_ONE&{name}=A%2FSECRET%2B1&scope=read+write");
            // JSON may be written with a backslash before a slash, and with numbers for letters.
            for said in [
                "A/SECRET+1",
                r"A\/SECRET+1",
                r"A/SECRET\u002B1",
                "A%2FSECRET%2B1",
            ] {
                let body = format!(
                    r#"{{"error":{{"details":["CLIENT_ONE sent {said} for read write"]}}}}"#
                );
                assert_eq!(
                    hidden(&[], &form, &body),
                    r#"{"error":{"details":["CLIENT_ONE sent [redacted] for read write"]}}"#,
                    "{name}: {said}"
                );
            }
        }
    }

    #[test]
    fn a_secret_within_another_leaves_nothing_of_it() {
        let form = "code=SECRET_5&refresh_token=SECRET_5_AND_MORE";
        let said = "SECRET_5_AND_MORE and SECRET_5";
        assert_eq!(hidden(&[], form, said), "[redacted] and [redacted]");
    }

    #[test]
    fn what_the_header_carries_is_hidden_in_every_form() {
        let basic = format!("Basic {}", BASE64_STANDARD.encode("one:SECRET%2FTWO"));
        let said = format!("no {} with SECRET/TWO", &basic["Basic ".len()..]);
        assert_eq!(
            hidden(&[&basic], "", &said),
            "no [redacted] with [redacted]"
        );
        assert_eq!(hidden(&["Bearer SECRET_3"], "", "SECRET_3?"), "[redacted]?");
    }

    #[test]
    fn words_stay_as_they_are() {
        let said = "the code is no good";
        assert_eq!(hidden(&[], "code=code&token=good", said), said);
        let mut bytes = b"ung\xfcltig: SECRET_4".to_vec();
        Carried::of(&HeaderMap::new(), "token=SECRET_4").hide(&mut bytes);
        assert_eq!(bytes, "ung\u{fffd}ltig: [redacted]".as_bytes());
    }
}
