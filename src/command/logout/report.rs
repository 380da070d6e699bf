//! What `logout` did, for people and for programs.

use std::path::PathBuf;

use serde::Serialize;

use crate::diag::{clean, clean_to};
use crate::term::{self, Cell, Fields, Table, Terminal, Tone};

/// Version of the JSON form. New members may come without a new version.
pub const FORMAT: u32 = 1;

/// The JSON form of the whole answer.
#[derive(Debug, Serialize)]
pub struct Report {
    /// [`FORMAT`].
    pub version: u32,
    /// The sign-ins that were to end, by name.
    pub sign_ins: Vec<Ended>,
}

/// One sign-in. An absent value is `null`.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ended {
    /// The name of the cache files.
    pub name: String,
    /// The server's address, without query values.
    pub server: Option<String>,
    /// The authorization server.
    pub issuer: Option<String>,
    /// What was revoked there.
    pub revoked: Vec<Token>,
    /// What was not, and may work there until it ends.
    pub not_revoked: Vec<NotRevoked>,
    /// The registrations that the server says how to delete.
    pub registrations: Vec<Registration>,
    /// Whether the sign-in is gone from this machine.
    pub removed: bool,
    /// The file that it stood in.
    pub file: String,
    /// Why it is not gone, or what else went wrong here.
    pub problem: Option<String>,
}

/// A kind of token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Token {
    /// The refresh token, with which most servers end the whole grant.
    RefreshToken,
    /// The access token.
    AccessToken,
}

/// A token that was not revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotRevoked {
    /// Which.
    pub token: Token,
    /// Why.
    pub problem: String,
}

/// A registration that this program made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Registration {
    /// The client's identifier.
    pub client_id: String,
    /// Whether it is deleted.
    pub deleted: bool,
    /// Why not.
    pub problem: Option<String>,
}

impl Token {
    fn words(self) -> &'static str {
        match self {
            Self::RefreshToken => "refresh token",
            Self::AccessToken => "access token",
        }
    }
}

impl NotRevoked {
    /// A token that was not revoked, and why.
    pub fn new(token: Token, problem: impl AsRef<str>) -> Self {
        Self {
            token,
            problem: clean(problem.as_ref()),
        }
    }
}

impl Registration {
    /// A registration that is deleted, or why it is not.
    pub fn new(client_id: &str, outcome: Result<(), String>) -> Self {
        let problem = outcome.err().map(|problem| clean(&problem));
        Self {
            client_id: clean(client_id),
            deleted: problem.is_none(),
            problem,
        }
    }
}

impl Ended {
    /// One of which nothing was done yet.
    pub fn new(name: String, file: PathBuf) -> Self {
        Self {
            name,
            file: clean_to(&file.display().to_string(), 4000),
            ..Self::default()
        }
    }

    fn tokens(&self) -> (Tone, &'static str) {
        match (self.revoked.is_empty(), self.not_revoked.is_empty()) {
            (true, true) => (Tone::Plain, "none"),
            (false, true) => (Tone::Good, "revoked"),
            (false, false) => (Tone::Odd, "partly revoked"),
            (true, false) => (Tone::Odd, "not revoked"),
        }
    }

    fn registration(&self) -> (Tone, &'static str) {
        match &self.registrations[..] {
            [] => (Tone::Plain, ""),
            all if all.iter().all(|one| one.deleted) => (Tone::Good, "deleted"),
            _ => (Tone::Odd, "not deleted"),
        }
    }
}

/// The page: a row for each where there are several and there is room.
pub fn page(report: &Report, terminal: Terminal) -> String {
    let table = table(&report.sign_ins);
    if report.sign_ins.len() > 1 && table.fits(terminal) {
        return table.text(terminal) + &remarks(&report.sign_ins, terminal);
    }
    let blocks = report.sign_ins.iter().map(|ended| block(ended, terminal));
    blocks.collect::<Vec<_>>().join("\n")
}

fn table(all: &[Ended]) -> Table<5> {
    let mut table = Table::new(["NAME", "SERVER", "TOKENS", "REGISTRATION", "HERE"]);
    for ended in all {
        let ((token_tone, tokens), (tone, registration)) = (ended.tokens(), ended.registration());
        table.add([
            ended.name.clone().into(),
            ended.server.clone().unwrap_or_default().into(),
            Cell::new(token_tone, tokens),
            Cell::new(tone, registration),
            match ended.removed {
                true => Cell::new(Tone::Good, "removed"),
                false => Cell::new(Tone::Bad, "kept"),
            },
        ]);
    }
    table
}

/// What a row has no room for.
fn remarks(all: &[Ended], terminal: Terminal) -> String {
    let mut remarks = Vec::new();
    for ended in all {
        let mut add = |tone, text: String| remarks.push((tone, format!("{}: {text}", ended.name)));
        for one in &ended.not_revoked {
            let (token, problem) = (one.token.words(), &one.problem);
            add(Tone::Odd, format!("{token} not revoked: {problem}"));
        }
        for one in &ended.registrations {
            if let Some(problem) = &one.problem {
                let text = format!("registration `{}` not deleted: {problem}", one.client_id);
                add(Tone::Odd, text);
            }
        }
        if let Some(problem) = &ended.problem {
            add(Tone::Bad, problem.clone());
        }
    }
    term::remarks(&remarks, terminal)
}

