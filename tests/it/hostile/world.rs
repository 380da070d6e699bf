//! The stage for one attack: hostile servers, a machine with a browser that notes what it is started
//! with, a bridge, and what they saw.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use playground::client;
use playground::hostile::{
    ACCESS_TOKEN, CLIENT_SECRET, CODE, COOKIE, Hostile, REFRESH_TOKEN, REGISTRATION_TOKEN, Role,
    SESSION,
};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use super::row::{Attack, Callback};
use crate::support::bridge::Bridge;
use crate::support::machine::Machine;

/// A header of the user's, for the MCP server alone.
const USER_HEADER: &str = "PLANTED-USER-HEADER";

/// What a shell that evaluates a server's text would make.
pub const CANARY: &str = "dbcanary";

/// Servers and a machine.
pub struct World {
    hostile: Arc<Hostile>,
    machine: Machine,
    folder: tempfile::TempDir,
    /// How the bridge is called, besides what the attack adds.
    arguments: Vec<String>,
}

/// What came of an attack.
pub struct Seen {
    /// The error that the host got; `None` if the call was answered.
    pub error: Option<Value>,
    /// What got out that should not have, a sentence each.
    pub leaks: Vec<String>,
    /// Everything that helps to see why.
    pub story: String,
}

impl World {
    /// Over plain http on loopback.
    pub fn loopback(attack: &Attack) -> Self {
        let hostile = Hostile::start(attack.twist.clone()).expect("ports");
        Self::of(Arc::new(hostile), Vec::new())
    }

    /// With these servers.
    pub fn of(hostile: Arc<Hostile>, arguments: Vec<String>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let browser = folder.path().join("browser");
        let script = "#!/bin/sh\n{ echo \"$#\"; printf '%s\\n' \"$@\"; } >>\"$BROWSER_RECORD\"\n";
        fs::write(&browser, script).expect("a writable folder");
        fs::set_permissions(&browser, fs::Permissions::from_mode(0o755)).expect("our own file");
        Self {
            hostile,
            machine: Machine::new(),
            folder,
            arguments,
        }
    }

    fn record(&self) -> PathBuf {
        self.folder.path().join("record")
    }

    /// The bridge, with everything planted that must not get out.
    fn command(&self, attack: &Attack) -> Command {
        let header = header();
        let mut arguments = vec!["--debug", "--header", &header];
        arguments.extend(self.arguments.iter().map(String::as_str));
        arguments.extend(attack.arguments.iter().map(String::as_str));
        let mut command = Bridge::command(&self.machine, &self.hostile.mcp_url(), &arguments);
        command
            .current_dir(self.folder.path())
            .env("BROWSER", self.folder.path().join("browser"))
            .env("BROWSER_RECORD", self.record());
        command
    }

