//! What `import` found and did, for people and for programs.

use serde::Serialize;

use crate::command::words::duration;
use crate::diag::{clean, clean_to};
use crate::error::Error;
use crate::oauth::token::TokenSet;
use crate::term::{Cell, Fields, Table, Terminal, Tone};

/// Version of the JSON form. New members may come without a new version.
const FORMAT: u32 = 1;

/// The JSON form of the whole answer.
#[derive(Debug, Serialize)]
pub struct Report {
    version: u32,
    /// Whether sign-ins are taken over, and not only shown.
    apply: bool,
    /// Every server that was looked at.
    servers: Vec<Row>,
}

/// A server. An absent value is `null`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its address, without query values; `null` if the entry cannot be used.
    pub server: Option<String>,
    /// The name of the sign-in.
    pub name: Option<String>,
    /// Who uses it.
    pub used_by: Vec<String>,
    /// What becomes of the sign-in of mcp-remote.
    pub state: State,
    /// The file of mcp-remote that it stands in.
    pub source: Option<String>,
    /// When its access token ends, in seconds since the epoch.
    pub expires_at: Option<u64>,
    /// Whether another token is to be had without a person.
    pub refreshable: Option<bool>,
    /// Why it is left, if it should have been taken over.
    pub problem: Option<String>,
    /// What the program ends with for this, if that is not the usual 1.
    #[serde(skip)]
    pub exit_code: Option<u8>,
}

/// What becomes of a sign-in of mcp-remote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// There is none.
    None,
    /// `--apply` would take it over.
    WouldTake,
    /// The current folder's files want it: the AI client's first use takes it over.
    AtFirstUse,
    /// It was taken over.
    Taken,
    /// It was taken over before.
    TakenBefore,
    /// There is one of ours, which stays.
    SignedIn,
    /// The server is used without a sign-in of a person.
    NoNeed,
    /// It could not be taken over.
    Left,
}

impl Row {
    /// A server that nothing is known about yet.
    pub fn new(used_by: String, server: String, name: String) -> Self {
        Self {
            server: Some(clean_to(&server, 2000)),
            name: Some(name),
            used_by: vec![used_by],
            state: State::None,
            source: None,
            expires_at: None,
            refreshable: None,
            problem: None,
            exit_code: None,
        }
    }

    /// An entry that cannot be used.
    pub fn unusable(used_by: String, why: String) -> Self {
        let mut row = Self::new(used_by, String::new(), String::new());
        (row.server, row.name) = (None, None);
        row.leave(&why);
        row
    }

    /// There is a sign-in in this file, with these tokens.
    pub fn found(&mut self, place: &str, tokens: &TokenSet) {
        self.source = Some(clean_to(place, 2000));
        self.expires_at = tokens.expires_at;
        self.refreshable = Some(tokens.refresh_token.is_some());
    }

    /// It could not be taken over, for this reason.
    pub fn leave(&mut self, why: &str) {
        self.state = State::Left;
        self.problem = Some(clean_to(why, 1000));
    }

    fn users(&self) -> String {
        match &self.used_by[..] {
            [] => String::new(),
            [one] => one.clone(),
            [first, others @ ..] => format!("{first}, and {} more", others.len()),
        }
    }

    fn token(&self, now: u64) -> String {
        if self.source.is_none() {
            return "-".to_owned();
        }
        let end = match self.expires_at {
            None => "end unknown".to_owned(),
            Some(at) if at <= now => format!("ended {} ago", duration(now - at)),
            Some(at) => format!("valid for {}", duration(at - now)),
        };
        match self.refreshable {
            Some(false) => format!("{end}, cannot be refreshed"),
            _ => end,
        }
    }

    fn tone(&self) -> Tone {
        match self.state {
            State::Taken | State::WouldTake => Tone::Good,
            State::Left => Tone::Bad,
            _ => Tone::Plain,
        }
    }

    fn outcome(&self) -> String {
        match self.state {
            State::None => "no sign-in of mcp-remote".to_owned(),
            State::WouldTake => "would be taken over".to_owned(),
            State::AtFirstUse => "would be taken over at the first use".to_owned(),
            State::Taken => "taken over".to_owned(),
            State::TakenBefore => "taken over before".to_owned(),
            State::SignedIn => "signed in here already".to_owned(),
            State::NoNeed => "needs no sign-in".to_owned(),
            State::Left => {
                let why = self.problem.as_deref().unwrap_or_default();
                format!("left: {why}")
            }
        }
    }
}

