//! Where a value was given, and the shapes that values have.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use url::Url;

use super::automation::REFRESH_TOKEN;
use super::client::SECRET_VARIABLE;
use super::file::Notes;
use super::{DIR_VARIABLE, Surroundings};
use crate::cli::{self, ENV_PREFIX, UsageError};
use crate::diag;
use crate::ids;
use crate::mcp::era::Protocol;
use crate::mcp::transport::Preference;
use crate::oauth::dpop;
use crate::secret::Secret;

/// Variables of ours that stand for no option.
const NO_OPTIONS: [&str; 3] = [DIR_VARIABLE, REFRESH_TOKEN, SECRET_VARIABLE];

/// Longest wait that can be asked for: a day.
const LONGEST: u64 = 24 * 60 * 60;

/// A value together with where it was given, for messages.
#[derive(Clone)]
pub(super) struct Given {
    /// The value.
    pub text: String,
    /// The flag or variable, in backticks, or the member of the configuration file.
    pub origin: String,
}

/// Secrets that no option takes, since a command line shows its values to everybody. Each has a
/// variable, as an option of this name would have.
const SECRETS: [&str; 1] = ["idp-client-secret"];

/// What one part of the configuration file says, by the options' long names. An option that may
/// not be repeated has one value; a switch has `true` or `false`.
pub(super) type Layer = BTreeMap<String, Vec<Given>>;

/// Finds values: the flag first, then the variable, then the configuration file. An empty variable
/// counts as absent, since hosts set those for settings that the user left empty.
pub(super) struct Lookup<'a> {
    env: &'a BTreeMap<String, String>,
    /// What the file says, what wins first: the server's entry, then the defaults.
    layers: Vec<Layer>,
    /// What is odd about the file.
    pub notes: Notes,
    /// Where what was found stood, by the options' long names.
    used: RefCell<BTreeMap<String, Vec<String>>>,
    /// Whether flags may be wrong where mcp-remote goes on with a warning.
    pub(super) is_lenient: bool,
    /// What is to be said about that.
    pub(super) forgiven: RefCell<Vec<String>>,
}

impl<'a> Lookup<'a> {
    pub fn new(env: &'a BTreeMap<String, String>, layers: Vec<Layer>) -> Self {
        Self {
            env,
            layers,
            notes: Notes::default(),
            used: RefCell::default(),
            is_lenient: false,
            forgiven: RefCell::default(),
        }
    }

    /// The same without the configuration file: what was said for this one process.
    pub fn typed(&self) -> Self {
        Self::new(self.env, Vec::new())
    }

    /// What the configuration file says.
    fn filed(&self, long: &str) -> Option<&[Given]> {
        let mut layers = self.layers.iter();
        layers.find_map(|layer| layer.get(long).map(Vec::as_slice))
    }

    /// How near to this process the file says it: 1 for the server's entry, then the defaults. What is
    /// said for the process itself would be 0.
    pub fn filed_at(&self, long: &str) -> Option<usize> {
        let at = self
            .layers
            .iter()
            .position(|layer| layer.contains_key(long));
        at.map(|at| at + 1)
    }

    /// What the configuration file says where no option and no variable can.
    pub fn only_filed(&self, long: &str) -> Option<Given> {
        let given = self.filed(long)?.first().cloned();
        self.found(long, given.iter());
        given
    }

