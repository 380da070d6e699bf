//! What an entry of a server looks like, by host and by format.

use serde_json::{Value, json};

use super::tree::{Format, Quote};

/// What a host wants in an entry, besides the command.
#[derive(Debug)]
pub struct Shape {
    /// Whether servers are a list, whose entries have their names in them.
    pub is_list: bool,
    /// Members before the command.
    pub before: &'static [(&'static str, Fixed)],
    /// What the command is called.
    pub command: &'static str,
    /// Whether the command is a list that has the arguments, too.
    pub is_whole: bool,
    /// Members after the arguments.
    pub after: &'static [(&'static str, Fixed)],
    /// What a new YAML file begins with, in whole lines.
    pub head: &'static str,
}

/// A value that a host wants.
#[derive(Debug)]
pub enum Fixed {
    /// The server's name.
    Name,
    /// This string.
    Text(&'static str),
    /// A list of one string.
    List(&'static str),
    /// Yes.
    True,
    /// A number.
    Number(u32),
}

/// Command and arguments, and nothing else.
pub const BARE: Shape = Shape {
    is_list: false,
    before: &[],
    command: "command",
    is_whole: false,
    after: &[],
    head: "",
};

/// With the transport.
pub const STDIO: Shape = Shape {
    before: &[("type", Fixed::Text("stdio"))],
    ..BARE
};

/// A list of entries with names.
pub const NAMED: Shape = Shape {
    is_list: true,
    before: &[("name", Fixed::Name)],
    ..BARE
};

/// The same, in a file that has to say what it is.
pub const CONTINUE: Shape = Shape {
    head: "name: Local Config\nversion: 1.0.0\nschema: v1\n",
    ..NAMED
};

/// A list of entries with names and transports.
pub const VIBE: Shape = Shape {
    before: &[("name", Fixed::Name), ("transport", Fixed::Text("stdio"))],
    ..NAMED
};

/// Copilot CLI shows no tool that is not allowed.
pub const COPILOT: Shape = Shape {
    before: &[("type", Fixed::Text("local"))],
    after: &[("tools", Fixed::List("*"))],
    ..BARE
};

/// opencode has the arguments in the command.
pub const OPENCODE: Shape = Shape {
    before: &[("type", Fixed::Text("local"))],
    is_whole: true,
    after: &[("enabled", Fixed::True)],
    ..BARE
};

/// Goose calls the command otherwise.
pub const GOOSE: Shape = Shape {
    before: &[("name", Fixed::Name), ("type", Fixed::Text("stdio"))],
    command: "cmd",
    after: &[("enabled", Fixed::True), ("timeout", Fixed::Number(300))],
    ..BARE
};

/// The members of an entry, in order.
pub type Members = Vec<(&'static str, Value)>;

impl Shape {
    /// The entry that starts `command` with `args`.
    pub fn entry(&self, name: &str, command: &str, args: &[String]) -> Members {
        let fixed = |members: &[(&'static str, Fixed)]| -> Members {
            let value = |fixed: &Fixed| match fixed {
                Fixed::Name => json!(name),
                Fixed::Text(text) => json!(text),
                Fixed::List(text) => json!([text]),
                Fixed::True => json!(true),
                Fixed::Number(number) => json!(number),
            };
            members
                .iter()
                .map(|(key, fixed)| (*key, value(fixed)))
                .collect()
        };
        let mut members = fixed(self.before);
        if self.is_whole {
            let whole = std::iter::once(command).chain(args.iter().map(String::as_str));
            members.push((self.command, whole.collect()));
        } else {
            members.push((self.command, json!(command)));
            members.push(("args", json!(args)));
        }
        members.extend(fixed(self.after));
        members
    }
}

/// How lines are broken and indented.
#[derive(Clone, Copy, Debug)]
pub struct Layout<'a> {
    /// The line break.
    pub newline: &'a str,
    /// One step of indentation.
    pub step: &'a str,
}

/// Longest list that stands in one line, in bytes.
const LINE: usize = 90;

impl Layout<'_> {
    /// Maps within maps around an entry, as JSON, over several lines that are indented by `indent`
    /// after the first.
    pub fn json(&self, way: &[&str], members: &Members, indent: &str) -> String {
        let inner = format!("{indent}{}", self.step);
        let lines: Vec<String> = match way {
            [] => {
                let each = members.iter();
                each.map(|(key, value)| {
                    format!("{inner}{}: {}", json!(key), self.json_value(value, &inner))
                })
                .collect()
            }
            [key, rest @ ..] => vec![format!(
                "{inner}{}: {}",
                json!(key),
                self.json(rest, members, &inner)
            )],
        };
        let newline = self.newline;
        format!(
            "{{{newline}{}{newline}{indent}}}",
            lines.join(&format!(",{newline}"))
        )
    }

    fn json_value(&self, value: &Value, indent: &str) -> String {
        let line = one_line(value);
        match value {
            Value::Array(items) if line.len() > LINE => {
                let inner = format!("{indent}{}", self.step);
                let items = items.iter().map(|item| format!("{inner}{item}"));
                let items: Vec<String> = items.collect();
                let newline = self.newline;
                format!(
                    "[{newline}{}{newline}{indent}]",
                    items.join(&format!(",{newline}"))
                )
            }
            _ => line,
        }
    }

    /// The members of an entry as TOML, a line each, all ended.
    pub fn toml(&self, members: &Members) -> String {
        let line =
            |(key, value): &(&str, Value)| format!("{key} = {}{}", toml_value(value), self.newline);
        members.iter().map(line).collect()
    }

    /// The members of an entry as YAML, a line each, without the last line break. `first` stands
    /// before the first of them, `indent` before the others.
    pub fn yaml(&self, members: &Members, first: &str, indent: &str) -> String {
        let mut lines = Vec::new();
        for (at, (key, value)) in members.iter().enumerate() {
            let before = match at {
                0 => first,
                _ => indent,
            };
            match value {
                Value::Array(items) if !items.is_empty() => {
                    lines.push(format!("{before}{key}:"));
                    let item = |item| format!("{indent}{}- {}", self.step, yaml_value(item));
                    lines.extend(items.iter().map(item));
                }
                value => lines.push(format!("{before}{key}: {}", yaml_value(value))),
            }
        }
        lines.join(self.newline)
    }
}

/// Maps within maps around an entry, as JSON in one line, which YAML reads as well.
pub fn compact(way: &[&str], members: &Members) -> String {
    match way {
        [] => {
            let each = members.iter();
            let each = each.map(|(key, value)| format!("{}: {}", json!(key), one_line(value)));
            format!("{{ {} }}", each.collect::<Vec<_>>().join(", "))
        }
        [key, rest @ ..] => format!("{{ {}: {} }}", json!(key), compact(rest, members)),
    }
}

fn one_line(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(Value::to_string).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

fn toml_value(value: &Value) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => Format::Toml.text(text, Quote::Double),
        other => other.to_string(),
    };
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(text).collect();
            format!("[{}]", items.join(", "))
        }
        other => text(other),
    }
}

fn yaml_value(value: &Value) -> String {
    match value {
        Value::String(text) if super::yaml::is_bare(text) => text.clone(),
        Value::String(text) => Format::Yaml.text(text, Quote::Double),
        other => other.to_string(),
    }
}

/// A name as TOML writes it in a header.
pub fn toml_key(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match !name.is_empty() && name.chars().all(is_bare) {
        true => name.to_owned(),
        false => Format::Toml.text(name, Quote::Double),
    }
}

/// A name as YAML writes it before a colon.
pub fn yaml_key(name: &str) -> String {
    match super::yaml::is_bare(name) {
        true => name.to_owned(),
        false => Format::Yaml.text(name, Quote::Double),
    }
}
