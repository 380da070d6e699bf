//! What the head of a request repeats of its body (MCP 2026-07-28, Transports, Streamable HTTP,
//! Standard Request Headers and Custom Headers from Tool Parameters).

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::{matrix, object};
use crate::mcp::jsonrpc::{self, Message};
use crate::untrusted::{SHOWN, printable};

/// What an annotated parameter's header begins with; what the annotation says follows.
pub const PREFIX: &str = "Mcp-Param-";
/// The annotation.
const ANNOTATION: &str = "x-mcp-header";
/// The largest integer that every JSON parser keeps.
const SAFE: u64 = 9_007_199_254_740_991;
/// The largest exponent of ten that a number can have which is not zero and not beyond that, however
/// many zeros it is written with.
const EXPONENT: i64 = 1_000_000;

/// The head of a request of a revision without sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// `MCP-Protocol-Version`.
    pub version: String,
    /// `Mcp-Method`.
    pub method: String,
    /// `Mcp-Name`, encoded; `None` for methods that have none.
    pub name: Option<String>,
    /// The others, encoded.
    pub parameters: Vec<(String, String)>,
}

/// Why a request has no head that fits it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeadError {
    /// The member of `params` that the head repeats is not there, or no string.
    Unnamed(&'static str),
    /// A parameter that the head repeats is a number that it cannot carry.
    Number(String),
    /// The method is no text for a head.
    Method,
}

impl std::fmt::Display for HeadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unnamed(member) => write!(f, "Invalid params: `{member}` must be a string"),
            Self::Number(path) => write!(
                f,
                "Invalid params: `{path}` must be an integer of at most 53 bits"
            ),
            Self::Method => f.write_str("Invalid request: no head can carry this `method`"),
        }
    }
}

impl std::error::Error for HeadError {}

impl Head {
    /// The head for a request of this revision. `tool`: the annotated parameters of the tool that it
    /// calls.
    pub fn of(
        request: &Message,
        version: &str,
        tool: Option<&Annotated>,
    ) -> Result<Self, HeadError> {
        let method = request.method();
        if !is_plain(method) {
            return Err(HeadError::Method);
        }
        let name = match matrix::request(method).named_by {
            Some(member) => {
                let value = request.body_member(member).and_then(jsonrpc::string);
                Some(encode(&value.ok_or(HeadError::Unnamed(member))?))
            }
            None => None,
        };
        let arguments = request.body_member("arguments").unwrap_or("{}");
        let parameters = match tool {
            Some(tool) => tool.parameters(arguments)?,
            None => Vec::new(),
        };
        Ok(Self {
            version: version.to_owned(),
            method: method.to_owned(),
            name,
            parameters,
        })
    }
}

/// A text as the value of a header.
fn encode(text: &str) -> String {
    let sentinel = text.starts_with("=?base64?") && text.ends_with("?=");
    match is_plain(text) && !sentinel {
        true => text.to_owned(),
        false => format!("=?base64?{}?=", STANDARD.encode(text)),
    }
}

/// Whether a header can carry a text as it is.
fn is_plain(text: &str) -> bool {
    let blank = text.starts_with(' ') || text.ends_with(' ');
    !blank && text.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
}

/// The type that an annotated parameter is declared to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Integer,
    String,
    Boolean,
}

impl Type {
    fn find(name: &str) -> Option<Self> {
        match name {
            "integer" => Some(Self::Integer),
            "string" => Some(Self::String),
            "boolean" => Some(Self::Boolean),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::String => "string",
            Self::Boolean => "boolean",
        }
    }
}

/// The parameters of a tool that the head of a call repeats.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotated(Vec<Parameter>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Parameter {
    header: String,
    path: Vec<String>,
    kind: Type,
}