    /// Notes where an option was found.
    fn found<'g>(&self, long: &str, given: impl Iterator<Item = &'g Given>) {
        let mut used = self.used.borrow_mut();
        for given in given {
            let origins = used.entry(long.to_owned()).or_default();
            if !origins.contains(&given.origin) {
                origins.push(given.origin.clone());
            }
        }
    }

    /// The options that were found so far, by their long names, and where. Not what they say, which
    /// may be secret.
    pub fn origins(&self) -> Vec<(String, String)> {
        let used = self.used.borrow();
        let each = used.iter();
        each.map(|(long, origins)| (long.clone(), origins.join(", ")))
            .collect()
    }

    fn variable(&self, long: &str) -> Option<Given> {
        let name = cli::variable(long);
        let text = self.env.get(&name).filter(|text| !text.is_empty())?;
        Some(Given {
            text: text.clone(),
            origin: format!("`{name}`"),
        })
    }

    pub fn text(&self, long: &str, flag: &Option<String>) -> Option<Given> {
        let given = match flag {
            Some(text) => Some(Given {
                text: text.clone(),
                origin: format!("`--{long}`"),
            }),
            None => self.variable(long).or_else(|| self.only_filed(long)),
        };
        self.found(long, given.iter());
        given
    }

    /// A secret that no option takes: what the variable holds that was named by `--NAME-env`, else
    /// its own variable, else what the configuration file says. An empty one counts as absent.
    pub fn secret(&self, name: &str, named: &Option<String>) -> Result<Option<Secret>, UsageError> {
        let Some(named) = self.text(&format!("{name}-env"), named) else {
            let given = self.variable(name).or_else(|| self.only_filed(name));
            let given = given.filter(|given| !given.text.is_empty());
            return Ok(given.map(|given| Secret::new(given.text)));
        };
        let variable = named.variable_name()?;
        match self.env.get(variable).filter(|text| !text.is_empty()) {
            Some(secret) => Ok(Some(Secret::new(secret))),
            None => Err(UsageError::new(format!(
                "{} names the environment variable `{}`, which is not set",
                named.origin,
                named.shown_variable()
            ))),
        }
    }

    /// A repeatable option. Its variable holds one value a line.
    pub fn list(&self, long: &str, flags: &[String]) -> Vec<Given> {
        let list = self
            .typed_list(long, flags)
            .or_else(|| self.filed(long).map(<[Given]>::to_vec))
            .unwrap_or_default();
        self.found(long, list.iter());
        list
    }

    /// A repeatable option whose values add up instead of replacing each other: one list a place
    /// that it can be given in, what wins last.
    pub fn lists(&self, long: &str, flags: &[String]) -> Vec<Vec<Given>> {
        let filed = |layer: &Layer| layer.get(long).cloned().unwrap_or_default();
        let mut lists: Vec<_> = self.layers.iter().rev().map(filed).collect();
        lists.push(self.typed_list(long, flags).unwrap_or_default());
        self.found(long, lists.iter().flatten());
        lists
    }

    fn typed_list(&self, long: &str, flags: &[String]) -> Option<Vec<Given>> {
        if !flags.is_empty() {
            let given = |text: &String| Given {
                text: text.clone(),
                origin: format!("`--{long}`"),
            };
            return Some(flags.iter().map(given).collect());
        }
        let variable = self.variable(long)?;
        let lines = variable.text.lines().filter(|line| !line.trim().is_empty());
        let given = |line: &str| Given {
            text: line.to_owned(),
            origin: variable.origin.clone(),
        };
        Some(lines.map(given).collect())
    }

    pub fn switch(&self, long: &str, flag: bool) -> Result<bool, UsageError> {
        Ok(self.switched_on(long, flag)?.is_some())
    }

    /// Where a switch was turned on, if it was.
    pub fn switched_on(&self, long: &str, flag: bool) -> Result<Option<String>, UsageError> {
        let flagged = flag.then(|| Given {
            text: "true".to_owned(),
            origin: format!("`--{long}`"),
        });
        let elsewhere = || self.variable(long).or_else(|| self.only_filed(long));
        let Some(given) = flagged.or_else(elsewhere) else {
            return Ok(None);
        };
        self.found(long, std::iter::once(&given));
        match given.text.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Ok(Some(given.origin)),
            "0" | "false" | "no" | "off" => Ok(None),
            _ => Err(given.wrong("`true` or `false`")),
        }
    }

    /// Variables with our prefix that mean nothing to us: most likely misspelt.
    pub fn unknown_variables(&self) -> impl Iterator<Item = &'a str> {
        let ours: Vec<&str> = self
            .env
            .keys()
            .map(String::as_str)
            .filter(|name| name.starts_with(ENV_PREFIX) && !NO_OPTIONS.contains(name))
            .collect();
        let known: Vec<String> = match ours.is_empty() {
            true => Vec::new(),
            false => cli::option_names()
                .iter()
                .map(String::as_str)
                .chain(SECRETS)
                .map(cli::variable)
                .collect(),
        };
        ours.into_iter()
            .filter(move |name| !known.iter().any(|known| known == name))
    }
}

impl Given {
    /// The error for a value that may be shown.
    fn wrong(&self, allowed: &str) -> UsageError {
        let shown = diag::clean_to(&self.text, 60);
        UsageError::new(format!(
            "{} is `{shown}`; it must be {allowed}",
            self.origin
        ))
    }

