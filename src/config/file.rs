//! The configuration file: where it is, what it holds, and what it says about one server.
//!
//! Hosts strip the environment of what they start, so everything that an option or a variable can
//! say has a place here. The options come from [`cli::option_shapes`], so one that is new there is
//! known here. Nothing is read into shape but the entry that is asked for and the defaults: the
//! rest of the file may be another program's.

mod disk;
mod json;
mod members;
mod oauth;
mod secrets;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

pub use disk::{OpenError, Opened, open};
use json::{Members, Node};
use members::{Context, Section};

use super::Surroundings;
use super::expand::expand;
use super::given::{Given, Lookup};
use super::which;
use crate::cli::{self, UsageError};
use crate::diag;
use crate::ids::ServerUrl;
use crate::similar::similar;

/// Most names of entries that one message lists.
const LISTED: usize = 20;

/// The members of the file that mean something here.
const TOP: [&str; 2] = ["mcpServers", "defaults"];

/// What a command needs to know.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Everything about the server.
    Connect,
    /// Which sign-in is meant, and how to reach its authorization server.
    Find,
}

/// What is odd about a file that can be used.
#[derive(Clone, Default)]
pub(super) struct Notes {
    /// For everybody.
    pub warnings: Vec<String>,
    /// For who wants to know every decision.
    pub remarks: Vec<String>,
}

/// The configuration file, or that there is none.
pub(super) struct File {
    /// Where it is, or would be.
    path: PathBuf,
    /// Whether it was named, and is not the one in the usual place.
    is_named: bool,
    content: Option<Content>,
}

#[derive(Default)]
struct Content {
    servers: Members,
    defaults: Members,
    notes: Notes,
}

/// What an argument names.
pub(super) enum Target<'f> {
    /// A server, by its address.
    Address,
    /// A server, by an entry of the file.
    Entry(Entry<'f>),
    /// Neither.
    Neither,
}

/// The entry of one server.
pub(super) struct Entry<'f> {
    pub name: &'f str,
    members: &'f Members,
    /// How messages call it.
    place: String,
}

impl Entry<'_> {
    /// How messages call it.
    pub fn place(&self) -> &str {
        &self.place
    }
}

impl File {
    /// Reads the file that flag or variable name, else the one in the usual place.
    pub fn find(flag: &Option<String>, around: &Surroundings<'_>) -> Result<Self, UsageError> {
        let named = Lookup::new(around.env, Vec::new()).text("config", flag);
        let path = match (&named, &around.config_dir) {
            (Some(given), _) if given.text.is_empty() => {
                return Err(UsageError::new(format!("{} names no file", given.origin)));
            }
            (Some(given), _) => PathBuf::from(&given.text),
            (None, Some(dir)) => dir.join("mcp-drawbridge").join("config.json"),
            (None, None) => {
                return Ok(Self {
                    path: PathBuf::from("config.json"),
                    is_named: false,
                    content: None,
                });
            }
        };
        let (path, content) = match (around.open)(&path) {
            Ok(opened) => {
                let content = Content::read(&opened)?;
                (opened.path, Some(content))
            }
            Err(OpenError::Absent(_)) if named.is_none() => (path, None),
            Err(OpenError::Absent(error) | OpenError::Unreadable(error)) => {
                return Err(unreadable(&path, named.as_ref(), &error));
            }
        };
        Ok(Self {
            path,
            is_named: named.is_some(),
            content,
        })
    }

    /// Where it is, or would be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is one.
    pub fn is_there(&self) -> bool {
        self.content.is_some()
    }

    /// The file that has to be named in a terminal to mean the same there.
    pub fn named(&self) -> Option<&Path> {
        self.is_named.then_some(&self.path)
    }

