//! The report for people: a row for each sign-in where there are several and there is room, and all
//! that is known of it where there is one.

use super::report::{
    Check, CheckOutcome, ClientOrigin, Entry, Health, Origin, Protocol, Renewal, Report, Sends,
};
use crate::command::words::{ago, day, when};
use crate::diag::clean_to;
use crate::oauth::id_token::Account;
use crate::term::{self, Cell, Fields, Table, Terminal, Tone, wrapped};

/// The page. `long` says whether everything is shown of each, `now` is in seconds since the epoch.
pub fn page(report: &Report, long: bool, now: u64, terminal: Terminal) -> String {
    match &report.sign_ins[..] {
        [] => format!("No sign-ins in `{}`.\n", clean_to(&report.folder, 4000)),
        entries if long || entries.len() == 1 => blocks(entries, |entry| {
            let mut text = terminal.paint(Tone::Strong, &entry.name);
            text.push('\n');
            text.push_str(&fields(entry, now).text(terminal));
            text
        }),
        entries => {
            let table = table(entries, now);
            match table.fits(terminal) {
                true => table.text(terminal) + &remarks(entries, terminal),
                false => blocks(entries, |entry| in_short(entry, now, terminal)),
            }
        }
    }
}

fn blocks(entries: &[Entry], block: impl Fn(&Entry) -> String) -> String {
    let blocks: Vec<String> = entries.iter().map(block).collect();
    blocks.join("\n")
}

/// A row for each.
fn table(entries: &[Entry], now: u64) -> Table<9> {
    let mut table = Table::new([
        "NAME",
        "SERVER",
        "ACCOUNT",
        "MODE",
        "HEALTH",
        "EXPIRES",
        "REFRESHED",
        "RENEWAL",
        "CHECK",
    ]);
    for entry in entries {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let account = entry.account.as_ref().and_then(Account::label);
        let check = entry.check.as_ref().map(|check| check.outcome);
        table.add([
            entry.name.clone().into(),
            text(entry.server.as_deref()).into(),
            text(account).into(),
            text(entry.mode).into(),
            Cell::new(tone(entry.health), health_word(entry.health)),
            entry
                .granted_at
                .map_or(String::new(), |_| expiry(entry, now))
                .into(),
            refreshed(entry, now).unwrap_or_default().into(),
            entry.renewal.map_or("", renewal_word).into(),
            match check {
                Some(outcome) => Cell::new(check_tone(outcome), check_word(outcome)),
                None => "".into(),
            },
        ]);
    }
    table
}

/// What a row has no room for.
fn remarks(entries: &[Entry], terminal: Terminal) -> String {
    let mut remarks = Vec::new();
    for entry in entries {
        let check = entry.check.as_ref();
        let check = check.filter(|check| check.problem.is_some() || check.hint.is_some());
        let check = check.map(|check| (check_tone(check.outcome), check_text(check, false)));
        let unusable = matches!(entry.health, Health::Unreadable | Health::Newer);
        for (tone, remark) in problems(entry).into_iter().chain(check) {
            let remark = match unusable {
                true => format!("{}: {}: {remark}", entry.name, entry.health),
                false => format!("{}: {remark}", entry.name),
            };
            remarks.push((tone, remark));
        }
    }
    term::remarks(&remarks, terminal)
}

/// A sign-in where a row has no room: name, server and one line that says how it is.
fn in_short(entry: &Entry, now: u64, terminal: Terminal) -> String {
    let mut text = terminal.paint(Tone::Strong, &entry.name);
    text.push('\n');
    let account = entry.account.as_ref().and_then(Account::label);
    let server = match (&entry.server, account) {
        (Some(server), Some(account)) => Some(format!("{server} as {account}")),
        (server, _) => server.clone(),
    };
    let mut line = |tone: Tone, begins: &str, line: String| {
        let room = terminal.width.map(|all| all.saturating_sub(2));
        for (at, line) in wrapped(&line, room).iter().enumerate() {
            // A whole line in a colour is hard on the eye, so it is the word that says how it is.
            let shown = match line
                .strip_prefix(begins)
                .filter(|_| at == 0 && !begins.is_empty())
            {
                Some(rest) => terminal.paint(tone, begins) + rest,
                None => line.clone(),
            };
            text.push_str(&format!("  {shown}\n"));
        }
    };
    if let Some(server) = server {
        line(Tone::Plain, "", server);
    }
    line(
        tone(entry.health),
        health_word(entry.health),
        health_line(entry, now),
    );
    for (_, problem) in problems(entry) {
        line(Tone::Plain, "", problem);
    }
    if let Some(check) = &entry.check {
        line(check_tone(check.outcome), "check", check_text(check, false));
    }
    text
}

