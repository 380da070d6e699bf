//! The exchanges over real sockets.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::*;
use crate::net::client::HttpSettings;
use crate::net::request::PROGRAM;

/// A server that gives the answers it was told, in turn, and remembers what it was asked.
pub struct Remote {
    pub url: Url,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Remote {
    pub async fn new<const N: usize>(answers: [String; N]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let port = listener.local_addr().expect("address").port();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = asked.clone();
        tokio::spawn(async move {
            let mut answers = VecDeque::from(answers);
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = read_request(&mut stream).await;
                log.lock().expect("log").push(request);
                match answers.pop_front() {
                    Some(answer) => {
                        let _ = stream.write_all(answer.as_bytes()).await;
                    }
                    // Nothing more to say: the connection stays open and silent.
                    None => {
                        let _ = stream.read_to_end(&mut Vec::new()).await;
                    }
                }
            }
        });
        let url = Url::parse(&format!("http://127.0.0.1:{port}/start?key=SECRET")).expect("url");
        Self { url, asked }
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("log").clone()
    }
}

async fn read_request(stream: &mut tokio::net::TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let (mut text, mut length) = (String::new(), 0);
    loop {
        let start = text.len();
        if reader.read_line(&mut text).await.unwrap_or(0) == 0 {
            return text;
        }
        let line = text[start..].to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().expect("length");
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    let _ = reader.read_exact(&mut body).await;
    text + &String::from_utf8_lossy(&body)
}

pub fn answer(status: u16, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn redirect(to: &str) -> String {
    answer(302, &format!("location: {to}\r\nset-cookie: a=1\r\n"), "")
}

pub fn client() -> Connections {
    Connections::new(HttpSettings::default()).expect("client")
}

#[tokio::test]
async fn document_comes_with_status_type_and_address() {
    let remote = Remote::new([answer(
        404,
        "content-type: Application/JSON; charset=utf-8\r\nretry-after: 7\r\n",
        "{}",
    )])
    .await;
    let version = HeaderName::from_static("mcp-protocol-version");
    let headers = HeaderMap::from_iter([(version, HeaderValue::from_static("2025-11-25"))]);
    let document = fetch(&client(), remote.url.clone(), headers)
        .await
        .expect("document");
    assert_eq!(document.status, 404);
    assert_eq!(
        document.content_type.as_deref(),
        Some("Application/JSON; charset=utf-8")
    );
    assert_eq!(document.retry_after, Some(Duration::from_secs(7)));
    assert_eq!(document.body, b"{}");
    assert_eq!(document.url, remote.url);
    let asked = remote.asked().remove(0);
    assert!(asked.starts_with("GET /start?key=SECRET HTTP/1.1\r\n"));
    assert!(
        asked.contains(&format!("user-agent: {PROGRAM}\r\n")),
        "{asked}"
    );
    assert!(asked.contains("accept: application/json\r\n"), "{asked}");
    assert!(
        asked.contains("mcp-protocol-version: 2025-11-25\r\n"),
        "{asked}"
    );
    assert!(!asked.contains("authorization"), "{asked}");
}

#[tokio::test]
async fn three_redirects_within_the_origin_are_followed_without_cookies() {
    let remote = Remote::new([
        redirect("/1"),
        redirect("2"),
        redirect("/3"),
        answer(200, "", "x"),
    ])
    .await;
    let document = fetch(&client(), remote.url.clone(), HeaderMap::new())
        .await
        .expect("document");
    assert_eq!((document.url.path(), &document.body[..]), ("/3", &b"x"[..]));
    assert!(remote.asked().iter().all(|asked| !asked.contains("cookie")));
}

#[tokio::test]
async fn fourth_redirect_is_an_error() {
    let remote = Remote::new([
        redirect("/1"),
        redirect("/2"),
        redirect("/3"),
        redirect("/4"),
    ])
    .await;
    let error = fetch(&client(), remote.url.clone(), HeaderMap::new())
        .await
        .expect_err("too many");
    assert!(matches!(error, FetchError::Redirected { .. }));
    assert_eq!(remote.asked().len(), 4);
}

#[tokio::test]
async fn redirect_to_another_origin_is_not_followed() {
    let other = Remote::new([answer(200, "", "x")]).await;
    let remote = Remote::new([redirect(other.url.as_str())]).await;
    let error = fetch(&client(), remote.url.clone(), HeaderMap::new())
        .await
        .expect_err("elsewhere");
    assert!(matches!(error, FetchError::Redirected { .. }));
    assert!(!error.to_string().contains("SECRET"), "{error}");
    assert!(other.asked().is_empty());
}

#[tokio::test]
async fn post_is_not_redirected_and_carries_its_token() {
    let remote = Remote::new([redirect("/1"), redirect("/1")]).await;
    let token = Secret::new("REGISTRATION_TOKEN_1");
    let http = client();
    let document = post_json(
        &http,
        remote.url.clone(),
        Some(&token),
        "{\"a\":1}".to_owned(),
    )
    .await
    .expect("document");
    assert_eq!(document.status, 302);
    let document = post_form(
        &http,
        remote.url.clone(),
        HeaderMap::new(),
        "a=1".to_owned(),
    )
    .await
    .expect("document");
    assert_eq!(document.status, 302);
    let asked = remote.asked();
    assert!(asked[0].starts_with("POST ") && asked[0].ends_with("{\"a\":1}"));
    assert!(asked[0].contains("authorization: Bearer REGISTRATION_TOKEN_1\r\n"));
    assert!(asked[0].contains("content-type: application/json\r\n"));
    assert!(asked[1].contains("content-type: application/x-www-form-urlencoded\r\n"));
    assert!(asked[1].ends_with("a=1"));
}

#[tokio::test]
async fn deletion_carries_its_token_and_is_not_redirected() {
    let remote = Remote::new([redirect("/1")]).await;
    let token = Secret::new("REGISTRATION_TOKEN_1");
    let document = delete(&client(), remote.url.clone(), &token)
        .await
        .expect("document");
    assert_eq!(document.status, 302);
    let asked = remote.asked().remove(0);
    assert!(asked.starts_with("DELETE /start?key=SECRET HTTP/1.1\r\n"));
    assert!(asked.contains("authorization: Bearer REGISTRATION_TOKEN_1\r\n"));
}

#[tokio::test]
async fn token_that_no_header_can_carry_is_refused_without_being_shown() {
    let remote = Remote::new([]).await;
    let token = Secret::new("TOKEN_1\r\nx: y");
    let error = post_json(&client(), remote.url.clone(), Some(&token), String::new())
        .await
        .expect_err("refused");
    assert!(!error.may_have_been_processed());
    assert!(!error.to_string().contains("TOKEN_1"), "{error}");
}

#[tokio::test]
async fn oversized_answer_is_cut_off_with_and_without_a_length() {
    let body = "x".repeat(LIMITS.size + 1);
    let unannounced = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{body}");
    let remote = Remote::new([answer(200, "", &body), unannounced]).await;
    for _ in 0..2 {
        let error = fetch(&client(), remote.url.clone(), HeaderMap::new())
            .await
            .expect_err("too large");
        assert!(matches!(error, FetchError::TooLarge { .. }));
        assert!(error.to_string().contains("256 KiB"));
    }
}

#[tokio::test]
async fn refused_connection_was_never_sent() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        listener.local_addr().expect("address").port()
    };
    let url = Url::parse(&format!("http://127.0.0.1:{port}/mcp?key=SECRET")).expect("url");
    let error = fetch(&client(), url, HeaderMap::new())
        .await
        .expect_err("refused");
    assert!(!error.may_have_been_processed());
    let text = error.to_string();
    assert!(
        text.contains("refused") && !text.contains("SECRET"),
        "{text}"
    );
}

