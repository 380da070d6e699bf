//! What token endpoints really answer, made into what RFC 6749 §5.1 says they answer.

use std::fmt;

use oauth2::{ExtraTokenFields, TokenType};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::oauth::document::{DocumentError, Object};
use crate::oauth::token::Refusal;

/// The members that decide what is sent as a token, and where that is done.
const UNIQUE: [&str; 6] = [
    "access_token",
    "refresh_token",
    "id_token",
    "token_type",
    "issued_token_type",
    "error",
];

/// An answer, sorted.
pub enum Answer {
    /// Tokens, as JSON that the oauth2 crate takes. Not to be shown.
    Tokens(Vec<u8>),
    /// A refusal, whatever its status.
    Refused(Refusal),
    /// Neither; the reason quotes nothing from the body.
    Unusable(String),
}

/// `token_type`, of any kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Kind(pub String);

impl TokenType for Kind {}

/// The members of OpenID Connect Core §3.1.3.3 and RFC 8693 §2.2.1.
#[derive(Serialize, Deserialize)]
pub struct Extra {
    pub id_token: Option<String>,
    pub issued_token_type: Option<String>,
}

impl ExtraTokenFields for Extra {}

impl fmt::Debug for Extra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Extra")
    }
}

/// Sorts an answer.
///
/// RFC 6749 §5.1 wants status 200 and JSON with a string `token_type` and an integer `expires_in`.
/// Servers answer 201, send a form or name JSON text/plain, leave the type out, write the lifetime
/// as text or with a fraction, list scopes in an array, and report errors with status 200. What is
/// meant is clear in all of these.
pub fn read(status: u16, content_type: Option<&str>, body: &[u8]) -> Answer {
    if (300..400).contains(&status) {
        return Answer::Unusable(format!(
            "it redirects (status {status}), which is not followed"
        ));
    }
    let object = match object(content_type, body) {
        Ok(object) => object,
        Err(fault) => return Answer::Unusable(format!("status {status}, but {fault}")),
    };
    if !(200..300).contains(&status) {
        return Answer::Refused(match object {
            // A form as well may be a refusal.
            Some(object) => refusal(status, object),
            None => Refusal::read(status, body),
        });
    }
    let Some(object) = object else {
        let kind = crate::untrusted::printable(content_type.unwrap_or("none"), 60);
        return Answer::Unusable(format!(
            "status {status}, but no JSON object (content type `{kind}`)"
        ));
    };
    let token = object.get("access_token").and_then(Value::as_str);
    match token.is_some_and(|token| !token.is_empty()) {
        true => Answer::Tokens(tokens(object)),
        false if object.contains_key("error") => Answer::Refused(refusal(status, object)),
        false => Answer::Unusable(format!("status {status}, but no access token")),
    }
}

fn refusal(status: u16, object: Map<String, Value>) -> Refusal {
    Refusal::read(status, Value::Object(object).to_string().as_bytes())
}

/// The members of an answer, from JSON whatever it is called, or from a form that is called one or
/// plain text.
///
/// An error is an object that two readers may read differently, or that nests deeper than any
/// honest one.
fn object(
    content_type: Option<&str>,
    body: &[u8],
) -> Result<Option<Map<String, Value>>, DocumentError> {
    match Object::parse(body, &UNIQUE) {
        Ok(object) => return Ok(Some(object.into_members())),
        Err(DocumentError::NotAnObject) => {}
        Err(fault) => return Err(fault),
    }
    let kind = content_type.unwrap_or_default().to_ascii_lowercase();
    let may_be_form = ["application/x-www-form-urlencoded", "text/plain"]
        .iter()
        .any(|form| kind.starts_with(form));
    let members: Map<String, Value> = form_urlencoded::parse(body.trim_ascii())
        .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
        .collect();
    let is_ours = ["access_token", "error"]
        .iter()
        .any(|name| members.contains_key(*name));
    Ok((may_be_form && is_ours).then_some(members))
}