impl Report {
    /// An empty one.
    pub fn new(apply: bool) -> Self {
        Self {
            version: FORMAT,
            apply,
            servers: Vec::new(),
        }
    }

    /// Adds a server. Of two that have the same sign-in, the first counts.
    pub fn add(&mut self, row: Row) {
        let same = |known: &&mut Row| {
            known.name.is_some() && known.name == row.name && known.server == row.server
        };
        match self.servers.iter_mut().find(same) {
            Some(known) => known.used_by.extend(row.used_by),
            None => self.servers.push(row),
        }
    }

    fn count(&self, state: State) -> usize {
        let rows = self.servers.iter();
        rows.filter(|row| row.state == state).count()
    }

    /// The JSON form.
    pub fn json(&self) -> String {
        crate::command::json(self)
    }

    /// A row for each server, and where there is no room for that, lines. `is_one` says that one server
    /// was asked for, which nobody has to be told who uses. `now` is in seconds since the epoch.
    pub fn page(&self, is_one: bool, now: u64, terminal: Terminal) -> String {
        let table = self.table(is_one, now);
        if table.fits(terminal) {
            return table.text(terminal);
        }
        let block = |row: &Row| {
            // An entry that cannot be used is known by who has it.
            let title = row.server.clone().unwrap_or_else(|| row.users());
            let title = terminal.paint(Tone::Strong, &title);
            let mut fields = Fields::new(2);
            let has_users = !is_one && row.server.is_some();
            fields.add_some("used by", has_users.then(|| row.users()));
            let has_token = row.source.is_some();
            fields.add_some("token", has_token.then(|| row.token(now)));
            fields.add_in(row.tone(), "sign-in", row.outcome());
            format!("{title}\n{}", fields.text(terminal))
        };
        let blocks: Vec<String> = self.servers.iter().map(block).collect();
        blocks.join("\n")
    }

    fn table(&self, is_one: bool, now: u64) -> Table<4> {
        let mut table = Table::new(["SERVER", "USED BY", "TOKEN", "SIGN-IN"]);
        for row in &self.servers {
            let server = row.server.clone().unwrap_or_else(|| "-".to_owned());
            let users = match is_one {
                true => String::new(),
                false => row.users(),
            };
            let outcome = Cell::new(row.tone(), row.outcome());
            table.add([server.into(), users.into(), row.token(now).into(), outcome]);
        }
        table
    }

    /// What came of it in one sentence.
    pub fn summary(&self) -> String {
        let sign_ins = |count| match count {
            1 => "1 sign-in".to_owned(),
            count => format!("{count} sign-ins"),
        };
        match (self.count(State::WouldTake), self.count(State::Taken)) {
            (0, 0) if self.servers.is_empty() => {
                "no server is configured; give its address to look for one".to_owned()
            }
            (0, 0) => "nothing to take over".to_owned(),
            (0, taken) => format!(
                "{} taken over; do not use mcp-remote for {} any more, as only one program can refresh a sign-in",
                sign_ins(taken),
                if taken == 1 { "it" } else { "them" }
            ),
            (wanted, _) => format!(
                "{} would be taken over; the same with `--apply` does that",
                sign_ins(wanted)
            ),
        }
    }

    /// Success, unless something could not be taken over, or the one that was asked for is not there.
    pub fn outcome(&self, is_one: bool) -> Result<(), Error> {
        let missing = match is_one {
            true => self.count(State::None),
            false => 0,
        };
        let left = self.servers.iter().filter(|row| row.state == State::Left);
        let exit_code = left.clone().find_map(|row| row.exit_code);
        match left.count() + missing {
            0 => Ok(()),
            count => Err(Error::NotImported {
                count,
                exit_code: exit_code.filter(|_| is_one).unwrap_or(1),
            }),
        }
    }
}

