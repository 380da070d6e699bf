//! What is told about a command line or a setting that cannot be used.

use std::fmt;

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// A command line or a setting that cannot be used: one line for the user, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageError {
    message: String,
    hint: Option<String>,
}

impl UsageError {
    /// An error of one sentence without a full stop. It must not contain a value that may grant access.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    /// Adds what the user can do about it.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for UsageError {}

/// Says in one line what clap says in a page. Values are not repeated: in a wrong command line,
/// a secret may stand where nobody expects it.
pub(super) fn usage_error(error: &clap::Error) -> UsageError {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        Some(ContextValue::Strings(texts)) => texts.first().map(String::as_str),
        _ => None,
    };
    let argument = text(ContextKind::InvalidArg).unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            let error = UsageError::new(format!("there is no option `{argument}`"));
            match text(ContextKind::SuggestedArg) {
                Some(similar) => error.with_hint(format!("did you mean `{similar}`?")),
                None => error.with_hint("`mcp-drawbridge --help` lists the options"),
            }
        }
        ErrorKind::UnknownArgument => UsageError::new("there is an argument too many")
            .with_hint("a value that contains spaces must be one argument, in quotes"),
        ErrorKind::InvalidValue => UsageError::new(format!("`{argument}` needs a value")),
        ErrorKind::TooManyValues => UsageError::new(format!("`{argument}` takes no value")),
        ErrorKind::ArgumentConflict => {
            UsageError::new(format!("`{argument}` can be given only once"))
        }
        ErrorKind::InvalidUtf8 => UsageError::new("an argument is not valid UTF-8"),
        kind => UsageError::new(format!("the command line is not usable: {kind}"))
            .with_hint("`mcp-drawbridge --help` shows what is possible"),
    }
}