/// How a sign-in is, in one line: mode, end, last refresh, and whether another would work.
fn health_line(entry: &Entry, now: u64) -> String {
    if entry.granted_at.is_none() {
        return entry.health.to_string();
    }
    let mut parts: Vec<String> = entry.mode.map(str::to_owned).into_iter().collect();
    parts.push(expiry_sentence(entry, now));
    parts.push(match refreshed(entry, now) {
        Some(ago) => format!("refreshed {ago}"),
        None => "never refreshed".to_owned(),
    });
    parts.extend(
        entry
            .renewal
            .map(|renewal| renewal_text(renewal).to_owned()),
    );
    format!("{}: {}", health_word(entry.health), parts.join(", "))
}

/// All that is known.
fn fields(entry: &Entry, now: u64) -> Fields {
    let mut fields = Fields::new(2).at_least("access token".len());
    fields.add_some("server", entry.server.clone());
    fields.add_some(
        "speaks",
        entry.protocol.as_ref().map(|seen| spoken(seen, now)),
    );
    fields.add_some("account", entry.account.as_ref().and_then(Account::label));
    let client = entry.client.map(|origin| match origin {
        ClientOrigin::Registered => "registered client",
        ClientOrigin::Configured => "configured client",
        ClientOrigin::Document => "metadata document",
    });
    let mode = entry.mode.map(|mode| match (client, &entry.client_id) {
        (Some(client), Some(id)) => format!("{mode}, {client} `{id}`"),
        _ => mode.to_owned(),
    });
    fields.add_some("mode", mode);
    fields.add_some("issuer", entry.issuer.clone());
    if let Some(granted_at) = entry.granted_at {
        fields.add_some("resource", entry.resource.clone());
        let scopes = match entry.scopes.is_empty() {
            true => "none named".to_owned(),
            false => entry.scopes.join(" "),
        };
        fields.add("scopes", scopes);
        fields.add("signed in", ago(granted_at, now));
        fields.add_some(
            "taken over",
            entry.taken_over.as_ref().map(|from| origin(from, now)),
        );
        let last = refreshed(entry, now);
        fields.add("last refresh", last.unwrap_or_else(|| "never".to_owned()));
        let token = match entry.sends {
            Some(Sends::IdToken) => "ID token",
            _ => "access token",
        };
        let bound = match entry.dpop_jkt {
            Some(_) => ", bound to a key",
            None => "",
        };
        fields.add(token, format!("{}{bound}", expiry_sentence(entry, now)));
        if let Some(renewal) = entry.renewal {
            fields.add("renewal", renewal_text(renewal));
        }
    }
    fields.add_in(tone(entry.health), "health", entry.health.to_string());
    for (tone, problem) in problems(entry) {
        fields.add_in(tone, "problem", problem);
    }
    if let Some(check) = &entry.check {
        fields.add_in(check_tone(check.outcome), "check", check_text(check, true));
    }
    fields
}

/// What somebody should know or do, apart from what `--check` found.
fn problems(entry: &Entry) -> Vec<(Tone, String)> {
    let tone = match entry.health {
        Health::Ok | Health::Refreshable => Tone::Odd,
        _ => Tone::Bad,
    };
    let mut problems: Vec<_> = entry
        .problem
        .iter()
        .map(|text| (tone, text.clone()))
        .collect();
    let origin = entry.taken_over.as_ref();
    if let Some((from, process)) = origin.and_then(|from| Some((&from.from, from.still_runs?))) {
        problems.push((
            Tone::Odd,
            format!(
                "{from} still runs for this server (process {process}), and a refresh by either ends the sign-in of the other: end it, and take it out of the AI client's configuration (`mcp-drawbridge migrate`)"
            ),
        ));
    }
    problems
}