/// What a person reads of an error.
pub fn told(error: &Error) -> String {
    match error.hint() {
        Some(hint) => clean(&format!("{error}; {hint}")),
        None => clean(&error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn row(server: &str, name: &str) -> Row {
        Row::new("Cursor: `a`".to_owned(), server.to_owned(), name.to_owned())
    }

    #[test]
    fn the_table_is_aligned_and_says_what_becomes_of_each() {
        let mut report = Report::new(false);
        let mut wanted = row("https://a.example/mcp", "a");
        wanted.state = State::WouldTake;
        wanted.source = Some("/x".to_owned());
        wanted.expires_at = Some(NOW + 120);
        wanted.refreshable = Some(true);
        report.add(wanted);
        report.add(row("https://b.example", "b"));
        report.add(row("https://b.example", "b"));
        let mut left = row("https://c.example", "c");
        left.source = Some("/x".to_owned());
        left.expires_at = Some(NOW - 60);
        left.refreshable = Some(false);
        left.leave("mcp-remote still runs\u{1b}[1m");
        report.add(left);
        report.add(Row::unusable("Zed: `d`".to_owned(), "odd".to_owned()));
        let table = "\
SERVER                 USED BY                  TOKEN                                    SIGN-IN
https://a.example/mcp  Cursor: `a`              valid for 2 minutes                      would be taken over
https://b.example      Cursor: `a`, and 1 more  -                                        no sign-in of mcp-remote
https://c.example      Cursor: `a`              ended 1 minute ago, cannot be refreshed  left: mcp-remote still runs
-                      Zed: `d`                 -                                        left: odd
";
        let wide = |width| Terminal {
            width: Some(width),
            colour: false,
        };
        let widest = table.lines().map(str::len).max().expect("lines");
        for terminal in [Terminal::NONE, wide(widest)] {
            assert_eq!(report.page(false, NOW, terminal), table);
        }
        assert_eq!(
            report.page(false, NOW, wide(40)),
            "\
https://a.example/mcp
  used by  Cursor: `a`
  token    valid for 2 minutes
  sign-in  would be taken over

https://b.example
  used by  Cursor: `a`, and 1 more
  sign-in  no sign-in of mcp-remote

https://c.example
  used by  Cursor: `a`
  token    ended 1 minute ago, cannot be
           refreshed
  sign-in  left: mcp-remote still runs

Zed: `d`
  sign-in  left: odd
"
        );
        assert!(
            report
                .page(false, NOW, wide(widest - 1))
                .starts_with("https://a.example/mcp\n")
        );
        assert!(!report.page(true, NOW, wide(40)).contains("used by"));
        assert_eq!(
            report.summary(),
            "1 sign-in would be taken over; the same with `--apply` does that"
        );
        let error = report.outcome(false).expect_err("two were left");
        assert_eq!(error.exit_code(), 1);
        assert!(error.to_string().contains("2 sign-ins"), "{error}");
    }

    #[test]
    fn rows_are_one_only_for_one_server_and_one_name() {
        let mut report = Report::new(false);
        for (server, name) in [("a", "n"), ("b", "n"), ("a", "m"), ("a", "n")] {
            report.add(row(&format!("https://{server}.example"), name));
        }
        for _ in 0..2 {
            report.add(Row::unusable("Zed: `d`".to_owned(), "odd".to_owned()));
        }
        let users = report.servers.iter().map(|row| row.used_by.len());
        assert_eq!(users.collect::<Vec<_>>(), [2, 1, 1, 1, 1]);
    }

    #[test]
    fn the_one_that_was_asked_for_and_is_not_there_is_a_failure() {
        let mut report = Report::new(true);
        report.add(row("https://a.example", "a"));
        assert!(report.outcome(false).is_ok());
        assert!(report.outcome(true).is_err());
        assert!(!report.page(true, NOW, Terminal::NONE).contains("USED BY"));
        let mut report = Report::new(true);
        let mut unreachable = row("https://a.example", "a");
        unreachable.leave("down");
        unreachable.exit_code = Some(4);
        report.add(unreachable);
        let error = report.outcome(true).expect_err("left");
        assert_eq!(error.exit_code(), 4);
        let error = report.outcome(false).expect_err("left");
        assert_eq!(error.exit_code(), 1);
    }

    #[test]
    fn the_end_counts_what_was_taken_over() {
        let report = |states: &[State]| {
            let mut report = Report::new(true);
            for (at, state) in states.iter().enumerate() {
                let mut row = row("https://a.example", &at.to_string());
                row.state = *state;
                report.add(row);
            }
            report.summary()
        };
        assert!(report(&[State::Taken, State::Taken]).starts_with("2 sign-ins taken over"));
        assert!(report(&[State::Taken]).contains("for it any more"));
        let rest = [
            State::None,
            State::SignedIn,
            State::TakenBefore,
            State::NoNeed,
        ];
        assert_eq!(report(&rest), "nothing to take over");
        assert!(report(&[]).starts_with("no server"));
    }
}
