//! How hosts start mcp-remote, and what of the command is its own arguments.

mod runner;
mod words;

use std::fmt;

use words::Word;

/// What a command starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// mcp-remote, with arguments.
    Bridge(Launch),
    /// Something that has nothing to do with mcp-remote.
    Other,
    /// Another program, which is told of mcp-remote.
    Mentioned,
    /// mcp-remote, or so it seems, in a way that cannot be taken over.
    Unknown(Odd),
}

/// A command that starts mcp-remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// How many of the command's arguments go, from the first on.
    pub skip: usize,
    /// Arguments that stood in one string with what goes: they come before those that stay.
    pub fresh: Vec<String>,
    /// All arguments of mcp-remote, in order.
    pub args: Vec<String>,
    /// Whether it is started in WSL, from Windows.
    pub in_wsl: bool,
}

/// Why a command that seems to start mcp-remote is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Odd {
    /// An option of the launcher that is not known.
    Option {
        /// The launcher.
        launcher: String,
        /// The option, without its value.
        option: String,
    },
    /// A shell command that does more than start one program.
    Shell,
    /// A shell puts something else in the place of what its arguments say.
    Expanded(&'static str),
    /// Another program starts it.
    Behind,
    /// In a container.
    Container(String),
    /// Variables are set in the command.
    Variables,
    /// It is the diagnostic program of the package.
    Client,
    /// A program of the package that does not exist, or none.
    Program,
    /// There is no address.
    NoAddress,
    /// Words of a string are mixed with arguments in a way that has no order.
    Mixed,
}

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option { launcher, option } => {
                write!(f, "the option `{option}` of `{launcher}` is not known here")
            }
            Self::Shell => f.write_str("it is a shell command that does more than start mcp-remote"),
            Self::Expanded(shell) => write!(
                f,
                "`{shell}` reads its arguments again and changes what is in them, variables for example; change it by hand"
            ),
            Self::Behind => f.write_str(
                "another program starts it; put `mcp-drawbridge` in the place of mcp-remote and its launcher by hand",
            ),
            Self::Container(engine) => write!(f, "`{engine}` runs it in a container"),
            Self::Variables => {
                f.write_str("the command sets variables; write them into its `env` instead")
            }
            Self::Client => {
                f.write_str("it starts mcp-remote-client, which is no server; `mcp-drawbridge doctor` does that")
            }
            Self::Program => f.write_str("it does not say which program of the package to start"),
            Self::NoAddress => f.write_str("it gives mcp-remote no address"),
            Self::Mixed => f.write_str("its arguments stand in several strings"),
        }
    }
}

/// Looks at a command: the program, or a whole command line in one string, and its arguments.
pub fn recognise(program: &str, args: &[&str]) -> Start {
    if !names_it(program) && !args.iter().any(|arg| names_it(arg)) {
        return Start::Other;
    }
    let mut words = match words::of_program(program) {
        Some(words) => words,
        None => return Start::Unknown(Odd::Shell),
    };
    words.extend(
        args.iter()
            .enumerate()
            .map(|(at, arg)| Word::argument(at, arg)),
    );
    match runner::strip(words) {
        runner::Stripped::Bridge { rest, in_wsl } => launch(&rest, args.len(), in_wsl),
        runner::Stripped::Other => Start::Mentioned,
        runner::Stripped::Unknown(odd) => Start::Unknown(odd),
    }
}

/// Whether a text has the name in it at all.
pub fn names_it(text: &str) -> bool {
    text.contains("mcp-remote")
}

/// What stays of a command whose launcher is gone. Words of strings come first, then arguments
/// without a gap to the last, as long as no string has others behind it.
fn launch(rest: &[Word], count: usize, in_wsl: bool) -> Start {
    let fresh = rest
        .iter()
        .take_while(|word| word.argument.is_none())
        .count();
    let mut kept = rest[fresh..].iter().map(|word| word.argument);
    let skip = kept.clone().next().flatten().unwrap_or(count);
    let in_order = (skip..count).all(|at| kept.next() == Some(Some(at))) && kept.next().is_none();
    if !in_order {
        return Start::Unknown(Odd::Mixed);
    }
    if rest.is_empty() {
        return Start::Unknown(Odd::NoAddress);
    }
    let text = |word: &Word| word.text.clone();
    Start::Bridge(Launch {
        skip,
        fresh: rest[..fresh].iter().map(text).collect(),
        args: rest.iter().map(text).collect(),
        in_wsl,
    })
}

#[cfg(test)]
mod tests;
