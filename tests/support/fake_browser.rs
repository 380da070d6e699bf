//! A browser for tests: visits the address in its last argument, follows redirects and keeps cookies, as a person's browser
//! does who agrees to everything. `BROWSER` of a bridge under test points here.
//!
//! `FAKE_BROWSER_MODE`
//! - `approve` (default): follows every redirect.
//! - `deny`: brings `error=access_denied` to the redirect URI instead of the code.
//! - `wrong-state`: brings the code with another `state`.
//! - `wrong-state-first`: does that, and then visits the redirect URI as `approve` would.
//! - `never`: opens the address and leaves it at that.
//!
//! `FAKE_BROWSER_LOG` names a file that gets one line for each start: the address that was opened. `FAKE_BROWSER_VISITS` names
//! a file that gets one line for each answer: status and address without its query. `FAKE_BROWSER_ERRORS` names a file that
//! gets one line for each browser that came to no end.
//!
//! Plain HTTP on loopback only. Writes to stdout on purpose: a bridge that lends its stdout to the browser is found out.

use std::env;
use std::error::Error;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use url::Url;

/// Browsers give up after about as many.
const MAX_REDIRECTS: usize = 20;

fn main() -> ExitCode {
    println!("this line must not reach the host");
    match browse() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fake browser: {error}");
            let _ = note("FAKE_BROWSER_ERRORS", &error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn browse() -> Result<(), Box<dyn Error>> {
    let opened = env::args().next_back().ok_or("no address given")?;
    note("FAKE_BROWSER_LOG", &opened)?;
    let mode = env::var("FAKE_BROWSER_MODE").unwrap_or_else(|_| "approve".into());
    if mode == "never" {
        return Ok(());
    }

    let mut url = Url::parse(&opened)?;
    let redirect_uri = query(&url, "redirect_uri")
        .map(|uri| Url::parse(&uri))
        .transpose()?;
    let mut cookies = Vec::new();
    for _ in 0..MAX_REDIRECTS {
        let Some(next) = visit(&url, &mut cookies)? else {
            return Ok(());
        };
        url = next;
        if redirect_uri
            .as_ref()
            .is_some_and(|wanted| wanted.origin() == url.origin() && wanted.path() == url.path())
        {
            match mode.as_str() {
                "approve" => {}
                "deny" => url = denied(&url),
                "wrong-state" => url = with_wrong_state(&url),
                "wrong-state-first" => {
                    visit(&with_wrong_state(&url), &mut cookies)?;
                }
                _ => return Err(format!("unknown FAKE_BROWSER_MODE `{mode}`").into()),
            }
        }
    }
    Err("too many redirects".into())
}

fn denied(url: &Url) -> Url {
    let state = query(url, "state").unwrap_or_default();
    let issuer = query(url, "iss");
    let mut url = url.clone();
    url.query_pairs_mut()
        .clear()
        .append_pair("error", "access_denied")
        .append_pair("state", &state)
        // RFC 9207 §2: an authorization server that sends `iss` sends it with errors, too.
        .extend_pairs(issuer.map(|issuer| ("iss", issuer)));
    url
}

fn with_wrong_state(url: &Url) -> Url {
    let code = query(url, "code").unwrap_or_default();
    let state = query(url, "state").unwrap_or_default();
    let mut url = url.clone();
    url.query_pairs_mut()
        .clear()
        .append_pair("code", &code)
        .append_pair("state", &format!("{state}x"));
    url
}

fn query(url: &Url, name: &str) -> Option<String> {
    url.query_pairs()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// Fetches a page and notes it; gives where it redirects to.
fn visit(url: &Url, cookies: &mut Vec<(String, String)>) -> Result<Option<Url>, Box<dyn Error>> {
    let (status, location) = get(url, cookies)?;
    let mut place = url.clone();
    place.set_query(None);
    note("FAKE_BROWSER_VISITS", &format!("{status} {place}"))?;
    Ok(location.map(|location| url.join(&location)).transpose()?)
}

/// Where a server is. Browsers know by themselves what `localhost` is, whatever the system's list of
/// names lacks, and try both families (RFC 6761 §6.3).
fn addresses(url: &Url) -> std::io::Result<Vec<SocketAddr>> {
    let port = url.port_or_known_default().unwrap_or(80);
    match url.domain() {
        Some("localhost") => Ok(vec![
            (Ipv4Addr::LOCALHOST, port).into(),
            (Ipv6Addr::LOCALHOST, port).into(),
        ]),
        _ => url.socket_addrs(|| Some(80)),
    }
}

/// One GET; gives the status and, for a redirect, where to.
fn get(
    url: &Url,
    cookies: &mut Vec<(String, String)>,
) -> Result<(u16, Option<String>), Box<dyn Error>> {
    if url.scheme() != "http" {
        return Err(format!("cannot visit `{url}`: only http").into());
    }
    let mut stream = TcpStream::connect(addresses(url)?.as_slice())?;
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;

    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let mut request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\nConnection: close\r\n"
    );
    // Loopback servers of a test share one jar: a browser's cookies do not tell ports apart either.
    if !cookies.is_empty() {
        let jar: Vec<String> = cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        request += &format!("Cookie: {}\r\n", jar.join("; "));
    }
    request += "\r\n";
    stream.write_all(request.as_bytes())?;

    let mut answer = BufReader::new(stream);
    let mut line = String::new();
    answer.read_line(&mut line)?;
    let status: u16 = line.split(' ').nth(1).ok_or("no status line")?.parse()?;
    let mut location = None;
    loop {
        line.clear();
        answer.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        let value = value.trim();
        if name.eq_ignore_ascii_case("location") && (300..400).contains(&status) {
            location = Some(value.to_owned());
        } else if name.eq_ignore_ascii_case("set-cookie")
            && let Some((key, content)) = value
                .split(';')
                .next()
                .and_then(|pair| pair.split_once('='))
        {
            cookies.retain(|(known, _)| known != key);
            cookies.push((key.to_owned(), content.to_owned()));
        }
    }
    // A page counts as seen when it came whole.
    answer.read_to_end(&mut Vec::new())?;
    Ok((status, location))
}

/// Appends a line to the file that the environment variable names, in one write: several browsers may share the file.
fn note(variable: &str, line: &str) -> std::io::Result<()> {
    if let Some(path) = env::var_os(variable) {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        file.write_all(format!("{line}\n").as_bytes())?;
    }
    Ok(())
}