/// The members that are used, each in its proper type.
fn tokens(mut object: Map<String, Value>) -> Vec<u8> {
    let mut proper = Map::new();
    for name in [
        "access_token",
        "refresh_token",
        "id_token",
        "token_type",
        "issued_token_type",
    ] {
        if let Some(Value::String(text)) = object.remove(name)
            && !text.is_empty()
        {
            proper.insert(name.to_owned(), Value::String(text));
        }
    }
    proper
        .entry("token_type")
        .or_insert_with(|| "Bearer".into());
    if let Some(seconds) = object.get("expires_in").and_then(lifetime) {
        proper.insert("expires_in".to_owned(), seconds.into());
    }
    if let Some(scope) = object.get("scope").and_then(scope) {
        proper.insert("scope".to_owned(), scope.into());
    }
    // Serialising a tree of values cannot fail.
    serde_json::to_vec(&proper).unwrap_or_default()
}

/// Seconds; none left if negative. What is no number says nothing.
fn lifetime(value: &Value) -> Option<u64> {
    let seconds = match value {
        Value::Number(number) => match number.as_u64() {
            Some(seconds) => return Some(seconds),
            None => number.as_f64()?,
        },
        Value::String(text) => text.trim().parse::<f64>().ok()?,
        _ => return None,
    };
    // The cast keeps to the range of the type, below as above.
    seconds.is_finite().then_some(seconds as u64)
}

