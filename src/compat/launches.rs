//! The entries of a configuration file that start a bridge: mcp-remote, or this program.

use std::collections::BTreeMap;

use super::hosts::tree::{Format, Kind, Node};
use super::mcp_remote::{self, Start, names_it};
use super::refusal::Refusal;

/// What this program is called.
const PROGRAM: &str = "mcp-drawbridge";

/// What the program is called in an entry. `path` is what Zed had in a map of its own.
const COMMAND: [&str; 3] = ["command", "cmd", "path"];

/// What variables are called.
const VARIABLES: [&str; 3] = ["env", "envs", "environment"];

/// An entry that starts a bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launched {
    /// Its name.
    pub name: String,
    /// What the bridge is started with.
    pub args: Vec<String>,
    /// The variables that it sets.
    pub env: BTreeMap<String, String>,
}

/// The entries of a file that start a bridge, in its order. `ways` lead to the maps or lists of servers
/// in it. What is tied to another place, or cannot be understood, is left out.
pub fn launches(text: &str, format: Format, ways: &[&[&str]]) -> Result<Vec<Launched>, Refusal> {
    if !names_it(text) && !text.contains(PROGRAM) {
        return Ok(Vec::new());
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let unreadable = |error| Refusal::Unreadable(format, error);
    let mut found = Vec::new();
    if let Some(root) = format.read(text).map_err(unreadable)? {
        for way in ways {
            walk(&root, way, text, &mut found);
        }
    }
    Ok(found)
}

fn walk(node: &Node, way: &[&str], text: &str, found: &mut Vec<Launched>) {
    if let Some((key, rest)) = way.split_first() {
        let members = node.members().iter();
        let on_the_way = members.filter(|member| *key == "*" || *key == member.key);
        on_the_way.for_each(|member| walk(&member.value, rest, text, found));
        return;
    }
    for member in node.members() {
        found.extend(entry(&member.key, &member.value, text));
    }
    for item in node.items() {
        let name = item.get("name").and_then(Node::as_text);
        found.extend(entry(name.unwrap_or("without a name"), item, text));
    }
}

fn entry(name: &str, entry: &Node, text: &str) -> Option<Launched> {
    let mut holder = entry;
    let mut program = member(holder, &COMMAND)?;
    if let Kind::Map(..) = program.kind {
        holder = program;
        program = member(holder, &COMMAND)?;
    }
    // Numbers are arguments, too.
    let says = |node: &Node| match node.as_text() {
        Some(text) => text.to_owned(),
        None => text.get(node.span.clone()).unwrap_or_default().to_owned(),
    };
    let mut words: Vec<String> = match program.kind {
        Kind::List(..) => program.items().iter().map(says).collect(),
        _ => vec![says(program)],
    };
    if let Some(args) = holder.get("args") {
        words.extend(args.items().iter().map(says));
    }
    let args = args(&words)?;
    let maps = [holder, entry].map(|map| member(map, &VARIABLES));
    let variables = maps.into_iter().flatten().flat_map(Node::members);
    let pair = |member: &super::hosts::tree::Member| {
        let value = member.value.as_text()?;
        Some((member.key.clone(), value.to_owned()))
    };
    Some(Launched {
        name: name.to_owned(),
        args,
        env: variables.filter_map(pair).collect(),
    })
}

/// What a bridge is started with, if it is one that these words start.
fn args(words: &[String]) -> Option<Vec<String>> {
    let (program, rest) = words.split_first()?;
    let last = program.rsplit(['/', '\\']).next().unwrap_or_default();
    if last.trim_end_matches(".exe") == PROGRAM {
        return Some(rest.to_vec());
    }
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    match mcp_remote::recognise(program, &rest) {
        // What runs in WSL keeps its sign-ins there.
        Start::Bridge(launch) if !launch.in_wsl => Some(launch.args),
        _ => None,
    }
}

fn member<'n>(map: &'n Node, names: &[&str]) -> Option<&'n Node> {
    names.iter().find_map(|name| map.get(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, format: Format) -> Vec<(String, Vec<String>)> {
        let found = launches(text, format, &[&["mcpServers"]]).expect("readable");
        let found = found.into_iter();
        found
            .map(|launched| (launched.name, launched.args))
            .collect()
    }

    fn one(name: &str, args: &[&str]) -> (String, Vec<String>) {
        let args = args.iter().map(|arg| (*arg).to_owned());
        (name.to_owned(), args.collect())
    }

    #[test]
    fn both_bridges_are_found_in_every_form() {
        let text = r#"{ "mcpServers": {
            "a": { "command": "npx", "args": ["-y", "mcp-remote@latest", "https://a.example", 3334] },
            "b": { "command": "/opt/mcp-drawbridge", "args": ["https://b.example", "--debug"] },
            "c": { "command": ["C:\\x\\mcp-drawbridge.exe", "https://c.example"] },
            "d": { "command": { "path": "npx", "args": ["mcp-remote", "https://d.example"] } },
            "e": { "command": "npx mcp-remote https://e.example" },
            "f": { "command": "npx", "args": ["other", "https://f.example"] },
            "g": { "url": "https://g.example" },
            "h": { "command": "wsl", "args": ["npx", "mcp-remote", "https://h.example"] },
            "i": 5
        } }"#;
        assert_eq!(
            found(text, Format::Json),
            [
                one("a", &["https://a.example", "3334"]),
                one("b", &["https://b.example", "--debug"]),
                one("c", &["https://c.example"]),
                one("d", &["https://d.example"]),
                one("e", &["https://e.example"]),
            ]
        );
    }

    #[test]
    fn lists_and_variables_are_read_as_well() {
        let text = "mcpServers:\n  - name: a\n    command: npx\n    args: [mcp-remote, https://a.example]\n    env:\n      MCP_REMOTE_CONFIG_DIR: /x\n";
        let found = launches(text, Format::Yaml, &[&["mcpServers"]]).expect("readable");
        assert_eq!(found[0].name, "a");
        assert_eq!(found[0].env["MCP_REMOTE_CONFIG_DIR"], "/x");
        let text = "[mcpServers.a]\ncommand = 'mcp-drawbridge'\nargs = ['https://a.example']\n";
        let found = launches(text, Format::Toml, &[&["mcpServers"]]).expect("readable");
        assert_eq!(found[0].args, ["https://a.example"]);
    }

    #[test]
    fn a_file_without_bridges_is_not_even_read() {
        assert_eq!(
            launches("{ broken", Format::Json, &[&["x"]]),
            Ok(Vec::new())
        );
        assert!(launches("{ mcp-remote", Format::Json, &[&["x"]]).is_err());
    }
}
