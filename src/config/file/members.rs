//! The members of an entry or of the defaults become values of options.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::json::{Members, Node};
use super::{Need, Notes};
use crate::cli::{OptionShape, UsageError};
use crate::config::expand::{expand, in_json};
use crate::config::given::{Given, Layer};
use crate::diag;
use crate::similar::similar;

/// Options whose `${VAR}` their own readers replace.
const EXPANDED_LATER: [&str; 2] = ["header", "static-oauth-client-info"];

/// Options that name the source of a token.
const OF_TOKENS: [&str; 2] = ["bearer-env", "bearer-command"];

/// Members that stand for no option.
const OTHERS: [&str; 6] = ["url", "headers", "oauth", "type", "callback_port", "dir"];

/// Members that make sense in one entry only.
const OF_ENTRIES: [&str; 4] = ["url", "oauth", "type", "name"];

/// Members that other programs give to their entries, in lower case and without separators.
const FOREIGN: [&str; 20] = [
    "command",
    "args",
    "env",
    "envfile",
    "cwd",
    "disabled",
    "enabled",
    "autoapprove",
    "alwaysallow",
    "autostart",
    "disabledtools",
    "enabledtools",
    "includetools",
    "excludetools",
    "tools",
    "timeout",
    "trust",
    "description",
    "icon",
    "gallery",
];

/// Everything that reading a part of the file needs besides the part.
pub(super) struct Context<'a> {
    /// Where files that the file names are looked for.
    pub folder: &'a Path,
    pub env: &'a BTreeMap<String, String>,
    pub need: Need,
    pub shapes: &'a [OptionShape],
}

/// What the values of an option look like in the file.
enum Kind {
    Switch,
    Text,
    /// Several in one text, with this between them.
    Joined(&'static str),
    /// A program and its arguments.
    Command,
    List,
    /// Names and values, written on a command line with this between them.
    Pairs(&'static str),
    Json,
}

/// Reads one part of the file.
pub(super) struct Section<'a> {
    context: &'a Context<'a>,
    /// How messages call it: `` `notion` in `FILE` ``.
    place: String,
    layer: Layer,
    notes: &'a mut Notes,
}

impl<'a> Section<'a> {
    /// What `defaults` say.
    pub fn defaults(
        members: &Members,
        place: String,
        context: &'a Context<'a>,
        notes: &'a mut Notes,
    ) -> Result<Layer, UsageError> {
        let of_entry = members.iter().find(|(name, _)| {
            let name = snake(name);
            OF_ENTRIES.contains(&name.as_str())
        });
        if let Some((name, _)) = of_entry {
            return Err(UsageError::new(format!(
                "`{name}` of {place} cannot be the same for every server"
            ))
            .with_hint("move it into an entry of `mcpServers`"));
        }
        Self::new(place, context, notes).read(members)
    }

    /// What the entry of a server says.
    pub fn entry(
        members: &Members,
        place: String,
        context: &'a Context<'a>,
        notes: &'a mut Notes,
    ) -> Result<Layer, UsageError> {
        if members.iter().any(|(name, _)| snake(name) == "dir") {
            return Err(
                UsageError::new(format!("`dir` of {place} is the folder of all sign-ins"))
                    .with_hint("move it into `defaults`"),
            );
        }
        Self::new(place, context, notes).read(members)
    }

    fn new(place: String, context: &'a Context<'a>, notes: &'a mut Notes) -> Self {
        Self {
            context,
            place,
            layer: Layer::new(),
            notes,
        }
    }

    fn read(mut self, members: &Members) -> Result<Layer, UsageError> {
        let mut seen = BTreeSet::new();
        for (name, node) in members {
            let long = match kebab(name).as_str() {
                "headers" => "header".to_owned(),
                other => other.to_owned(),
            };
            if !seen.insert(long.clone()) {
                return Err(self.twice(name));
            }
            self.member(name, &long, node)?;
        }
        // `transport` tells more than `type` does.
        if let Some((_, node)) = members.iter().find(|(name, _)| name == "type") {
            self.kind_of_server(node)?;
        }
        if let Some((_, node)) = members.iter().find(|(name, _)| name == "oauth") {
            self.oauth(node)?;
        }
        Ok(self.layer)
    }