fn block(ended: &Ended, terminal: Terminal) -> String {
    let title = match ended.removed {
        true => format!("signed out of `{}`", ended.name),
        false => format!("still signed in to `{}`", ended.name),
    };
    let mut fields = Fields::new(2);
    fields.add_some("server", ended.server.clone());
    let at = match &ended.issuer {
        Some(issuer) => format!(" at {issuer}"),
        None => String::new(),
    };
    if !ended.revoked.is_empty() {
        let tokens: Vec<&str> = ended.revoked.iter().map(|token| token.words()).collect();
        fields.add_in(
            Tone::Good,
            "revoked",
            format!("{}{at}", tokens.join(" and ")),
        );
    }
    for one in &ended.not_revoked {
        let (token, problem) = (one.token.words(), &one.problem);
        fields.add_in(Tone::Odd, "not revoked", format!("{token}: {problem}"));
    }
    for one in &ended.registrations {
        match &one.problem {
            None => fields.add_in(
                Tone::Good,
                "deleted",
                format!("registration `{}`{at}", one.client_id),
            ),
            Some(problem) => fields.add_in(
                Tone::Odd,
                "not deleted",
                format!("registration `{}`: {problem}", one.client_id),
            ),
        }
    }
    match (ended.removed, &ended.problem) {
        (true, problem) => {
            fields.add_in(Tone::Good, "removed", ended.file.clone());
            if let Some(problem) = problem {
                fields.add_in(Tone::Bad, "but", problem.clone());
            }
        }
        (false, problem) => {
            let problem = problem.as_deref().unwrap_or("it was not reached");
            fields.add_in(Tone::Bad, "kept", format!("{}: {problem}", ended.file));
        }
    }
    format!(
        "{}\n{}",
        terminal.paint(Tone::Strong, &title),
        fields.text(terminal)
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn ended(name: &str) -> Ended {
        Ended {
            server: Some("https://mcp.example.com/mcp".to_owned()),
            issuer: Some("https://auth.example.com".to_owned()),
            revoked: vec![Token::RefreshToken, Token::AccessToken],
            registrations: vec![Registration::new("client-1", Ok(()))],
            removed: true,
            ..Ended::new(name.to_owned(), "/cache/work.token.json".into())
        }
    }

    fn partly() -> Ended {
        Ended {
            revoked: vec![Token::RefreshToken],
            not_revoked: vec![NotRevoked::new(Token::AccessToken, "no\u{1b}[2J answer")],
            registrations: vec![Registration::new("client-2", Err("no answer".to_owned()))],
            ..ended("home")
        }
    }

    fn kept() -> Ended {
        Ended {
            problem: Some("it is of a later version".to_owned()),
            ..Ended::new("later".to_owned(), "/cache/later.token.json".into())
        }
    }

    fn report(sign_ins: Vec<Ended>) -> Report {
        let version = FORMAT;
        Report { version, sign_ins }
    }

    #[test]
    fn one_says_what_was_revoked_deleted_and_removed() {
        assert_eq!(
            page(&report(vec![ended("work")]), Terminal::NONE),
            "signed out of `work`\n\
             \x20 server   https://mcp.example.com/mcp\n\
             \x20 revoked  refresh token and access token at https://auth.example.com\n\
             \x20 deleted  registration `client-1` at https://auth.example.com\n\
             \x20 removed  /cache/work.token.json\n"
        );
    }

    #[test]
    fn what_could_not_be_done_is_told_with_its_reason() {
        assert_eq!(
            page(&report(vec![partly()]), Terminal::NONE),
            "signed out of `home`\n\
             \x20 server       https://mcp.example.com/mcp\n\
             \x20 revoked      refresh token at https://auth.example.com\n\
             \x20 not revoked  access token: no answer\n\
             \x20 not deleted  registration `client-2`: no answer\n\
             \x20 removed      /cache/work.token.json\n"
        );
        let noted = Ended {
            problem: Some("no room".to_owned()),
            ..ended("work")
        };
        let shown = page(&report(vec![noted]), Terminal::NONE);
        assert!(
            shown.ends_with("\n  removed  /cache/work.token.json\n  but      no room\n"),
            "{shown}"
        );
        assert_eq!(
            page(&report(vec![kept()]), Terminal::NONE),
            "still signed in to `later`\n  kept  /cache/later.token.json: it is of a later version\n"
        );
    }

    #[test]
    fn several_are_rows_where_there_is_room() {
        let all = || report(vec![partly(), kept(), ended("work")]);
        let table = "\
NAME   SERVER                       TOKENS          REGISTRATION  HERE
home   https://mcp.example.com/mcp  partly revoked  not deleted   removed
later                               none                          kept
work   https://mcp.example.com/mcp  revoked         deleted       removed

home: access token not revoked: no answer
home: registration `client-2` not deleted: no answer
later: it is of a later version
";
        assert_eq!(page(&all(), Terminal::NONE), table);
        let wide = |width| Terminal {
            width: Some(width),
            colour: false,
        };
        assert_eq!(page(&all(), wide(73)), table);
        assert!(page(&all(), wide(72)).starts_with("signed out of `home`\n"));
        assert_eq!(page(&report(vec![]), Terminal::NONE), "");
    }

    #[test]
    fn the_readme_describes_the_members() {
        let value = serde_json::to_value(report(vec![partly()])).expect("JSON");
        let members = |value: &Value, of: &str| -> Vec<String> {
            let names = value.as_object().expect("an object").keys();
            names.map(|name| format!("{of}{name}")).collect()
        };
        let one = &value["sign_ins"][0];
        let mut expected = members(one, "");
        expected.extend(members(&one["not_revoked"][0], "not_revoked."));
        expected.extend(members(&one["registrations"][0], "registrations."));
        expected.sort();
        let mut described = crate::command::documented("### Sign out");
        described.sort();
        assert_eq!(described, expected);
        assert_eq!(one["revoked"], json!(["refresh_token"]));
    }
}