#[tokio::test]
async fn connection_cut_before_or_within_the_answer_may_have_been_processed() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{".to_owned();
    let remote = Remote::new([String::new(), cut]).await;
    for _ in 0..2 {
        let error = post_json(&client(), remote.url.clone(), None, String::new())
            .await
            .expect_err("cut");
        assert!(error.may_have_been_processed(), "{error}");
    }
    assert_eq!(remote.asked().len(), 2, "nothing is sent twice");
}

#[tokio::test]
async fn silent_server_is_given_up_after_the_limit() {
    let remote = Remote::new([]).await;
    let limits = Limits {
        time: Duration::from_millis(1),
        ..LIMITS
    };
    let error = fetch_within(
        &client(),
        remote.url.clone(),
        HeaderMap::new(),
        Whose::Learnt,
        limits,
    )
    .await
    .expect_err("silent");
    assert!(error.may_have_been_processed());
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").expect("date");
    let read = |value| retry_after(value, now);
    assert_eq!(read(" 120 "), Some(Duration::from_secs(120)));
    assert_eq!(
        read("Sun, 06 Nov 1994 08:49:47 GMT"),
        Some(Duration::from_secs(10))
    );
    assert_eq!(read("Sun, 06 Nov 1994 08:49:27 GMT"), Some(Duration::ZERO));
    assert_eq!(read("soon"), None);
    assert_eq!(read("-1"), None);
    assert_eq!(read(""), None);
    assert_eq!(read("1.5"), None);
    // RFC 9110 §5.6.7: the two obsolete forms of a date.
    let ten = Some(Duration::from_secs(10));
    assert_eq!(read("Sunday, 06-Nov-94 08:49:47 GMT"), ten);
    assert_eq!(read("Sun Nov  6 08:49:47 1994"), ten);
    for long in [
        "99999999999999999999999999",
        "18446744073709551615",
        "Fri, 31 Dec 9999 23:59:59 GMT",
    ] {
        assert_eq!(read(long), Some(RETRY_AFTER_LIMIT), "{long}");
    }
}
