//! Understands the arguments of the bridge as mcp-remote's users write them, before clap sees them.
//!
//! mcp-remote passes over whatever it does not understand without a word, so configurations that work
//! are full of mistakes. Here no list of arguments is refused that works there: what was meant is
//! taken, where that is clear, and else left out, with a warning either way. No warning repeats a
//! value, since a secret may stand where nobody expects it.
//!
//! | on the command line                    | taken as                                        |
//! |----------------------------------------|-------------------------------------------------|
//! | `--flag=value`, `"--flag value"`       | the option with its value                       |
//! | a flag before the address              | as if it stood behind                           |
//! | an option twice                        | the first counts                                |
//! | an option without its value            | left out                                        |
//! | a value that begins with `--`          | the value, unless it is an option of ours       |
//! | `--callbackPath`, `-debug`, `—debug`   | the option that differs in spelling alone       |
//! | an option that is not known            | left out, with what follows it                  |
//! | `--flag true` where it has no value    | the switch                                      |
//! | a header that was split at its spaces  | put together again                              |
//! | a port that does not follow the address| left out                                        |

mod word;

use std::collections::{BTreeSet, VecDeque};

use crate::similar::similar;
pub(crate) use word::leading_integer;
use word::{Joined, as_port, is_address, is_option_like, split_at_option, unquoted};

/// An option that is known.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// The long name.
    pub long: String,
    /// Whether it has a value.
    pub takes_value: bool,
    /// Whether it may be given several times.
    pub is_repeatable: bool,
}

/// What the arguments come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Understood {
    /// The arguments in a form that is beyond doubt.
    pub args: Vec<String>,
    /// What was odd about them, a sentence each.
    pub warnings: Vec<String>,
}

/// Reads the arguments that follow the program's or the command's name.
pub(super) fn understand(args: &[String], known: &[Known]) -> Understood {
    let mut reader = Reader {
        known,
        is_for_server: args.iter().any(|word| is_address(word)),
        rest: args.iter().cloned().collect(),
        ..Reader::default()
    };
    while let Some(word) = reader.rest.pop_front() {
        reader.take(word);
    }
    reader.finish()
}

#[derive(Default)]
struct Reader<'k> {
    known: &'k [Known],
    rest: VecDeque<String>,
    options: Vec<String>,
    /// The values of those that count once.
    seen: Vec<(String, String)>,
    /// `--help`, `-h`, `--version` or `-V`.
    asked: BTreeSet<String>,
    /// Whether there is an address somewhere.
    is_for_server: bool,
    address: Option<String>,
    port: Option<String>,
    /// Whether the next argument can be the callback port: it follows the address.
    is_after_address: bool,
    /// What followed options that are not known.
    skipped: Vec<String>,
    /// How many arguments have no meaning.
    strays: usize,
    warnings: Vec<String>,
}

/// What is asked for in place of anything else.
const ASKS: [&str; 4] = ["--help", "-h", "--version", "-V"];

impl<'k> Reader<'k> {
    fn take(&mut self, word: String) {
        // What an npm script or a shell ends its own options with.
        if word == "--" {
            return;
        }
        if self.asks(&word) {
            self.asked.insert(word);
            return;
        }
        match is_option_like(&word) {
            true => self.option(&word),
            false => self.place(&word),
        }
    }

    /// Whether an argument asks for something in place of anything else. mcp-remote does not know `-V`,
    /// and an AI client that starts a bridge waits for JSON.
    fn asks(&self, word: &str) -> bool {
        ASKS.contains(&word) && !(word == "-V" && self.is_for_server)
    }

    /// What is left of an argument is looked at next.
    fn put_back(&mut self, word: Option<&str>) {
        if let Some(word) = word {
            self.rest.push_front(word.to_owned());
        }
    }

