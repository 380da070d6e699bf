//! `doctor` without a server: whether this machine has what it takes. Asks nobody.

pub(super) mod clients;

use std::env::consts;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use url::Url;

use super::report::{Kind, Name, Status, Step};
use crate::browser;
use crate::command::hosts;
use crate::config::Machine;
use crate::diag::Diag;
use crate::error::Error;
use crate::net::connections::Connections;
use crate::net::tls;
use crate::store::{Cached, Store};

/// The variables that decide about proxies. Their values may hold passwords.
const PROXY_VARIABLES: [&str; 8] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
];

/// The steps, in order, each as soon as it was taken.
pub fn walk(
    job: &Machine,
    diag: &Diag,
    mut add: impl FnMut(Step) -> Result<(), Error>,
) -> Result<(), Error> {
    add(program())?;
    add(configuration(job))?;
    add(cache(job))?;
    add(browser(job))?;
    add(callback())?;
    add(proxies(job)?)?;
    add(certificates(job))?;
    let found = clients::look(job, diag)?;
    add(found.files())?;
    add(found.left_of_mcp_remote())
}

fn program() -> Step {
    let name = Name::Program;
    let version = format!("mcp-drawbridge {}", env!("CARGO_PKG_VERSION"));
    let step = match hosts::program() {
        Ok(path) => Step::ok(name, version).found("path", format!("`{path}`")),
        Err(error) => Step::warn(name, version).found("path", error.to_string()),
    };
    step.found("system", format!("{} on {}", consts::OS, consts::ARCH))
}

fn configuration(job: &Machine) -> Step {
    let name = Name::Configuration;
    let path = format!("`{}`", job.file.display());
    let servers = counted(job.entries.len(), "server");
    let mut step = match job.has_file {
        true => Step::ok(name, format!("the configuration file has {servers}")),
        false => Step::ok(name, "there is no configuration file, and none is needed"),
    };
    step = step.found("file", path);
    for (entry, config) in &job.entries {
        if let Err(why) = config {
            step = step.found("cannot be used", format!("`{entry}`: {why}"));
            step.status = Status::Warn;
        }
    }
    for (option, origin) in &job.base.origins {
        step = step.found("given", format!("`{option}` by {origin}"));
    }
    for warning in &job.base.warnings {
        step = step.found("warning", warning);
        step.status = Status::Warn;
    }
    step
}

/// Whether sign-ins can be kept, and how those that are there stand.
fn cache(job: &Machine) -> Step {
    let name = Name::Cache;
    let (store, unwritable) = match Store::open_or_memory(job.base.dir.clone()) {
        Ok(opened) => opened,
        Err(error) => {
            let step = Step::fail(name, Kind::Failed, error.to_string());
            return step.hint(Some(error.hint()));
        }
    };
    let mut step = match &unwritable {
        None => Step::ok(name, "sign-ins can be kept"),
        Some(why) => Step::warn(name, format!("sign-ins are kept in memory only: {why}")),
    };
    step = step.found("folder", format!("`{}`", store.folder().display()));
    let keys = match store.list() {
        Ok(keys) => keys,
        Err(error) => {
            step.status = Status::Warn;
            return step.found("problem", error.to_string());
        }
    };
    step = step.found("sign-ins", keys.len().to_string());
    for key in &keys {
        let problem = match store.read(key) {
            Ok(Cached::Unreadable { reason }) => format!("its file cannot be used: {reason}"),
            Ok(Cached::Newer { version }) => {
                format!("a later version of mcp-drawbridge wrote its file (format {version})")
            }
            Err(error) => error.to_string(),
            Ok(Cached::Present(_) | Cached::Absent) => continue,
        };
        step = step.found("problem", format!("`{key}`: {problem}"));
        step.status = Status::Warn;
    }
    if unwritable.is_none() {
        step = step.found("locks", locks(&store));
    }
    for warning in store.take_warnings() {
        step = step.found("problem", warning.to_string());
        step.status = Status::Warn;
    }
    let odd = step.status == Status::Warn && unwritable.is_none();
    step.hint(odd.then_some("`mcp-drawbridge status` shows how each sign-in stands"))
}

/// Whether processes can keep each other from spending the same refresh token. What is missing is left
/// as a warning by the store.
fn locks(store: &Store) -> &'static str {
    match store.try_lock_imports() {
        Ok(Some(_)) => "work",
        Ok(None) => "work, and another process holds one now",
        Err(_) => "do not work",
    }
}

