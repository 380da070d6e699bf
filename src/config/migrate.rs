//! What `migrate` is asked to do.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use super::file::{File, Need};
use super::{Base, Config, OpenError, Surroundings};
use crate::cli::{self, CommonOptions, MigrateArgs, Parsed, Request, UsageError};
use crate::compat::hosts::{HOSTS, Host};

/// What `migrate` is to do.
#[derive(Clone, Debug)]
pub struct Migrate {
    /// What every command needs.
    pub base: Base,
    /// The hosts whose files are looked at.
    pub hosts: Vec<&'static Host>,
    /// What is done with the files.
    pub step: Step,
    /// Whether the output is JSON.
    pub json: bool,
    /// Where the user's files are.
    pub home: Home,
}

/// What is done with the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Show what would change.
    Show,
    /// Change them.
    Apply,
    /// Put back what was changed.
    Undo,
}

/// Where the user's files are, as far as the system says.
#[derive(Clone, Debug)]
pub struct Home {
    /// The user's home.
    pub home: Option<PathBuf>,
    /// The system's folder for configuration.
    pub config: Option<PathBuf>,
    /// The system's folder for local data.
    pub local: Option<PathBuf>,
    /// The environment variables.
    pub env: BTreeMap<String, String>,
}

impl Home {
    pub(super) fn new(around: &Surroundings<'_>) -> Self {
        Self {
            home: around.home_dir.clone(),
            config: around.config_dir.clone(),
            local: around.data_dir.clone(),
            env: around.env.clone(),
        }
    }
}

impl Migrate {
    pub(super) fn new(args: &MigrateArgs, around: &Surroundings<'_>) -> Result<Self, UsageError> {
        Ok(Self {
            base: base(around)?,
            hosts: match args.hosts.is_empty() {
                true => HOSTS.iter().collect(),
                false => hosts(&args.hosts)?,
            },
            step: match (args.apply, args.undo) {
                (true, true) => {
                    return Err(UsageError::new("`--apply` and `--undo` exclude each other"));
                }
                (false, true) => Step::Undo,
                (true, false) => Step::Apply,
                (false, false) => Step::Show,
            },
            json: args.json,
            home: Home::new(around),
        })
    }
}

/// What a command without options of the bridge needs.
pub(super) fn base(around: &Surroundings<'_>) -> Result<Base, UsageError> {
    let file = File::find(&None, around)?;
    let lookup = file.lookup(None, Need::Find, around.env)?;
    Base::new(&CommonOptions::default(), around, &lookup)
}

/// The hosts of these names.
pub(super) fn hosts(names: &[String]) -> Result<Vec<&'static Host>, UsageError> {
    let find = |name: &String| {
        Host::find(name).ok_or_else(|| {
            let known: Vec<&str> = HOSTS.iter().map(|host| host.name).collect();
            UsageError::new(format!(
                "`{}` is no AI client that is known here",
                crate::diag::clean(name)
            ))
            .with_hint(format!("these are: {}", known.join(", ")))
        })
    };
    names.iter().map(find).collect()
}

/// Says why the bridge would not take these arguments, if a host starts it with these variables. What
/// only the host knows is taken to be in order. What is odd about the arguments is told, too.
pub fn judge(args: &[String], env: &BTreeMap<String, String>) -> Result<Vec<String>, String> {
    judge_parsed(cli::parse(argv(args)), args, env)
}

/// The same for arguments that were written for this program: none of them may be wrong.
pub(super) fn judge_strictly(args: &[String]) -> Result<(), String> {
    judge_parsed(cli::parse_strictly(argv(args)), args, &BTreeMap::new()).map(drop)
}

fn argv(args: &[String]) -> impl Iterator<Item = OsString> {
    let args = args.iter().map(String::as_str);
    std::iter::once("mcp-drawbridge")
        .chain(args)
        .map(Into::into)
}