    fn member(&mut self, name: &str, long: &str, node: &Node) -> Result<(), UsageError> {
        let shapes = self.context.shapes;
        match shapes.iter().find(|shape| shape.long == long) {
            // A file that names another file would be one more place to look at.
            Some(shape) if long != "config" => self.option(name, shape, node),
            _ if matches!(long, "url" | "oauth" | "type") => Ok(()),
            // Where a browser returns to is no question for who only looks for a sign-in.
            _ if long == "callback-port" && self.need() == Need::Find => Ok(()),
            _ if long == "callback-port" => {
                let texts = self.scalar(name, node, Self::expanded)?;
                self.put(long, name, texts)
            }
            _ if long == "dir" => {
                let texts = self.scalar(name, node, Self::expanded)?;
                let texts = texts.map(|text| self.in_folder(&text));
                self.put(long, name, texts)
            }
            _ if FOREIGN.contains(&bare(name).as_str()) => {
                let place = &self.place;
                let remark = format!("`{name}` of {place} has no meaning here");
                self.notes.remarks.push(remark);
                Ok(())
            }
            _ => {
                let place = &self.place;
                let name = diag::clean_to(name, 60);
                let known = self.similar_to(&name);
                let meant = known.map(|known| format!("; did you mean `{known}`?"));
                self.notes.warnings.push(format!(
                    "`{name}` of {place} stands for no option{}",
                    meant.unwrap_or_default()
                ));
                Ok(())
            }
        }
    }

    /// Puts in what one option of ours says.
    pub(super) fn option(
        &mut self,
        name: &str,
        shape: &OptionShape,
        node: &Node,
    ) -> Result<(), UsageError> {
        let is_needed = self.context.need == Need::Connect || shape.finds_sign_in;
        let later = EXPANDED_LATER.contains(&shape.long.as_str());
        let encode = |section: &Self, origin: &str, text: &str| match (is_needed, later) {
            // A terminal may lack variables that an AI client has. Only their absence is a fault.
            (false, _) => Ok(text.to_owned()),
            // Which source a token has is all that is asked then.
            _ if section.need() == Need::Find && OF_TOKENS.contains(&&*shape.long) => {
                Ok(text.to_owned())
            }
            (_, true) if !text.starts_with('@') => Ok(text.to_owned()),
            _ => section.expanded(origin, text),
        };
        let values = self.values(name, shape, node, encode)?;
        match values {
            Some(values) if is_needed => self.put_all(&shape.long, values),
            _ => Ok(()),
        }
    }