    /// What an argument means: an address has `:` or `/` in it, unless an entry has just that name.
    pub fn target(&self, text: &str) -> Result<Target<'_>, UsageError> {
        if text.contains("://") {
            return Ok(Target::Address);
        }
        let servers = self.servers();
        let mut same = servers.iter().filter(|(name, _)| name == text);
        let place = format!("`{}` in `{}`", shown(text), self.shown());
        match (same.next(), same.next()) {
            (Some(_), Some(_)) => Err(UsageError::new(format!("{place} is there twice"))
                .with_hint("leave one of them out, or give it another name")),
            (Some((name, Node::Object(members))), None) => Ok(Target::Entry(Entry {
                name,
                members,
                place,
            })),
            (Some((_, node)), None) => Err(UsageError::new(format!(
                "{place} is {}; it must be an object",
                node.kind()
            ))),
            (None, _) if which::is_address(text) => Ok(Target::Address),
            (None, _) => Ok(Target::Neither),
        }
    }

    /// The entry that an argument names, if that is one of a remote server. Else the argument may be
    /// the name of a cached sign-in.
    pub fn remote_entry(&self, text: &str) -> Result<Option<Entry<'_>>, UsageError> {
        Ok(match self.target(text)? {
            Target::Entry(entry) if entry.is_remote() => Some(entry),
            Target::Entry(_) | Target::Address | Target::Neither => None,
        })
    }

    /// The error for an argument that is neither an address nor the name of an entry.
    pub fn no_entry(&self, text: &str) -> UsageError {
        let text = shown(text);
        let place = match &self.content {
            None => format!("`{}`, which does not exist", self.shown()),
            Some(content) if content.servers.is_empty() => {
                format!("`{}`, which has none", self.shown())
            }
            Some(_) => format!("`{}`", self.shown()),
        };
        let error = UsageError::new(format!(
            "`{text}` is neither an address nor the name of a server in {place}"
        ));
        let names: Vec<&str> = self.servers().iter().map(|(name, _)| &name[..]).collect();
        let commands = ["login", "logout", "status"];
        error.with_hint(match similar(&text, names.iter().copied().chain(commands)) {
            Some(name) => format!("did you mean `{}`?", shown(name)),
            None if text.contains('.') => format!("did you mean `https://{text}`?"),
            None if !names.is_empty() => format!("it has {}", listed(&names)),
            None => "write an address whole, such as `https://mcp.example.com/mcp`; the commands are `login`, `logout` and `status`".to_owned(),
        })
    }

    /// Finds values in the arguments, the environment and this file: for one server if there is an
    /// entry, for all otherwise.
    pub fn lookup<'a>(
        &self,
        entry: Option<&Entry<'_>>,
        need: Need,
        env: &'a BTreeMap<String, String>,
    ) -> Result<Lookup<'a>, UsageError> {
        let Some(content) = &self.content else {
            return Ok(Lookup::new(env, Vec::new()));
        };
        // What else an entry of another kind says is not ours to judge.
        if let Some(entry) = entry.filter(|entry| !entry.is_remote()) {
            return Err(entry.no_url());
        }
        let mut notes = content.notes.clone();
        let shapes = cli::option_shapes();
        let context = Context {
            folder: self.path.parent().unwrap_or(Path::new("")),
            env,
            need,
            shapes: &shapes,
        };
        let mut layers = Vec::new();
        if let Some(Entry { members, place, .. }) = entry {
            let place = place.clone();
            layers.push(Section::entry(members, place, &context, &mut notes)?);
        }
        let place = format!("`defaults` in `{}`", self.shown());
        let members = &content.defaults;
        layers.push(Section::defaults(members, place, &context, &mut notes)?);
        let mut lookup = Lookup::new(env, layers);
        lookup.notes = notes;
        Ok(lookup)
    }

    /// The names of all entries.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.servers().iter().map(|(name, _)| name.as_str())
    }

    fn servers(&self) -> &[(String, Node)] {
        let content = self.content.as_ref();
        content.map_or(&[], |content| &content.servers)
    }

    fn shown(&self) -> String {
        diag::clean_to(&self.path.to_string_lossy(), 1000)
    }
}

impl Entry<'_> {
    /// Whether it is about a remote server at all: other programs keep local ones here, too.
    pub fn is_remote(&self) -> bool {
        self.members.iter().any(|(name, _)| name == "url")
    }

    /// The address of the server, checked.
    pub fn server(
        &self,
        env: &BTreeMap<String, String>,
        allow_http: bool,
    ) -> Result<ServerUrl, UsageError> {
        let (text, url) = self.url(env)?;
        let origin = format!("`url` of {}", self.place);
        which::server(&url, allow_http).map_err(|error| {
            // What a variable holds may be a secret.
            let message = match text.contains("${") {
                true => format!("{origin} is not the address of a server"),
                false => format!("{origin}: {error}"),
            };
            let whole = "write it whole, such as `https://mcp.example.com/mcp`";
            let fits = |hint: &&str| !text.contains("${") && !hint.contains("commands");
            UsageError::new(message).with_hint(error.hint().filter(fits).unwrap_or(whole))
        })
    }

    /// The address of the server as it was written, with its variables replaced.
    pub fn address(&self, env: &BTreeMap<String, String>) -> Result<String, UsageError> {
        Ok(self.url(env)?.1)
    }

    /// The member `url` as it stands, and with its variables replaced.
    fn url(&self, env: &BTreeMap<String, String>) -> Result<(&str, String), UsageError> {
        let mut urls = self.members.iter().filter(|(name, _)| name == "url");
        let (_, node) = urls.next().ok_or_else(|| self.no_url())?;
        let origin = format!("`url` of {}", self.place);
        let Node::Text(text) = node else {
            let kind = node.kind();
            return Err(UsageError::new(format!(
                "{origin} is {kind}; it must be a text"
            )));
        };
        let url = expand(text, &origin, env, str::to_owned)?;
        Ok((text, url.trim().to_owned()))
    }

    fn no_url(&self) -> UsageError {
        let place = &self.place;
        let has = |name: &str| self.members.iter().any(|(known, _)| known == name);
        if has("command") {
            return UsageError::new(format!(
                "{place} is a program to start (`command`) and no remote server"
            ))
            .with_hint("give the server's address in its place, or an entry with a `url`");
        }
        let names = self.members.iter().map(|(name, _)| name.as_str());
        let close = names
            .clone()
            .find(|name| matches!(*name, "serverUrl" | "httpUrl" | "server_url"))
            .or_else(|| similar("url", names));
        let hint = match close {
            Some(name) => format!("did you mean `url` by `{}`?", shown(name)),
            None => "give it the address of the server, such as `\"url\": \"https://mcp.example.com/mcp\"`".to_owned(),
        };
        UsageError::new(format!("{place} has no `url`")).with_hint(hint)
    }
}