fn judge_parsed(
    parsed: Result<Parsed, UsageError>,
    args: &[String],
    env: &BTreeMap<String, String>,
) -> Result<Vec<String>, String> {
    let told = |error: UsageError| match error.hint() {
        Some(hint) => format!("{error} ({hint})"),
        None => error.to_string(),
    };
    let request = match parsed {
        Ok(Parsed::Run(request)) => *request,
        Ok(Parsed::Text(_)) => return Err("they ask for help or the version".to_owned()),
        Err(error) => return Err(told(error)),
    };
    let Request::Bridge(server) = request else {
        return Err("they begin with the name of a command".to_owned());
    };
    let odd = server.tolerance.warnings.clone();
    if args.iter().any(|arg| is_filled_in_by_host(arg)) {
        return Ok(odd);
    }
    let mut env = env.clone();
    for name in args.iter().flat_map(|arg| variables(arg)) {
        env.entry(name.to_owned()).or_insert_with(|| "x".to_owned());
    }
    let around = Surroundings {
        env: &env,
        data_dir: None,
        config_dir: None,
        home_dir: None,
        read: &|path| match path.is_absolute() {
            true => std::fs::read(path),
            false => Err(io::Error::other("it is not an absolute path")),
        },
        open: &|_| Err(OpenError::Absent(io::ErrorKind::NotFound.into())),
    };
    Config::new(&server, &around).map(|_| odd).map_err(told)
}

/// Whether the host puts something else in the place of a part of this argument, or may do so.
fn is_filled_in_by_host(arg: &str) -> bool {
    let mut parts = arg.split("${").skip(1);
    let is_foreign = |part: &str| !matches!(part.split_once('}'), Some((name, _)) if is_name(name));
    arg.contains("{env:")
        || arg.contains("{file:")
        || parts.any(is_foreign)
        || arg.contains("${{")
        || arg.starts_with('$') && !arg.starts_with("${")
        || arg.starts_with('%') && arg.len() > 1 && arg.ends_with('%')
}

/// The variables that an argument names as `${NAME}`.
fn variables(arg: &str) -> impl Iterator<Item = &str> {
    let parts = arg.split("${").skip(1);
    parts.filter_map(|part| part.split_once('}').map(|(name, _)| name))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(args: &[&str]) -> Result<Vec<String>, String> {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        judge(&args, &BTreeMap::new())
    }

    #[test]
    fn arguments_that_the_bridge_takes_are_in_order() {
        for args in [
            &["https://mcp.example.com/mcp"][..],
            &["https://mcp.example.com/mcp", "3334", "--debug"],
            &[
                "https://mcp.example.com/mcp",
                "--header",
                "Authorization:${TOKEN}",
            ],
            &["${input:address}", "--debug"],
            // mcp-remote passes over what it does not understand, and so does the bridge.
            &["https://mcp.example.com/mcp", "--zzz", "--transport", "x"],
            &[
                "https://mcp.example.com/mcp",
                "--enable-proxy",
                "--ignore-tool",
                "delete*",
                "--auth-success-url",
                "https://app.example.com/done",
            ],
            &["${MCP_URL:-https://mcp.example.com}"],
            &["{env:MCP_URL}"],
        ] {
            assert!(judged(args).is_ok(), "{args:?}");
        }
    }

    #[test]
    fn what_is_odd_about_arguments_is_told() {
        let odd = |args| judged(args).expect("taken").join("; ");
        assert_eq!(odd(&["https://mcp.example.com/mcp", "--debug"]), "");
        let told = odd(&["https://mcp.example.com/mcp", "--ignore-tools", "a"]);
        assert!(told.contains("did you mean `--ignore-tool`?"), "{told}");
    }

    #[test]
    fn arguments_that_the_bridge_does_not_take_are_told() {
        for (args, part) in [
            (&["mcp.example.com", "--zzz"][..], "neither an address"),
            (&["mcp.example.com"], "mcp.example.com"),
            (&["--help"], "help"),
            (&["login", "https://mcp.example.com"], "command"),
            (&["http://mcp.example.com"], "http"),
            (
                &[
                    "https://x.example",
                    "--static-oauth-client-info",
                    "@client.json",
                ],
                "absolute",
            ),
        ] {
            let Err(reason) = judged(args) else {
                panic!("{args:?} were taken");
            };
            assert!(reason.contains(part), "{args:?}: {reason}");
        }
    }
}