    /// The name of an environment variable. What cannot be one may be the secret itself, which is not
    /// repeated.
    pub fn variable_name(&self) -> Result<&str, UsageError> {
        let name = self.text.trim();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        match !name.is_empty() && name.len() <= 60 && name.chars().all(plain) {
            true => Ok(name),
            false => Err(
                UsageError::new(format!("{} is not the name of a variable", self.origin))
                    .with_hint("put the secret into an environment variable, and give its name"),
            ),
        }
    }

    /// The name of a variable as messages show it: one that rather looks like the secret itself stays
    /// out.
    pub fn shown_variable(&self) -> &str {
        let name = self.text.trim();
        let has = |kind: fn(&char) -> bool| name.chars().any(|c| kind(&c));
        match has(char::is_ascii_digit) && has(char::is_ascii_lowercase) {
            true => "…",
            false => name,
        }
    }

    /// Seconds, fractions included.
    pub fn seconds(&self) -> Result<Duration, UsageError> {
        self.text
            .trim()
            .parse::<f64>()
            .ok()
            .filter(|seconds| *seconds >= 0.001 && *seconds <= LONGEST as f64)
            .map(Duration::from_secs_f64)
            .ok_or_else(|| self.wrong("a number of seconds above 0 and at most 86400"))
    }

    /// Seconds, fractions included; `None` for 0, which means without limit.
    pub fn seconds_or_none(&self) -> Result<Option<Duration>, UsageError> {
        match self.text.trim().parse::<f64>() {
            Ok(0.0) => Ok(None),
            _ => self
                .seconds()
                .map(Some)
                .map_err(|_| self.wrong("a number of seconds of at most 86400, or 0 for no limit")),
        }
    }

    /// Whole seconds.
    pub fn whole_seconds(&self) -> Result<Duration, UsageError> {
        self.text
            .trim()
            .parse::<u64>()
            .ok()
            .filter(|seconds| (1..=LONGEST).contains(seconds))
            .map(Duration::from_secs)
            .ok_or_else(|| self.wrong("a whole number of seconds from 1 to 86400"))
    }

    /// The same as mcp-remote reads them, with JavaScript's `parseInt`: what follows the digits does
    /// not count. More than can be asked for is as much as can be.
    pub fn leading_seconds(&self) -> Result<Duration, UsageError> {
        match cli::leading_integer(&self.text) {
            Some(seconds) if seconds > 0 => {
                let seconds = u64::try_from(seconds).unwrap_or(LONGEST);
                Ok(Duration::from_secs(seconds.min(LONGEST)))
            }
            _ => self.whole_seconds(),
        }
    }

    /// The value itself, or the longest wait where it is a longer one.
    pub fn at_most_longest(mut self) -> Self {
        let seconds = self.text.trim().parse::<f64>();
        if seconds.is_ok_and(|seconds| seconds.is_finite() && seconds > LONGEST as f64) {
            self.text = LONGEST.to_string();
        }
        self
    }

    /// A page for the user's browser. What else it may lead to, a browser may not be sent to from here;
    /// over plain http only to this machine, unless that is allowed.
    pub fn page(&self, allow_http: bool) -> Result<Url, UsageError> {
        let url = Url::parse(self.text.trim()).ok().filter(|url| {
            let is_private = url.scheme() == "https" || allow_http || ids::is_loopback(url);
            matches!(url.scheme(), "https" | "http") && is_private
        });
        let wrong = || {
            UsageError::new(format!("{} is not the address of a page", self.origin)).with_hint(
                "it begins with `https://`, or with `http://` on this machine or with `--allow-http`",
            )
        };
        let url = url.ok_or_else(wrong)?;
        match url.username().is_empty() && url.password().is_none() {
            true => Ok(url),
            false => Err(UsageError::new(format!(
                "the address in {} has a user name or a password in it",
                self.origin
            ))),
        }
    }

    /// Which transports may be used.
    pub fn transport(&self) -> Result<Preference, UsageError> {
        let parsed = Preference::parse(self.text.trim());
        parsed.ok_or_else(|| self.wrong(Preference::CHOICES))
    }