impl Content {
    fn read(opened: &Opened) -> Result<Self, UsageError> {
        let file = diag::clean_to(&opened.path.to_string_lossy(), 1000);
        let Node::Object(members) = parse(&opened.bytes, &file)? else {
            return Err(UsageError::new(format!("`{file}` holds no JSON object"))
                .with_hint("it begins with `{ \"mcpServers\": {`"));
        };
        let mut content = Self::default();
        content
            .notes
            .remarks
            .push(format!("the configuration file is `{file}`"));
        let mut seen: Vec<&str> = Vec::new();
        for (name, _) in &members {
            if TOP.contains(&name.as_str()) && seen.contains(&name.as_str()) {
                return Err(UsageError::new(format!(
                    "`{name}` in `{file}` is given twice"
                )));
            }
            seen.push(name);
        }
        for (name, node) in members {
            match (name.as_str(), node) {
                ("mcpServers", Node::Object(servers)) => content.servers = servers,
                ("defaults", Node::Object(defaults)) => content.defaults = defaults,
                ("mcpServers" | "defaults", node) => {
                    return Err(UsageError::new(format!(
                        "`{name}` in `{file}` is {}; it must be an object",
                        node.kind()
                    )));
                }
                // Whoever asks for another place must not find the tokens in a file after all.
                ("tokenStorage", _) => {
                    return Err(UsageError::new(format!(
                        "`tokenStorage` in `{file}` is not supported yet: sign-ins are kept in private files only"
                    ))
                    .with_hint("take it out if that will do"));
                }
                _ => content.note_unknown(&name, &file),
            }
        }
        content.check_secrets(opened.shared, &file);
        Ok(content)
    }

    /// Other programs put things of their own into such a file.
    fn note_unknown(&mut self, name: &str, file: &str) {
        match similar(name, TOP) {
            Some(known) => self.notes.warnings.push(format!(
                "`{}` in `{file}` has no meaning; did you mean `{known}`?",
                shown(name)
            )),
            None => self
                .notes
                .remarks
                .push(format!("`{}` in `{file}` has no meaning here", shown(name))),
        }
    }

    fn check_secrets(&mut self, shared: Option<u32>, file: &str) {
        let Some(mode) = shared else { return };
        let found = secrets::first(&self.servers).or_else(|| secrets::first(&self.defaults));
        if let Some(member) = found {
            self.notes.warnings.push(format!(
                "other users can read `{file}` (mode {mode:03o}), which holds a secret in `{}`; run `chmod 600` on it, or write `${{VAR}}` in place of the secret",
                shown(member)
            ));
        }
    }
}

/// The content of a file; an empty one says nothing.
fn parse(bytes: &[u8], file: &str) -> Result<Node, UsageError> {
    if bytes.len() > disk::LIMIT {
        return Err(
            UsageError::new(format!("`{file}` is larger than 1 MiB")).with_hint(
                "is it another file than the configuration? `--config` names the one to read",
            ),
        );
    }
    let text = std::str::from_utf8(bytes).map_err(|_| {
        UsageError::new(format!("`{file}` is not UTF-8 text")).with_hint("save it as UTF-8")
    })?;
    // Windows editors begin a file with a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Ok(Node::Object(Members::new()));
    }
    serde_json::from_str(text).map_err(|error| {
        // What the parser says is one of its fixed sentences, with the place at the end.
        let said = error.to_string();
        let reason = said.rsplit_once(" at line ").map_or("", |(reason, _)| reason);
        let hint = match reason.contains("escape") {
            true => "in JSON, `\\` is written as `\\\\`",
            false => "JSON has no comments, no comma after the last member, and `\"` around every name and text",
        };
        UsageError::new(format!(
            "`{file}` is not valid JSON: {reason} at line {}, column {}",
            error.line(),
            error.column()
        ))
        .with_hint(hint)
    })
}

fn unreadable(path: &Path, named: Option<&Given>, error: &io::Error) -> UsageError {
    let path = diag::clean_to(&path.to_string_lossy(), 1000);
    match named {
        Some(given) => UsageError::new(format!(
            "the file `{path}` of {} cannot be read: {error}",
            given.origin
        )),
        None => UsageError::new(format!(
            "the configuration file `{path}` cannot be read: {error}"
        ))
        .with_hint("make it readable, move it away, or name another with `--config`"),
    }
}

/// A name as messages show it.
fn shown(name: &str) -> String {
    diag::clean_to(name, 60)
}

fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names
        .iter()
        .take(LISTED)
        .map(|name| format!("`{}`", shown(name)))
        .collect();
    let more = match names.len() > LISTED {
        true => format!(" and {} more", names.len() - LISTED),
        false => String::new(),
    };
    format!("{}{more}", quoted.join(", "))
}

#[cfg(test)]
mod tests;