fn spoken(seen: &Protocol, now: u64) -> String {
    let revision = &seen.revision;
    let mut text = match (seen.has_sessions, &seen.stateless) {
        (true, Some(other)) if other != revision => {
            format!("MCP {revision}, and {other} without sessions")
        }
        (true, Some(_)) => format!("MCP {revision} without sessions, and older revisions"),
        (true, None) => format!("MCP {revision}"),
        (false, _) => format!("MCP {revision}, without sessions"),
    };
    match seen.transport {
        Some("sse") => text.push_str(", over HTTP+SSE"),
        Some(_) => text.push_str(", over streamable HTTP"),
        None => {}
    }
    if let Some(name) = &seen.server_name {
        let version = seen.server_version.as_deref();
        let version = version.map_or(String::new(), |version| format!(" {version}"));
        text.push_str(&format!(", as {name}{version}"));
    }
    if let Some(at) = seen.found_at {
        text.push_str(&format!(" (seen {})", ago(at, now)));
    }
    text
}

fn origin(origin: &Origin, now: u64) -> String {
    let (day, ago) = (day(origin.at), ago(origin.at, now));
    format!("from {} on {day} ({ago})", origin.from)
}

fn refreshed(entry: &Entry, now: u64) -> Option<String> {
    entry.refreshed_at.map(|at| ago(at, now))
}

fn expiry(entry: &Entry, now: u64) -> String {
    match entry.expires_at {
        None => "not known".to_owned(),
        Some(at) => when(at, now),
    }
}

fn expiry_sentence(entry: &Entry, now: u64) -> String {
    match entry.expires_at {
        None => "its end is not known".to_owned(),
        Some(at) if at <= now => format!("ended {}", when(at, now)),
        Some(at) => format!("ends {}", when(at, now)),
    }
}

fn renewal_word(renewal: Renewal) -> &'static str {
    match renewal {
        Renewal::RefreshToken => "refresh token",
        Renewal::Unattended => "unattended",
        Renewal::None => "none",
        Renewal::ClientLapsed => "client ended",
    }
}

fn renewal_text(renewal: Renewal) -> &'static str {
    match renewal {
        Renewal::RefreshToken => "renewed silently by a refresh token",
        Renewal::Unattended => "renewed silently, nobody is needed",
        Renewal::None => "cannot be refreshed: there is no refresh token",
        Renewal::ClientLapsed => "cannot be refreshed: the client's secret has ended",
    }
}

fn health_word(health: Health) -> &'static str {
    match health {
        Health::Ok | Health::Refreshable => "ok",
        Health::Expired => "expired",
        Health::SignedOut => "signed out",
        Health::Unreadable => "unreadable",
        Health::Newer => "newer",
    }
}

fn tone(health: Health) -> Tone {
    match health {
        Health::Ok | Health::Refreshable => Tone::Good,
        Health::SignedOut => Tone::Odd,
        Health::Expired | Health::Unreadable | Health::Newer => Tone::Bad,
    }
}

fn check_word(outcome: CheckOutcome) -> &'static str {
    match outcome {
        CheckOutcome::Refreshed | CheckOutcome::RefreshedElsewhere => "refreshed",
        CheckOutcome::NotRefreshable => "no refresh",
        CheckOutcome::NeedsSignIn => "sign-in needed",
        CheckOutcome::Unreachable => "unreachable",
        CheckOutcome::Failed => "failed",
        CheckOutcome::NotTried => "not tried",
    }
}

fn check_tone(outcome: CheckOutcome) -> Tone {
    match outcome {
        CheckOutcome::Refreshed | CheckOutcome::RefreshedElsewhere => Tone::Good,
        CheckOutcome::NotRefreshable | CheckOutcome::NotTried => Tone::Odd,
        CheckOutcome::NeedsSignIn | CheckOutcome::Unreachable | CheckOutcome::Failed => Tone::Bad,
    }
}

/// What came of the check. `alone` says that a label before it says that it is about that.
fn check_text(check: &Check, alone: bool) -> String {
    let said = match check.outcome {
        CheckOutcome::Refreshed => "a refresh works, and was just made",
        CheckOutcome::RefreshedElsewhere => {
            "a refresh works: another process made one at this moment"
        }
        CheckOutcome::NotRefreshable => "it works until it ends, then you sign in",
        CheckOutcome::NeedsSignIn => "you have to sign in",
        CheckOutcome::Unreachable => "whether a refresh would work cannot be told now",
        CheckOutcome::Failed => "a refresh does not work",
        CheckOutcome::NotTried => "a refresh was not tried",
    };
    let mut text = match alone {
        true => said.to_owned(),
        false => format!("check: {said}"),
    };
    if let Some(problem) = &check.problem {
        text.push_str(&format!(": {problem}"));
    }
    if let Some(hint) = &check.hint {
        text.push_str(&format!("; {hint}"));
    }
    text
}
