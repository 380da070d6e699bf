//! Reads JSON, with the comments and trailing commas that hosts allow in it.

use jsonc_parser::ast::{ObjectPropName, Value};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::tree::{Form, Kind, Member, Node, Quote, ReadError, Span};

/// What no host allows in its configuration is no JSON here either: a text that its host cannot
/// read should not be changed.
const OPTIONS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_loose_object_property_names: false,
    allow_trailing_commas: true,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Reads a text; `None` if there is no value in it.
pub fn read(text: &str) -> Result<Option<Node>, ReadError> {
    match parse_to_ast(text, &CollectOptions::default(), &OPTIONS) {
        Ok(parsed) => Ok(parsed.value.as_ref().map(node)),
        Err(error) => Err(ReadError {
            line: error.line_display(),
            reason: error.kind().to_string(),
        }),
    }
}

fn span(value: &impl Ranged) -> Span {
    value.start()..value.end()
}

fn node(value: &Value<'_>) -> Node {
    let kind = match value {
        Value::StringLit(text) => Kind::Text(text.value.clone().into_owned(), Quote::Double),
        Value::Array(array) => Kind::List(array.elements.iter().map(node).collect(), Form::Flow),
        Value::Object(object) => {
            let members = object.properties.iter().map(|property| Member {
                key: property.name.as_str().to_owned(),
                key_span: match &property.name {
                    ObjectPropName::String(name) => span(name),
                    ObjectPropName::Word(name) => span(name),
                },
                value: node(&property.value),
            });
            Kind::Map(members.collect(), Form::Flow)
        }
        Value::NumberLit(_) | Value::BooleanLit(_) | Value::NullKeyword(_) => Kind::Plain,
    };
    Node {
        span: span(value),
        kind,
    }
}
