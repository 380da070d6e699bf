//! What comes to the callback address: from the authorization server, and from pages that a browser
//! shows meanwhile.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use playground::hostile::CODE;

use super::row::{Attack, Callback, Outcome, table};
use super::world::CANARY;

/// Sends these bytes to the listener and gives the status; 0 if there is no answer.
fn raw(callback: &Callback<'_>, text: &str) -> u16 {
    let port = callback.redirect_uri.port().unwrap_or(80);
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
        return 0;
    };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
    let _ = stream.write_all(text.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        !answer.to_ascii_lowercase().contains("access-control-"),
        "{answer}"
    );
    assert!(
        !answer.contains(CODE) && !answer.contains("<script"),
        "{answer}"
    );
    answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or(0)
}

/// A request line and headers; the query is right but for what the test changes.
fn request(callback: &Callback<'_>, method: &str, host: &str, headers: &str) -> String {
    let url = callback.url(&[
        ("code", CODE),
        ("state", callback.state),
        ("iss", &callback.origins.authority),
    ]);
    format!(
        "{method} {}?{} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n",
        url.path(),
        url.query().unwrap_or_default()
    )
}

fn own_host(callback: &Callback<'_>) -> String {
    format!("127.0.0.1:{}", callback.redirect_uri.port().unwrap_or(80))
}