impl Annotated {
    /// Reads them from an `inputSchema`. An error says why the tool must not be offered.
    pub fn of(schema: &str) -> Result<Self, String> {
        // Few schemas have any: a search is cheaper than a walk. What is written with escapes may be
        // anything.
        let has = |text: &str| memchr::memmem::find(schema.as_bytes(), text.as_bytes()).is_some();
        if !has(ANNOTATION) && !has("\\u") {
            return Ok(Self::default());
        }
        let schema = match serde_json::from_str(schema) {
            Ok(Value::Object(schema)) => schema,
            Ok(_) => return Ok(Self::default()),
            Err(_) => return Err("its `inputSchema` cannot be read".to_owned()),
        };
        let mut found = Self::default();
        let mut names = HashSet::new();
        walk(&schema, &mut Vec::new(), true, &mut |path, schema| {
            let parameter = parameter(path, schema)?;
            if !names.insert(parameter.header.to_ascii_lowercase()) {
                return Err(format!("`{}` is there twice", shown(&parameter.header)));
            }
            found.0.push(parameter);
            Ok(())
        })?;
        Ok(found)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As it is kept: for each its header, its type and the way to it.
    pub fn kept(&self) -> Value {
        let parameter = |parameter: &Parameter| {
            let mut words = vec![parameter.header.clone(), parameter.kind.name().to_owned()];
            words.extend(parameter.path.iter().cloned());
            Value::from(words)
        };
        self.0.iter().map(parameter).collect()
    }

    /// Reads what was kept; `None` if it is nothing of that kind.
    pub fn of_kept(kept: &Value) -> Option<Self> {
        let parameters = kept.as_array()?.iter().map(|words| {
            let words: Vec<String> = serde_json::from_value(words.clone()).ok()?;
            let [header, kind, path @ ..] = &words[..] else {
                return None;
            };
            let is_name = !header.is_empty() && header.bytes().all(is_token);
            Some(Parameter {
                header: header.clone(),
                path: path.to_vec(),
                kind: Type::find(kind).filter(|_| is_name && !path.is_empty())?,
            })
        });
        Some(Self(parameters.collect::<Option<_>>()?))
    }

    fn parameters(&self, arguments: &str) -> Result<Vec<(String, String)>, HeadError> {
        let mut headers = Vec::new();
        for parameter in &self.0 {
            let mut value = Some(arguments);
            for step in &parameter.path {
                value = value.and_then(|object| jsonrpc::member(object, step));
            }
            let text = match value {
                Some(value) => parameter.text(value)?,
                None => None,
            };
            if let Some(text) = text {
                headers.push((format!("{PREFIX}{}", parameter.header), text));
            }
        }
        Ok(headers)
    }
}

impl Parameter {
    /// The header's value for a value in the body; `None` if there is to be no header, as for `null`
    /// and what is not of the declared type, which is the server's to judge.
    fn text(&self, value: &str) -> Result<Option<String>, HeadError> {
        let first = value.bytes().next().unwrap_or_default();
        Ok(match (self.kind, first) {
            (Type::String, b'"') => jsonrpc::string(value).map(|text| encode(&text)),
            (Type::Boolean, b't' | b'f') => Some(value.to_owned()),
            (Type::Integer, b'-' | b'0'..=b'9') => {
                Some(integer(value).ok_or_else(|| HeadError::Number(self.path.join(".")))?)
            }
            _ => None,
        })
    }
}

/// An integer without exponent and fraction, if every JSON parser keeps it. `text`: a JSON number. It
/// is read digit by digit: a float would take `1.0000000000000000001` for an integer.
fn integer(text: &str) -> Option<String> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text),
    };
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_matches('0');
    if significant.is_empty() {
        return Some("0".to_owned());
    }
    let exponent: i64 = exponent.parse().ok()?;
    if exponent.abs() > EXPONENT {
        return None;
    }
    // How many zeros follow the last digit that is none, before the point.
    let trailing = digits.len() - digits.trim_end_matches('0').len();
    let zeros = i64::try_from(trailing).ok()? + exponent - i64::try_from(fraction.len()).ok()?;
    let zeros = usize::try_from(zeros).ok()?;
    if significant.len() + zeros > 16 {
        return None;
    }
    let value: u64 = format!("{significant}{}", "0".repeat(zeros)).parse().ok()?;
    (value <= SAFE).then(|| format!("{sign}{value}"))
}

/// Keywords whose values are data and no schemas.
const DATA: [&str; 4] = ["default", "const", "enum", "examples"];
/// Keywords whose values are objects of schemas, by names that anybody may choose.
const NAMED_SCHEMAS: [&str; 5] = [
    "properties",
    "patternProperties",
    "$defs",
    "definitions",
    "dependentSchemas",
];

/// Calls `found` for each annotation. `reachable`: whether nothing but `properties` led here.
fn walk(
    schema: &Map<String, Value>,
    path: &mut Vec<String>,
    reachable: bool,
    found: &mut impl FnMut(&[String], &Map<String, Value>) -> Result<(), String>,
) -> Result<(), String> {
    if schema.contains_key(ANNOTATION) {
        match reachable && !path.is_empty() {
            true => found(path, schema)?,
            false => {
                return Err(format!(
                    "`{ANNOTATION}` stands where no parameter is declared"
                ));
            }
        }
    }
    for (keyword, value) in schema {
        let keyword = keyword.as_str();
        if DATA.contains(&keyword) || keyword == ANNOTATION {
            continue;
        }
        let named = NAMED_SCHEMAS.contains(&keyword);
        match value {
            Value::Object(schemas) if named => {
                for (name, value) in schemas {
                    path.push(name.clone());
                    let reachable = reachable && keyword == "properties";
                    if let Value::Object(schema) = value {
                        walk(schema, path, reachable, found)?;
                    }
                    path.pop();
                }
            }
            Value::Object(schema) => walk(schema, path, false, found)?,
            Value::Array(items) => {
                for item in items {
                    if let Value::Object(schema) = item {
                        walk(schema, path, false, found)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn parameter(path: &[String], schema: &Map<String, Value>) -> Result<Parameter, String> {
    let header = match &schema[ANNOTATION] {
        Value::String(header) => header.clone(),
        _ => return Err(format!("`{ANNOTATION}` is no string")),
    };
    if header.is_empty() || !header.bytes().all(is_token) {
        return Err(format!("`{}` is no name for a header", shown(&header)));
    }
    let kind = schema.get("type").and_then(Value::as_str);
    let Some(kind) = kind.and_then(Type::find) else {
        return Err(format!(
            "`{}` stands at a parameter that is no integer, string or boolean",
            shown(&header)
        ));
    };
    Ok(Parameter {
        header,
        path: path.to_vec(),
        kind,
    })
}

fn shown(text: &str) -> String {
    printable(text, SHOWN)
}

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// One tool of a list, as far as heads need to know it.
pub struct Listed<'a> {
    /// The tool as it was written.
    pub text: &'a str,
    /// Its name.
    pub name: Option<String>,
    /// Its annotated parameters, or why it must not be offered.
    pub annotated: Result<Annotated, String>,
}

/// The tools in the result of a `tools/list`.
pub fn listed(result: &str) -> Vec<Listed<'_>> {
    let tools = jsonrpc::member(result, "tools").and_then(object::elements);
    let listed = |text| Listed {
        text,
        name: jsonrpc::member(text, "name").and_then(jsonrpc::string),
        annotated: Annotated::of(jsonrpc::member(text, "inputSchema").unwrap_or("{}")),
    };
    tools.unwrap_or_default().into_iter().map(listed).collect()
}

#[cfg(test)]
mod tests;