    /// What a member says, each with where it stands; `None` if that is nothing at all.
    fn values(
        &self,
        name: &str,
        shape: &OptionShape,
        node: &Node,
        encode: impl Fn(&Self, &str, &str) -> Result<String, UsageError> + Copy,
    ) -> Result<Option<Vec<Given>>, UsageError> {
        let kind = kind(shape);
        let value_name = shape.value.as_deref().unwrap_or_default();
        let path = |text: String| match (value_name.contains("FILE"), text.strip_prefix('@')) {
            (true, Some(path)) if matches!(kind, Kind::Json) => {
                format!("@{}", self.in_folder(path))
            }
            (true, _) if !matches!(kind, Kind::Json) => self.in_folder(&text),
            _ => text,
        };
        let given = |text: String, origin: String| Given { text, origin };
        Ok(match (&kind, node) {
            (Kind::Switch, Node::Bool(value)) => {
                Some(vec![given(value.to_string(), self.origin(name))])
            }
            (Kind::Switch, Node::Text(_))
            | (Kind::Text | Kind::Joined(_) | Kind::Command, Node::Text(_) | Node::Number(_)) => {
                let text = self.scalar(name, node, encode)?;
                text.map(|text| vec![given(path(text), self.origin(name))])
            }
            (Kind::Joined(_) | Kind::Command, Node::List(items)) => {
                let mut texts = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    let place = format!("{name}[{index}]");
                    texts.extend(self.scalar(&place, item, encode)?);
                }
                let text = match &kind {
                    Kind::Joined(between) => texts.join(between),
                    // As the option takes it, too.
                    _ => Value::from(texts).to_string(),
                };
                Some(vec![given(text, self.origin(name))])
            }
            (Kind::Json, Node::Text(text)) if text.starts_with('@') => {
                let text = encode(self, &self.origin(name), text)?;
                Some(vec![given(path(text), self.origin(name))])
            }
            (Kind::Json, Node::Text(_) | Node::Object(_)) => {
                let text = self.json(name, &shape.long, node)?;
                Some(vec![given(text, self.origin(name))])
            }
            (Kind::List | Kind::Pairs(_), Node::Text(_)) => {
                let text = self.scalar(name, node, encode)?;
                text.map(|text| vec![given(path(text), self.origin(name))])
            }
            (Kind::List | Kind::Pairs(_), Node::List(items)) => {
                let mut values = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    let place = format!("{name}[{index}]");
                    let text = self.scalar(&place, item, encode)?;
                    values.extend(text.map(|text| given(path(text), self.origin(&place))));
                }
                Some(values)
            }
            (Kind::Pairs(between), Node::Object(pairs)) => {
                Some(self.pairs(name, between, pairs, encode)?)
            }
            _ => return Err(self.wrong_type(name, node, &kind)),
        })
    }

    /// JSON as one text, as a command line has it.
    fn json(&self, name: &str, long: &str, node: &Node) -> Result<String, UsageError> {
        let is_client = long == "static-oauth-client-info";
        let text = match node {
            Node::Text(text) => text.clone(),
            Node::Object(members) if is_client && self.need() == Need::Find => {
                // The secret does not tell which sign-in it is, and a terminal may lack its variable.
                let ids = members.iter().filter(|(name, _)| name == "client_id");
                let ids: BTreeMap<&String, &Node> = ids.map(|(name, id)| (name, id)).collect();
                serde_json::to_string(&ids).unwrap_or_default()
            }
            // A tree of texts can always be written.
            _ => serde_json::to_string(node).unwrap_or_default(),
        };
        match EXPANDED_LATER.contains(&long) {
            true => Ok(text),
            false => expand(&text, &self.origin(name), self.context.env, in_json),
        }
    }

    fn pairs(
        &self,
        name: &str,
        between: &str,
        pairs: &Members,
        encode: impl Fn(&Self, &str, &str) -> Result<String, UsageError>,
    ) -> Result<Vec<Given>, UsageError> {
        let mut seen = BTreeSet::new();
        let mut values = Vec::new();
        for (key, node) in pairs {
            let place = format!("{name}.{}", diag::clean_to(key, 60));
            if !seen.insert(key) {
                return Err(self.twice(&place));
            }
            if key.contains(between.trim()) {
                let origin = self.origin(&place);
                let between = between.trim();
                return Err(UsageError::new(format!(
                    "{origin} has a name with `{between}` in it"
                )));
            }
            let text = match node {
                Node::Text(text) => encode(self, &self.origin(&place), text)?,
                Node::Number(number) => number.to_string(),
                _ => return Err(self.wrong(&place, node, "a text")),
            };
            values.push(Given {
                text: format!("{key}{between}{text}"),
                origin: self.origin(&place),
            });
        }
        Ok(values)
    }

    /// A text or a number. `None` if variables left nothing of it: hosts set empty ones for
    /// settings that the user left empty.
    fn scalar(
        &self,
        name: &str,
        node: &Node,
        encode: impl Fn(&Self, &str, &str) -> Result<String, UsageError>,
    ) -> Result<Option<String>, UsageError> {
        match node {
            Node::Text(text) => {
                let value = encode(self, &self.origin(name), text)?;
                Ok(Some(value).filter(|value| !value.is_empty() || text.is_empty()))
            }
            Node::Number(number) => Ok(Some(number.to_string())),
            _ => Err(self.wrong(name, node, "a text or a number")),
        }
    }

    /// The text with its variables replaced.
    pub(super) fn expanded(&self, origin: &str, text: &str) -> Result<String, UsageError> {
        expand(text, origin, self.context.env, str::to_owned)
    }

    /// What other programs call the transport. People copy it loosely, so neither excludes the other.
    fn kind_of_server(&mut self, node: &Node) -> Result<(), UsageError> {
        let text = self.scalar("type", node, Self::expanded)?;
        let Some(text) = text else { return Ok(()) };
        let Some(transport) = loose_transport(&text) else {
            let shown = diag::clean_to(&text, 60);
            let origin = self.origin("type");
            return Err(UsageError::new(format!(
                "{origin} is `{shown}`; it must be `http`, `streamable-http` or `sse`"
            )));
        };
        match self.layer.contains_key("transport") {
            true => Ok(()),
            false => self.put("transport", "type", Some(transport.to_owned())),
        }
    }

    /// Puts in one value, if there is one.
    pub(super) fn put(
        &mut self,
        long: &str,
        name: &str,
        text: Option<String>,
    ) -> Result<(), UsageError> {
        let Some(text) = text else { return Ok(()) };
        let origin = self.origin(name);
        self.put_all(long, vec![Given { text, origin }])
    }

    pub(super) fn put_all(&mut self, long: &str, values: Vec<Given>) -> Result<(), UsageError> {
        if let Some(known) = self.layer.get(long) {
            let first = known.first().map(|given| given.origin.as_str());
            let second = values.first().map(|given| given.origin.as_str());
            return Err(UsageError::new(format!(
                "{} says the same as {}",
                second.unwrap_or_default(),
                first.unwrap_or_default()
            ))
            .with_hint("leave one of them out"));
        }
        self.layer.insert(long.to_owned(), values);
        Ok(())
    }

    /// How messages call a member.
    pub(super) fn origin(&self, name: &str) -> String {
        format!("`{name}` of {}", self.place)
    }

    /// The option of this long name.
    pub(super) fn shape(&self, long: &str) -> Option<&'a OptionShape> {
        self.context.shapes.iter().find(|shape| shape.long == long)
    }

    pub(super) fn need(&self) -> Need {
        self.context.need
    }

    fn in_folder(&self, path: &str) -> String {
        let path = self.context.folder.join(path);
        // The folder came from text, and so did the rest.
        path.to_string_lossy().into_owned()
    }

    fn similar_to(&self, name: &str) -> Option<String> {
        let shapes = self.context.shapes.iter().map(|shape| shape.long.as_str());
        let options: Vec<String> = shapes.filter(|long| *long != "config").map(snake).collect();
        let names = options.iter().map(String::as_str).chain(OTHERS);
        similar(name, names).map(str::to_owned)
    }

    pub(super) fn twice(&self, name: &str) -> UsageError {
        let origin = self.origin(&diag::clean_to(name, 60));
        UsageError::new(format!("{origin} is given twice")).with_hint("leave one of them out")
    }

    /// The error for a value of another kind than the option has.
    pub(super) fn wrong(&self, name: &str, node: &Node, allowed: &str) -> UsageError {
        let origin = self.origin(name);
        UsageError::new(format!("{origin} is {}; it must be {allowed}", node.kind()))
    }

    fn wrong_type(&self, name: &str, node: &Node, kind: &Kind) -> UsageError {
        let allowed = match kind {
            Kind::Switch => "`true` or `false`",
            Kind::Text => "a text or a number",
            Kind::Joined(_) | Kind::Command => "a text, or a list of texts",
            Kind::List => "a list of texts",
            Kind::Pairs(_) => "an object of texts, or a list of texts",
            Kind::Json => "an object, or a text with `@` and the name of a file",
        };
        self.wrong(name, node, allowed)
    }
}