fn scope(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => {
            let scopes: Vec<&str> = text.split_whitespace().collect();
            (!scopes.is_empty()).then(|| scopes.join(" "))
        }
        Value::Array(items) => {
            let scopes: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            (!scopes.is_empty()).then(|| scopes.join(" "))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: Option<&str> = Some("application/json");

    fn normal(content_type: Option<&str>, body: &str) -> Value {
        match read(200, content_type, body.as_bytes()) {
            Answer::Tokens(json) => serde_json::from_slice(&json).expect("json"),
            Answer::Refused(refusal) => panic!("{body}: {refusal}"),
            Answer::Unusable(reason) => panic!("{body}: {reason}"),
        }
    }

    #[test]
    fn proper_answer_keeps_its_members() {
        let body = r#"{"access_token":"A","token_type":"bearer","expires_in":3600,
            "refresh_token":"R","scope":"a b","id_token":"I","other":{"x":1}}"#;
        assert_eq!(
            normal(JSON, body),
            serde_json::json!({"access_token": "A", "token_type": "bearer", "expires_in": 3600,
                "refresh_token": "R", "scope": "a b", "id_token": "I"})
        );
    }

    #[test]
    fn lifetimes_of_all_spellings_become_whole_seconds() {
        for (written, read) in [
            ("3600", Some(3600)),
            ("3600.0", Some(3600)),
            ("3599.9", Some(3599)),
            ("\"3600\"", Some(3600)),
            ("\" 3600.5 \"", Some(3600)),
            ("0", Some(0)),
            ("-5", Some(0)),
            ("1e30", Some(u64::MAX)),
            ("18446744073709551615", Some(u64::MAX)),
            ("null", None),
            ("\"soon\"", None),
            ("\"NaN\"", None),
            ("\"\"", None),
            ("[1]", None),
        ] {
            let body = format!(r#"{{"access_token":"A","expires_in":{written}}}"#);
            assert_eq!(
                normal(JSON, &body)["expires_in"].as_u64(),
                read,
                "{written}"
            );
        }
    }

    #[test]
    fn missing_or_empty_type_is_bearer() {
        for member in [
            "",
            r#","token_type":null"#,
            r#","token_type":"""#,
            r#","token_type":1"#,
        ] {
            let body = format!(r#"{{"access_token":"A"{member}}}"#);
            assert_eq!(normal(JSON, &body)["token_type"], "Bearer", "{member}");
        }
    }

    #[test]
    fn scopes_come_as_text_or_array() {
        for (written, read) in [
            (r#""a b""#, Some("a b")),
            (r#"" a  b ""#, Some("a b")),
            (r#"["a","b"]"#, Some("a b")),
            (r#"[]"#, None),
            (r#""""#, None),
            ("null", None),
            ("7", None),
        ] {
            let body = format!(r#"{{"access_token":"A","scope":{written}}}"#);
            assert_eq!(normal(JSON, &body)["scope"].as_str(), read, "{written}");
        }
    }

    #[test]
    fn empty_or_null_refresh_token_is_none() {
        for written in ["null", "\"\"", "false"] {
            let body = format!(r#"{{"access_token":"A","refresh_token":{written}}}"#);
            assert!(
                normal(JSON, &body).get("refresh_token").is_none(),
                "{written}"
            );
        }
    }

    #[test]
    fn json_is_taken_under_any_name_and_status_of_success() {
        let body = "\u{feff}{\"access_token\":\"A\"}";
        for kind in [
            None,
            Some("text/plain"),
            Some("text/html"),
            Some("Application/JSON; x=y"),
        ] {
            assert_eq!(normal(kind, body)["access_token"], "A", "{kind:?}");
        }
        assert!(matches!(
            read(201, JSON, body.as_bytes()),
            Answer::Tokens(_)
        ));
    }

    #[test]
    fn form_is_taken_where_it_is_called_one() {
        let body = "access_token=A%2B&token_type=bearer&expires_in=60&scope=a+b\n";
        for kind in [
            "application/x-www-form-urlencoded",
            "text/plain;charset=utf-8",
        ] {
            let tokens = normal(Some(kind), body);
            assert_eq!(tokens["access_token"], "A+");
            assert_eq!(tokens["expires_in"], 60);
            assert_eq!(tokens["scope"], "a b");
        }
        let page = read(200, Some("text/html"), body.as_bytes());
        assert!(matches!(page, Answer::Unusable(_)));
    }

    #[test]
    fn error_is_a_refusal_whatever_its_status_and_form() {
        for (status, kind, body) in [
            (400, "application/json", r#"{"error":"invalid_grant"}"#),
            (200, "application/json", r#"{"error":"invalid_grant"}"#),
            (
                200,
                "application/json",
                r#"{"ok":false,"error":"invalid_grant","access_token":""}"#,
            ),
            (
                200,
                "application/x-www-form-urlencoded",
                "error=invalid_grant&error_uri=x",
            ),
            (
                401,
                "application/x-www-form-urlencoded",
                "error=invalid_grant",
            ),
        ] {
            match read(status, Some(kind), body.as_bytes()) {
                Answer::Refused(refusal) => {
                    assert_eq!(refusal.status, status);
                    assert_eq!(refusal.error.as_deref(), Some("invalid_grant"));
                }
                _ => panic!("{status} {body}"),
            }
        }
    }

    #[test]
    fn anything_else_is_unusable_and_not_quoted() {
        for (status, body) in [
            (200, "<html>SECRET</html>"),
            (200, "\"SECRET\""),
            (200, r#"{"token":"SECRET"}"#),
            (200, r#"{"access_token":{"SECRET":1}}"#),
            (200, ""),
            (204, ""),
            (302, r#"{"access_token":"SECRET"}"#),
            (307, ""),
            // Two readers would not agree about these.
            (
                200,
                r#"{"access_token":"SECRET","access_token":"SECRET_2"}"#,
            ),
            (
                200,
                r#"{"access_token":"SECRET","token_type":"Bearer","token_type":"DPoP"}"#,
            ),
            (200, r#"{"access_token":"SECRET","error":"a","error":"b"}"#),
        ] {
            match read(status, Some("text/html"), body.as_bytes()) {
                Answer::Unusable(reason) => {
                    assert!(!reason.contains("SECRET"), "{reason}");
                    assert!(reason.contains(&status.to_string()), "{reason}");
                }
                _ => panic!("{status} {body}"),
            }
        }
    }

    #[test]
    fn debug_output_hides_the_id_token() {
        let id_token = Some("ID_TOKEN_1".to_owned());
        assert_eq!(
            format!(
                "{:?}",
                Extra {
                    id_token,
                    issued_token_type: None
                }
            ),
            "Extra"
        );
    }
}