    /// A host that connects and makes a call.
    pub fn attacked(&self, attack: &Attack) -> Seen {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| self.play_person(attack, &over));
            let mut seen = self.host(attack);
            if let Some(says) = attack.signs_out {
                self.looked_at(attack, &mut seen);
                let said = self.signed_out(attack);
                if !said.contains(says) {
                    let leak = format!("signing out should say `{says}`: {said}");
                    seen.leaks.push(leak);
                }
                self.look(attack, &[], &said, &mut seen.leaks);
                seen.story += &format!("\nsigned out:\n{said}");
            }
            over.store(true, Ordering::SeqCst);
            seen
        })
    }

    fn host(&self, attack: &Attack) -> Seen {
        let mut bridge = Bridge::start_command(self.command(attack));
        let mut messages = Vec::new();
        let initialize = json!({ "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": { "name": "t", "version": "1" } });
        let mut answer = bridge.call("initialize", initialize);
        messages.push(answer.clone());
        if answer.get("result").is_some() {
            bridge.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
            answer = bridge.call("tools/call", json!({ "name": "echo", "arguments": {} }));
            messages.push(answer.clone());
        }
        // It lives on, and answers.
        let ping = bridge.call("ping", json!({}));
        let mut leaks = Vec::new();
        if ping.get("result").is_none() && ping.get("error").is_none() {
            leaks.push(format!("no answer to a ping: {ping}"));
        }
        let story = bridge.story();
        let ended = bridge.close();
        if ended.status.code() != Some(0) {
            leaks.push(format!("it ended with {}", ended.status));
        }
        messages.extend(ended.rest);
        self.look(attack, &messages, &ended.stderr, &mut leaks);
        self.look_at_browser(&mut leaks);
        let error = answer.get("error").cloned();
        let asked: Vec<String> = (self.hostile.requests().iter())
            .map(|asked| format!("{:?} {} {}", asked.role, asked.method, asked.path))
            .collect();
        Seen {
            error,
            leaks,
            story: format!("{story}\nasked:\n{}", asked.join("\n")),
        }
    }

    /// Plays whoever comes to the callback address, for each address that is opened.
    fn play_person(&self, attack: &Attack, over: &AtomicBool) {
        let mut met = BTreeSet::new();
        while !over.load(Ordering::SeqCst) {
            for line in self.recorded() {
                if let Ok(url) = Url::parse(&line)
                    && met.insert(line.clone())
                    && let Some((redirect_uri, state)) = parts(&url).or_else(|| self.pushed())
                {
                    (attack.person)(&Callback {
                        redirect_uri: &redirect_uri,
                        state: &state,
                        origins: &self.hostile.origins,
                    });
                }
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Redirect URI and state of the last request that was left at the authorization server.
    fn pushed(&self) -> Option<(Url, String)> {
        let requests = self.hostile.requests();
        let pushed = requests.iter().rfind(|asked| asked.path == "/par")?;
        let query = String::from_utf8_lossy(&pushed.body);
        parts(&Url::parse(&format!("http://pushed.test/?{query}")).ok()?)
    }

    fn recorded(&self) -> Vec<String> {
        let text = fs::read_to_string(self.record()).unwrap_or_default();
        let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete);
        complete.lines().map(str::to_owned).collect()
    }

    /// What the browser was started with: one argument, an address that no script can stumble over.
    fn look_at_browser(&self, leaks: &mut Vec<String>) {
        let lines = self.recorded();
        for pair in lines.chunks(2) {
            let [count, address] = pair else {
                leaks.push(format!("the browser was started with {pair:?}"));
                continue;
            };
            let safe = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#[]@!&*+,;=%".contains(c);
            let scheme = ["https://", "http://127.0.0.1:"];
            if count != "1"
                || !scheme.iter().any(|scheme| address.starts_with(scheme))
                || !address.chars().all(safe)
            {
                leaks.push(format!("the browser was started with {count}: `{address}`"));
            }
        }
        if self.folder.path().join(CANARY).exists() {
            leaks.push("a shell evaluated what a server said".to_owned());
        }
    }

    /// Looks for secrets where they do not belong, and for what a terminal would obey.
    fn look(&self, attack: &Attack, messages: &[Value], stderr: &str, leaks: &mut Vec<String>) {
        let everywhere = [
            USER_HEADER,
            COOKIE,
            ACCESS_TOKEN,
            REFRESH_TOKEN,
            CODE,
            CLIENT_SECRET,
            REGISTRATION_TOKEN,
            SESSION,
        ];
        let find = |place: &str, text: &str, secrets: &[&str], leaks: &mut Vec<String>| {
            for secret in secrets.iter().filter(|secret| text.contains(**secret)) {
                leaks.push(format!("{secret} is in {place}: {text}"));
            }
        };
        find("the log", stderr, &everywhere, leaks);
        if let Some(bad) = stderr.chars().find(|c| steers(*c) && *c != '\n') {
            leaks.push(format!("{bad:?} is in the log: {stderr}"));
        }
        for message in messages
            .iter()
            .filter(|message| message.get("error").is_some())
        {
            let text = message["error"]["message"].as_str().unwrap_or_default();
            find("an error", text, &everywhere, leaks);
            if let Some(bad) = text.chars().find(|c| steers(*c)) {
                leaks.push(format!("{bad:?} is in an error: {text}"));
            }
            if text.chars().count() > 2000 {
                leaks.push(format!("an error of {} bytes", text.len()));
            }
        }
        for asked in self.hostile.requests() {
            if attack.untouched && asked.role == Role::Elsewhere {
                leaks.push(format!("a third party was asked for {}", asked.path));
            }
            let text = asked.text();
            let of_authority = matches!(asked.path.as_str(), "/token" | "/register" | "/revoke");
            let role = match attack.authority == Some(asked.role) && of_authority {
                true => Role::Authority,
                false => asked.role,
            };
            let (place, secrets): (_, &[&str]) = match role {
                Role::Server => (
                    "a request to the server",
                    &[REFRESH_TOKEN, CODE, CLIENT_SECRET, REGISTRATION_TOKEN],
                ),
                // It is told which tokens end.
                Role::Authority if asked.path == "/revoke" => (
                    "a request to end tokens",
                    &[USER_HEADER, COOKIE, CODE, REGISTRATION_TOKEN, SESSION],
                ),
                Role::Authority => (
                    "a request to the authorization server",
                    &[USER_HEADER, COOKIE, ACCESS_TOKEN, SESSION],
                ),
                Role::Elsewhere => ("a request to a third party", &everywhere),
            };
            find(place, &text, secrets, leaks);
        }
    }

    /// The user looks at the sign-in: nothing of it grants access or steers a terminal.
    fn looked_at(&self, attack: &Attack, seen: &mut Seen) {
        for arguments in [&["status"][..], &["status", "--json"]] {
            let output = self.machine.command().args(arguments).output();
            let output = output.expect("the bridge starts");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            if !text.contains("127.0.0.1") {
                seen.leaks
                    .push(format!("{arguments:?} shows nothing: {text}"));
            }
            self.look(attack, &[], &text, &mut seen.leaks);
        }
    }

    /// The user signs out; gives what that wrote.
    pub fn signed_out(&self, attack: &Attack) -> String {
        let mut command = self.machine.command();
        command.args(["logout", &self.hostile.mcp_url(), "--debug"]);
        // It tells sign-ins apart.
        command.args(["--header", &header()]);
        // What is about signing in has no place here.
        let all = self.arguments.iter().chain(&attack.arguments);
        command.args(all.filter(|one| one.starts_with("--ca-file") || one.contains("internal")));
        let output = command.output().expect("the bridge starts");
        let said = [output.stderr, output.stdout].concat();
        String::from_utf8_lossy(&said).into_owned()
    }
}

/// What the user has the bridge send along.
fn header() -> String {
    format!("X-Api-Key: {USER_HEADER}")
}

/// Whether a terminal, or a reader of a log, would be misled by it.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Redirect URI and state of an authorization address.
fn parts(url: &Url) -> Option<(Url, String)> {
    let get = |name: &str| {
        let mut pairs = url.query_pairs();
        pairs
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    Some((Url::parse(&get("redirect_uri")?).ok()?, get("state")?))
}

impl Callback<'_> {
    /// The address with these parameters.
    pub fn url(&self, parameters: &[(&str, &str)]) -> Url {
        let mut url = self.redirect_uri.clone();
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(parameters);
        url.set_query(Some(&query.finish()));
        // Both families are listened on; the small client knows no names.
        let _ = url.set_host(Some("127.0.0.1"));
        url
    }

    /// A browser visits it with these headers; gives the status, or nothing if there was no answer.
    pub fn visit(
        &self,
        method: &str,
        parameters: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Option<u16> {
        let answer = client::send(method, &self.url(parameters), headers, b"").ok()?;
        Some(answer.status)
    }

    /// The answer of an honest authorization server.
    pub fn bring_code(&self) {
        let authority = self.origins.authority.clone();
        self.visit(
            "GET",
            &[("code", CODE), ("state", self.state), ("iss", &authority)],
            &[],
        );
    }
}