    fn find(&self, long: &str) -> Option<&'k Known> {
        self.known.iter().find(|known| known.long == long)
    }

    /// Whether an argument is an option of ours, with or without its value.
    fn is_known(&self, word: &str) -> bool {
        let head = Joined::of(word).head;
        let long = head.strip_prefix("--");
        word == "--" || self.asks(word) || long.is_some_and(|long| self.find(long).is_some())
    }

    fn option(&mut self, word: &str) {
        let joined = Joined::of(word);
        let bare = joined.head.trim_start_matches(word::is_dash);
        let exact = joined
            .head
            .strip_prefix("--")
            .and_then(|long| self.find(long));
        let known = exact.or_else(|| {
            let mut known = self.known.iter();
            let found = known.find(|known| crate::similar::is_same(&known.long, bare))?;
            // It differs in spelling alone, so there is no secret in it.
            let warning = format!("`{}` is taken as `--{}`", joined.head, found.long);
            self.warnings.push(warning);
            Some(found)
        });
        // mcp-remote takes headers out before it looks what follows the address.
        let is_header = |known: &Known| matches!(&*known.long, "header" | "header-file");
        self.is_after_address &= known.is_some_and(is_header);
        match known {
            None => self.unknown(&joined, bare),
            Some(known) if known.takes_value => self.valued(known, &joined),
            Some(known) => self.switch(known, &joined),
        }
    }

    fn valued(&mut self, known: &Known, joined: &Joined<'_>) {
        let value = match (joined.equals, joined.blank) {
            (Some(value), _) => Some(value.to_owned()),
            (None, Some(rest)) => {
                let (value, tail) = split_at_option(rest, |word| self.is_known(word));
                self.put_back(tail);
                Some(unquoted(value).to_owned())
            }
            (None, None) => match self.rest.front() {
                Some(next) if !self.is_known(next) => self.rest.pop_front(),
                _ => None,
            },
        };
        let long = &known.long;
        let Some(mut value) = value else {
            return self.warnings.push(format!(
                "`--{long}` is left out, since its value is missing"
            ));
        };
        if long == "header" && word::is_cut_off(&value) && self.address.is_some() {
            self.put_together(&mut value);
        }
        if !known.is_repeatable {
            if let Some((_, first)) = self.seen.iter().find(|(seen, _)| seen == long) {
                if *first != value {
                    self.warnings.push(format!(
                        "`--{long}` is given more than once; the first counts"
                    ));
                }
                return;
            }
            self.seen.push((long.clone(), value.clone()));
        }
        match value.is_empty() {
            true => self.options.extend([format!("--{long}"), value]),
            false => self.options.push(format!("--{long}={value}")),
        }
    }

    /// Some AI clients lose the quotes around arguments with spaces on Windows.
    fn put_together(&mut self, value: &mut String) {
        let is_part = |next: &&String| !is_option_like(next) && !is_address(next);
        let mut parts = self.rest.iter().take_while(is_part);
        let first = parts.next().filter(|_| parts.next().is_none());
        // mcp-remote takes headers out before it looks what follows the address: this is its port, and
        // the header is empty.
        let is_port =
            |next: &String| !next.is_empty() && next.bytes().all(|byte| byte.is_ascii_digit());
        if self.is_after_address && word::is_empty(value) && first.is_some_and(is_port) {
            return;
        }
        let before = value.len();
        while let Some(next) = self.rest.front().filter(is_part) {
            if !value.ends_with(' ') {
                value.push(' ');
            }
            value.push_str(next);
            self.rest.pop_front();
        }
        if value.len() > before {
            self.warnings.push(
                "a `--header` was split at its spaces, and is put together again; `${VAR}` in place of its value, without a space before it, keeps it whole"
                    .to_owned(),
            );
        }
    }

    fn switch(&mut self, known: &Known, joined: &Joined<'_>) {
        let long = &known.long;
        let truth = |text: &str| match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        };
        let no_value = format!("`--{long}` takes no value; it is on");
        if let Some(value) = joined.equals {
            match truth(value) {
                Some(false) => return,
                Some(true) => {}
                None => self.warnings.push(no_value),
            }
        } else {
            if let Some(rest) = joined.blank {
                self.put_back(Some(rest));
            }
            let next = self.rest.front().map(|next| next.to_ascii_lowercase());
            if let Some(word) = next.filter(|next| matches!(next.as_str(), "true" | "false")) {
                self.rest.pop_front();
                if word == "false" {
                    self.warnings.push(no_value);
                }
            }
        }
        let flag = format!("--{long}");
        if !self.options.contains(&flag) {
            self.options.push(flag);
        }
    }

    fn unknown(&mut self, joined: &Joined<'_>, bare: &str) {
        let shown = word::shown(joined.head);
        // What follows is its value, as far as anybody can tell; not so an address that is to come.
        let next = self.rest.front();
        let is_value = |next: &&String| {
            *next != "--" && !is_option_like(next) && (self.address.is_some() || !is_address(next))
        };
        let has_value = joined.equals.is_some() || joined.blank.is_some();
        let follows = !has_value && next.filter(is_value).is_some();
        if follows {
            self.skipped.extend(self.rest.pop_front());
        }
        let with = match follows {
            true => ", with what follows it",
            false => "",
        };
        let names = self.known.iter().map(|known| known.long.as_str());
        let meant = similar(bare, names);
        let meant = meant.map_or(String::new(), |long| format!("; did you mean `--{long}`?"));
        self.warnings.push(format!(
            "there is no option `{shown}`; it is left out{with}{meant}"
        ));
    }

    /// An argument that is neither an option nor the value of one.
    fn place(&mut self, word: &str) {
        if self.address.is_none() {
            let (address, tail) = split_at_option(word, |word| self.is_known(word));
            self.put_back(tail);
            let address = unquoted(address.trim());
            if is_package(address) && !self.rest.is_empty() {
                return self.warnings.push(
                    "the name of the package is left out: this program takes its place".to_owned(),
                );
            }
            self.address = Some(address.to_owned());
            self.is_after_address = true;
            return;
        }
        if !std::mem::take(&mut self.is_after_address) {
            self.strays += 1;
            return;
        }
        match as_port(word) {
            Some(0) => {}
            Some(port) if (1..=65535).contains(&port) => {
                if port.to_string() != word.trim() {
                    self.warnings
                        .push(format!("the callback port is taken as {port}"));
                }
                self.port = Some(port.to_string());
            }
            Some(_) => self.warnings.push(
                "the callback port is left out: it must be a number from 1 to 65535".to_owned(),
            ),
            None => self.warnings.push(
                "the argument after the address is no callback port, and is left out; a value that contains spaces must be one argument, in quotes"
                    .to_owned(),
            ),
        }
    }

    fn finish(mut self) -> Understood {
        // Help wins, wherever it stands, and nothing else matters then.
        let asks = ASKS.iter().find(|ask| self.asked.contains(**ask));
        if let Some(asked) = asks {
            return Understood {
                args: vec![(*asked).to_owned()],
                warnings: Vec::new(),
            };
        }
        if self.address.is_none() && !self.skipped.is_empty() {
            // An option that is not known may have been a switch.
            self.address = Some(unquoted(self.skipped.remove(0).trim()).to_owned());
        }
        if self.strays > 0 {
            self.warnings.push(match self.strays {
                1 => "an argument without a meaning is left out; a callback port comes right after the address, and a value that contains spaces must be one argument, in quotes".to_owned(),
                count => format!("{count} arguments without a meaning are left out; a value that contains spaces must be one argument, in quotes"),
            });
        }
        let places = self.address.into_iter().chain(self.port);
        let mut args = self.options;
        args.push("--".to_owned());
        args.extend(places);
        Understood {
            args,
            warnings: self.warnings,
        }
    }
}

/// Who takes over a configuration may leave the name there.
fn is_package(word: &str) -> bool {
    word == "mcp-remote" || word.starts_with("mcp-remote@")
}

#[cfg(test)]
mod tests;
