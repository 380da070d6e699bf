//! Options about what is sent to the MCP server, and how.

use clap::{ArgMatches, Args, Command, FromArgMatches};

/// What is sent to the MCP server, and how long it may take.
#[derive(Args, Default)]
pub struct TrafficOptions {
    // Before the headers: reading those takes them out of what it looks at.
    #[command(flatten)]
    #[allow(missing_docs)]
    pub header_order: HeaderOrder,

    /// Send this header to the server, repeatable
    ///
    /// It goes with every request to the MCP server, and to no other server.
    ///
    /// `${VAR}` in the value is replaced by the environment variable VAR, which keeps secrets out
    /// of the process list. An `Authorization` header given here replaces signing in.
    #[arg(long, value_name = "NAME: VALUE")]
    pub header: Vec<String>,

    /// Read headers from a file, one a line, repeatable
    ///
    /// Lines are `Name: value`; empty lines and lines that begin with `#` are skipped. `${VAR}` is
    /// replaced as for --header. Of two headers with one name, here or there, the later on the command
    /// line counts.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub header_file: Vec<String>,

    /// Transport to speak to the server [default: http-first]
    ///
    /// `http-first` tries streamable HTTP, and the HTTP+SSE of 2024 if the server refuses it;
    /// `sse-first` tries them the other way round. `http-only` and `sse-only` try nothing else.
    /// What a server turns out to speak is remembered. `auto`, `http` and `sse` stand for
    /// `http-first`, `http-only` and `sse-only`.
    #[arg(long, value_name = "TRANSPORT", hide_short_help = true)]
    pub transport: Option<String>,

    /// MCP revision to speak to the server [default: auto]
    ///
    /// `auto` asks the server what it speaks, and remembers that. `legacy` speaks a revision that
    /// opens with `initialize`, `modern` one without sessions, each the newest that both know; the
    /// name of a revision, such as `2025-06-18`, that one. The AI client may speak any of them.
    #[arg(long, value_name = "REVISION", hide_short_help = true)]
    pub protocol: Option<String>,

    /// Seconds to wait for the server to begin an answer, 0 for no limit [default: 300]
    ///
    /// The request then ends with an error, and the server is told that nobody waits for it.
    #[arg(long, value_name = "SECONDS", hide_short_help = true)]
    pub headers_timeout: Option<String>,

    /// Seconds that an answer may pause, 0 for no limit [default: 300]
    ///
    /// Event streams may pause for as long as they like unless this is given. One that pauses longer
    /// is then resumed, if the server can do that.
    #[arg(long, value_name = "SECONDS", hide_short_help = true)]
    pub body_timeout: Option<String>,

    /// Send no cookies back to the server
    ///
    /// By default its cookies are kept in memory, for load balancers that tell clients apart by them.
    #[arg(long, hide_short_help = true)]
    pub disable_cookies: bool,

    /// Show and allow only the tools that this pattern matches, repeatable
    ///
    /// `*` stands for any text, and case does not count. Other tools are left out of lists, and calls
    /// of them are refused without asking the server.
    #[arg(long, value_name = "PATTERN", hide_short_help = true)]
    pub tool: Vec<String>,

    /// Hide and refuse the tools that this pattern matches, repeatable
    ///
    /// As for --tool, and of those that it allows. What flags or variables say comes on top of what the
    /// configuration file says.
    #[arg(long, value_name = "PATTERN", hide_short_help = true)]
    pub ignore_tool: Vec<String>,

    /// Ping the server while nothing else is sent to it
    ///
    /// For load balancers and servers that end what is silent. The AI client sees nothing of it. A
    /// ping that is not answered by the time of the next means that the connection is dead: another
    /// is opened, and the session is restored if it is gone.
    #[arg(long, hide_short_help = true)]
    pub keep_alive: bool,

    /// Seconds of silence before a ping [default: 30]
    ///
    /// Turns --keep-alive on.
    #[arg(long, value_name = "SECONDS", hide_short_help = true)]
    pub ping_interval: Option<String>,
}

/// How `--header` and `--header-file` followed each other on the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderOrder {
    /// For each of them, whether it is a file.
    is_file: Vec<bool>,
}

impl HeaderOrder {
    /// The headers and the files in one list: as they followed each other where that is known, else the
    /// files first.
    pub fn merge<T>(&self, lines: Vec<T>, files: Vec<T>, mut add: impl FnMut(bool, T)) {
        let (mut lines, mut files) = (lines.into_iter(), files.into_iter());
        let count = |is_file| self.is_file.iter().filter(|is| **is == is_file).count();
        if (lines.len(), files.len()) == (count(false), count(true)) {
            for is_file in &self.is_file {
                let next = match is_file {
                    true => files.next(),
                    false => lines.next(),
                };
                next.into_iter().for_each(|next| add(*is_file, next));
            }
        }
        files.for_each(|file| add(true, file));
        lines.for_each(|line| add(false, line));
    }
}

impl Args for HeaderOrder {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}

impl FromArgMatches for HeaderOrder {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let at = |id: &str| matches.indices_of(id).into_iter().flatten();
        let lines = at("header").map(|at| (at, false));
        let mut all: Vec<(usize, bool)> = lines
            .chain(at("header_file").map(|at| (at, true)))
            .collect();
        all.sort_unstable();
        Ok(Self {
            is_file: all.into_iter().map(|(_, is_file)| is_file).collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