/// Somebody comes with this before the person does, and is shown out.
fn stray(
    name: &str,
    statuses: &'static [u16],
    visit: impl Fn(&Callback<'_>) -> u16 + Send + Sync + 'static,
) -> Attack {
    let named = name.to_owned();
    Attack::new(
        format!("callback: {name}"),
        Outcome::Harmless,
        |_, _, honest| honest,
    )
    .person(move |callback| {
        let status = visit(callback);
        assert!(statuses.contains(&status), "{named}: {status}");
        callback.bring_code();
    })
}

/// A page of another site has the browser ask.
fn page(name: &str, method: &'static str, headers: &'static str, status: &'static [u16]) -> Attack {
    stray(name, status, move |callback| {
        raw(
            callback,
            &request(callback, method, &own_host(callback), headers),
        )
    })
}

fn rebound(host: &'static str) -> Attack {
    let shown = host.replace("\r\n", " and ");
    stray(
        &format!("a page whose name leads here (`Host: {shown}`)"),
        &[400, 421],
        move |callback| {
            let port = callback.redirect_uri.port().unwrap_or(80);
            let host = host.replace("PORT", &port.to_string());
            raw(callback, &request(callback, "GET", &host, ""))
        },
    )
}

/// The authorization server sends the browser back with this.
fn brings(
    name: &str,
    outcome: Outcome,
    parameters: impl Fn(&Callback<'_>) -> Vec<(&'static str, String)> + Send + Sync + 'static,
) -> Attack {
    Attack::new(format!("callback: {name}"), outcome, |_, _, honest| honest)
        .argument("--auth-timeout=3")
        .person(move |callback| {
            let parameters = parameters(callback);
            let parameters: Vec<(&str, &str)> = (parameters.iter())
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            callback.visit("GET", &parameters, &[]);
        })
}

#[test]
fn visits_to_the_callback_address_get_nothing() {
    let right = |callback: &Callback<'_>| {
        vec![
            ("code", CODE.to_owned()),
            ("state", callback.state.to_owned()),
            ("iss", callback.origins.authority.clone()),
        ]
    };
    let with = move |callback: &Callback<'_>, name: &'static str, value: &str| {
        let mut all = right(callback);
        all.retain(|(known, _)| *known != name);
        all.push((name, value.to_owned()));
        all
    };
    let twice = move |callback: &Callback<'_>, name: &'static str| {
        let mut all = right(callback);
        all.push((name, "other".to_owned()));
        all
    };
    let nasty = format!(
        "\u{1b}[2J\r\n\u{202e}<script>alert(1)</script>$(touch {CANARY})`touch {CANARY}`;touch {CANARY}"
    );
    let (denied, refused) = (nasty.clone(), nasty);
    let attacks = vec![
        brings(
            "a wrong `state`",
            Outcome::Refused("not finished within"),
            move |c| with(c, "state", "x"),
        ),
        brings(
            "an empty `state`",
            Outcome::Refused("not finished within"),
            move |c| with(c, "state", ""),
        ),
        brings(
            "two `state`",
            Outcome::Refused("not finished within"),
            move |c| twice(c, "state"),
        ),
        brings("a foreign `iss`", Outcome::Refused("answered"), move |c| {
            with(c, "iss", "https://evil.example")
        }),
        brings(
            "another server of the same flow as `iss`",
            Outcome::Refused("answered"),
            move |c| {
                let elsewhere = c.origins.elsewhere.clone();
                with(c, "iss", &elsewhere)
            },
        ),
        brings(
            "`iss` with a slash more",
            Outcome::Refused("answered"),
            move |c| {
                let slash = format!("{}/", c.origins.authority);
                with(c, "iss", &slash)
            },
        ),
        brings(
            "no `iss` although it is promised",
            Outcome::Refused("no `iss`"),
            move |c| {
                let mut all = right(c);
                all.retain(|(name, _)| *name != "iss");
                all
            },
        ),
        brings(
            "two `iss`",
            Outcome::Refused("more than one `iss`"),
            move |c| twice(c, "iss"),
        ),
        brings(
            "two `code`",
            Outcome::Refused("more than one `code`"),
            move |c| twice(c, "code"),
        ),
        brings("no `code`", Outcome::Refused("no `code`"), move |c| {
            with(c, "code", "")
        }),
        brings(
            "an error of shell and terminal text",
            Outcome::Refused(""),
            move |c| {
                let mut all = with(c, "error", &refused);
                all.push(("error_description", refused.repeat(50)));
                all.push(("error_uri", "javascript:alert(1)".to_owned()));
                all
            },
        ),
        brings(
            "a refusal in terminal text",
            Outcome::Refused("declined"),
            move |c| {
                let mut all = with(c, "error", "access_denied");
                all.retain(|(name, _)| *name != "code");
                all.push(("error_description", denied.clone()));
                all
            },
        ),
        brings(
            "an error with a foreign `iss`",
            Outcome::Refused("answered"),
            move |c| {
                let mut all = with(c, "iss", "https://evil.example");
                all.push(("error", "access_denied".to_owned()));
                all.push(("error_description", "believe me".to_owned()));
                all
            },
        ),
        page(
            "a form of another site (POST)",
            "POST",
            "Origin: https://evil.example\r\nContent-Length: 0\r\n",
            &[405],
        ),
        page(
            "a preflight",
            "OPTIONS",
            "Origin: https://evil.example\r\nAccess-Control-Request-Method: GET\r\nAccess-Control-Request-Private-Network: true\r\n",
            &[405],
        ),
        page("HEAD", "HEAD", "", &[405]),
        page("TRACE", "TRACE", "", &[405]),
        page(
            "`fetch` by a page of another site",
            "GET",
            "Origin: https://evil.example\r\nReferer: https://evil.example/\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: empty\r\n",
            &[403],
        ),
        page(
            "an image of a page of another site",
            "GET",
            "Referer: https://evil.example/\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\n",
            &[403],
        ),
        page(
            "a web socket",
            "GET",
            "Origin: https://evil.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-Fetch-Mode: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n",
            &[403],
        ),
        stray("a page of another site that guesses", &[400], |callback| {
            let headers = [
                ("Referer", "https://evil.example/"),
                ("Sec-Fetch-Mode", "navigate"),
            ];
            callback
                .visit("GET", &[("code", "guess"), ("state", "guess")], &headers)
                .unwrap_or(0)
        }),
        rebound("evil.example"),
        rebound("evil.example:PORT"),
        rebound("127.0.0.1.evil.example:PORT"),
        rebound("127.0.0.1:1"),
        rebound("127.0.0.2:PORT"),
        rebound("127.0.0.1:PORT\r\nHost: evil.example"),
        stray("no `Host`", &[400], |callback| {
            raw(callback, "GET /oauth/callback?code=x HTTP/1.1\r\n\r\n")
        }),
        stray("another path", &[404], |callback| {
            raw(
                callback,
                &format!(
                    "GET /favicon.ico HTTP/1.1\r\nHost: {}\r\n\r\n",
                    own_host(callback)
                ),
            )
        }),
        stray("a path with a slash more", &[404], |callback| {
            raw(
                callback,
                &request(callback, "GET", &own_host(callback), "")
                    .replacen("/oauth/", "//oauth/", 1),
            )
        }),
        stray("a head of 64 KiB", &[400, 414, 431, 0], |callback| {
            let filling = format!("X-Filling: {}\r\n", "x".repeat(64 * 1024));
            raw(
                callback,
                &request(callback, "GET", &own_host(callback), &filling),
            )
        }),
        stray("no HTTP", &[400, 0], |callback| {
            raw(callback, "\u{16}\u{3}\u{1}\0\0\0\r\n\r\n")
        }),
        stray("fifty connections that say nothing", &[0], |callback| {
            let port = callback.redirect_uri.port().unwrap_or(80);
            let open: Vec<_> = (0..50)
                .map(|_| TcpStream::connect(("127.0.0.1", port)))
                .collect();
            drop(open);
            0
        }),
    ];
    table("Visits to the callback address", attacks);
}