    /// Which revisions may be spoken to the server.
    pub fn protocol(&self) -> Result<Protocol, UsageError> {
        let parsed = Protocol::parse(self.text.trim());
        parsed.ok_or_else(|| self.wrong(&Protocol::choices()))
    }

    /// Whether tokens are bound to a key.
    pub fn dpop(&self) -> Result<dpop::Mode, UsageError> {
        let parsed = dpop::Mode::from_name(self.text.trim());
        parsed.ok_or_else(|| self.wrong("`auto`, `always` or `never`"))
    }

    /// A host for the redirect URI. RFC 8252 §7.3: it is on this machine, so that the
    /// authorization code goes nowhere else.
    pub fn loopback_host(&self) -> Result<String, UsageError> {
        let text = self.text.trim();
        let host = match text.contains(':') && !text.starts_with('[') {
            true => format!("[{text}]"),
            false => text.to_owned(),
        };
        Url::parse(&format!("http://{host}:1/"))
            .ok()
            .filter(|url| url.username().is_empty() && url.path() == "/" && url.port() == Some(1))
            .filter(ids::is_loopback)
            .and_then(|url| url.host_str().map(str::to_owned))
            .ok_or_else(|| self.wrong("`localhost`, `127.0.0.1` or `[::1]`"))
    }

    /// A host that is a name, as it stands in a URL.
    pub fn host_name(&self) -> Option<String> {
        match url::Host::parse(self.text.trim()) {
            Ok(url::Host::Domain(name)) if !name.is_empty() => Some(name),
            _ => None,
        }
    }

    /// An address of this machine to listen on.
    pub fn address(&self) -> Result<IpAddr, UsageError> {
        let text = self.text.trim();
        let bare = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'));
        let address = bare.unwrap_or(text).parse();
        address.map_err(|_| self.wrong("an IP address of this machine, such as `0.0.0.0`"))
    }

    /// A path that a URL can hold as it stands, so that registration and redirect agree on it.
    pub fn path(&self) -> Result<String, UsageError> {
        let text = &self.text;
        let stands = Url::parse(&format!("http://localhost:1{text}")).is_ok_and(|url| {
            url.path() == text && url.query().is_none() && url.fragment().is_none()
        });
        match stands && text.starts_with('/') && !text.starts_with("//") {
            true => Ok(text.clone()),
            false => Err(self.wrong("a path that begins with `/`, without `?` and `#`")),
        }
    }

    /// The callback port; 0 leaves the choice to the system.
    pub fn port(&self) -> Result<Option<u16>, UsageError> {
        match self.text.trim().parse::<u16>() {
            Ok(port) => Ok(Some(port).filter(|port| *port != 0)),
            Err(_) => Err(self.wrong("a number from 1 to 65535")),
        }
    }

    /// The content of a file that this value names.
    pub fn read(&self, path: &str, around: &Surroundings<'_>) -> Result<Vec<u8>, UsageError> {
        (around.read)(path.as_ref()).map_err(|error| {
            UsageError::new(format!(
                "the file `{}` of {} cannot be read: {error}",
                diag::clean(path),
                self.origin
            ))
        })
    }

    /// [`Given::read`] for text. A leading byte order mark, which Windows editors write, is left out.
    pub fn read_text(&self, path: &str, around: &Surroundings<'_>) -> Result<String, UsageError> {
        let text = String::from_utf8(self.read(path, around)?).map_err(|_| {
            UsageError::new(format!(
                "the file `{}` of {} is not UTF-8 text",
                diag::clean(path),
                self.origin
            ))
        })?;
        Ok(match text.strip_prefix('\u{feff}') {
            Some(rest) => rest.to_owned(),
            None => text,
        })
    }
}

/// The callback port; 0 leaves the choice to the system.
pub(super) fn port(text: &str) -> Result<Option<u16>, UsageError> {
    match text.trim().parse::<u16>() {
        Ok(0) => Ok(None),
        Ok(port) => Ok(Some(port)),
        // Anything but a number may be a piece of a secret that was not quoted.
        Err(_) if text.chars().all(|c| c.is_ascii_digit() || c == '-') => Err(UsageError::new(format!(
            "the callback port is `{text}`; it must be a number from 1 to 65535"
        ))),
        Err(_) => Err(UsageError::new(
            "the argument after the address is not a callback port, which is a number from 1 to 65535",
        )
        .with_hint("a value that contains spaces must be one argument, in quotes")),
    }
}