fn kind(shape: &OptionShape) -> Kind {
    match (&shape.value, shape.is_repeatable) {
        (None, _) => Kind::Switch,
        (Some(name), true) if name.contains('=') => Kind::Pairs("="),
        (Some(name), true) if name.contains(':') => Kind::Pairs(": "),
        (Some(_), true) => Kind::List,
        (Some(name), false) if name.contains("JSON") => Kind::Json,
        (Some(name), false) => match name.as_str() {
            "HOSTS" => Kind::Joined(","),
            "SCOPES" => Kind::Joined(" "),
            "COMMAND" => Kind::Command,
            _ => Kind::Text,
        },
    }
}

/// The transport that is meant by what people copy from one program's configuration to another's.
fn loose_transport(text: &str) -> Option<&'static str> {
    match bare(text).as_str() {
        "http" | "streamablehttp" => Some("http-first"),
        "sse" => Some("sse-first"),
        _ => None,
    }
}

fn bare(name: &str) -> String {
    name.to_ascii_lowercase().replace(['-', '_'], "")
}

/// A member's name as the option is called on the command line.
fn kebab(name: &str) -> String {
    name.replace('_', "-")
}

/// A member's name as it is written in the file.
pub(super) fn snake(name: &str) -> String {
    name.replace('-', "_")
}