fn browser(job: &Machine) -> Step {
    let name = Name::Browser;
    let step = match browser::opener() {
        Ok(program) => Step::ok(name, "a browser can be opened").found("by", format!("`{program}`")),
        Err(error) => Step::warn(name, error.to_string()).hint(Some(
            "open the address that is printed in any browser, and give `login` the address that it ends on, or sign in with `--device-code`",
        )),
    };
    let variable = job.variable("BROWSER");
    let step = step.found_some("BROWSER", variable.map(|value| format!("`{value}`")));
    step.found_some("place", browser::place().map(|place| place.to_string()))
}

/// Whether a browser on this machine can come back to the bridge.
fn callback() -> Step {
    let name = Name::Callback;
    let families: [(IpAddr, &str); 2] = [
        (Ipv4Addr::LOCALHOST.into(), "127.0.0.1"),
        (Ipv6Addr::LOCALHOST.into(), "[::1]"),
    ];
    let open = |address: IpAddr| TcpListener::bind(SocketAddr::new(address, 0));
    let (mut there, mut missing) = (Vec::new(), Vec::new());
    for (address, shown) in families {
        match open(address) {
            Ok(_) => there.push(shown),
            Err(error) => missing.push(format!("`{shown}`: {error}")),
        }
    }
    let step = match there.is_empty() {
        false => Step::ok(name, "the browser can come back to this machine")
            .found("listens on", there.join(" and ")),
        true => Step::warn(
            name,
            "nothing can be listened on, so no browser can come back",
        )
        .hint(Some(
            "sign in with `--device-code`, where the server offers that",
        )),
    };
    let rule = Some("RFC 8252 §7.3");
    missing
        .into_iter()
        .fold(step.rule(rule), |step, why| step.found("not on", why))
}

/// Which proxies would be used for a server somewhere else.
fn proxies(job: &Machine) -> Result<Step, Error> {
    let http = Connections::new(job.http.clone())?;
    let through = |scheme: &str| {
        let url = Url::parse(&format!("{scheme}://mcp.example.com/")).ok()?;
        http.client().proxy_for(&url)
    };
    let (secure, plain) = (through("https"), through("http"));
    let mut step = Step::ok(
        Name::Proxies,
        match (&secure, &plain) {
            (None, None) => "connections are made without a proxy",
            _ => "connections are made through a proxy",
        },
    );
    let quoted = |proxy: String| format!("`{proxy}`");
    step = step.found_some("for https", secure.map(quoted));
    step = step.found_some("for http", plain.map(quoted));
    let is_set = |name: &&str| job.variable(name).is_some();
    let set: Vec<&str> = PROXY_VARIABLES
        .into_iter()
        .filter(|name| is_set(name))
        .collect();
    let named = (!set.is_empty()).then(|| format!("`{}`", set.join("`, `")));
    Ok(step.found_some("variables", named))
}

fn certificates(job: &Machine) -> Step {
    let step = trusted(tls::count_roots());
    let variables = ["SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"];
    variables.into_iter().fold(step, |step, name| {
        step.found_some(name, job.variable(name).map(|value| format!("`{value}`")))
    })
}

/// `roots` is how many authorities are trusted, or why none; `None` where the system does not say.
fn trusted(roots: Option<Result<usize, String>>) -> Step {
    let name = Name::Certificates;
    match roots {
        Some(Ok(count)) => {
            Step::ok(name, format!("this machine trusts {}", counted(count, "authority")))
        }
        Some(Err(why)) => Step::fail(name, Kind::Failed, why).hint(Some(
            "install the system's certificates (Debian: `ca-certificates`), or name a file with `--ca-file`",
        )),
        None => Step::ok(name, "the system judges certificates"),
    }
}

/// `1 server`, `2 servers`, `3 authorities`.
fn counted(count: usize, what: &str) -> String {
    match (count, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_trusts_nobody_fails() {
        let none = trusted(Some(Err("no certificates".to_owned())));
        assert_eq!((none.status, none.kind), (Status::Fail, Kind::Failed));
        assert!(none.hint.is_some_and(|hint| hint.contains("--ca-file")));
        for roots in [Some(Ok(1)), None] {
            assert_eq!(trusted(roots).status, Status::Ok);
        }
    }

    #[test]
    fn counts_are_words() {
        assert_eq!(counted(0, "server"), "0 servers");
        assert_eq!(counted(1, "authority"), "1 authority");
        assert_eq!(counted(150, "authority"), "150 authorities");
    }
}
