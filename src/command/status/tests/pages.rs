//! The page, in terminals of all kinds.

use super::*;
use crate::term::width;

fn wide(width: usize) -> Terminal {
    Terminal {
        width: Some(width),
        colour: false,
    }
}

fn named(name: &str, sign_in: SignIn) -> Entry {
    let key = ServerKey::from_name(name).unwrap();
    Entry::new(
        &key,
        &Cached::Present(Box::new(sign_in)),
        &Around::default(),
        NOW,
    )
}

/// Several sign-ins, of all kinds.
fn several() -> Report {
    let mut out = sign_in(None, None);
    out.grant = None;
    let mut broken = named("broken", out.clone());
    broken.health = Health::Unreadable;
    broken.server = None;
    broken.mode = None;
    broken.problem = Some("it is empty".to_owned());
    report(vec![
        broken,
        named("ended", sign_in(Some(NOW - 3 * 3600), None)),
        named("out", out),
        named("work", sign_in(Some(NOW + 2600), Some("R"))),
    ])
}

#[test]
fn several_are_rows_where_there_is_room() {
    let table = "\
NAME    SERVER                         MODE   HEALTH      EXPIRES        REFRESHED      RENEWAL
broken                                        unreadable
ended   https://mcp.example.com/mcp?…  oauth  expired     3 hours ago    2 minutes ago  none
out     https://mcp.example.com/mcp?…  oauth  signed out
work    https://mcp.example.com/mcp?…  oauth  ok          in 43 minutes  2 minutes ago  refresh token

broken: unreadable, the next use asks you to sign in: it is empty
";
    for terminal in [Terminal::NONE, wide(200), wide(101)] {
        assert_eq!(page::page(&several(), false, NOW, terminal), table);
    }
}

#[test]
fn several_are_three_lines_each_where_there_is_less_room() {
    assert_eq!(
        page::page(&several(), false, NOW, wide(81)),
        "\
broken
  unreadable, the next use asks you to sign in
  it is empty

ended
  https://mcp.example.com/mcp?…
  expired: oauth, ended 3 hours ago, refreshed 2 minutes ago, cannot be
  refreshed: there is no refresh token

out
  https://mcp.example.com/mcp?…
  signed out, the next use asks you to sign in

work
  https://mcp.example.com/mcp?…
  ok: oauth, ends in 43 minutes, refreshed 2 minutes ago, renewed silently by a
  refresh token
"
    );
}

#[test]
fn one_is_shown_with_all_that_is_known_also_in_40_columns() {
    let one = report(vec![named("work", sign_in(Some(NOW + 2600), Some("R")))]);
    assert_eq!(
        page::page(&one, false, NOW, wide(40)),
        "\
work
  server        https://mcp.example.com/mcp?…
  mode          oauth, registered client
                `client-1`
  issuer        https://auth.example.com
  resource      https://mcp.example.com/
  scopes        read write
  signed in     3 days ago
  last refresh  2 minutes ago
  access token  ends in 43 minutes
  renewal       renewed silently by a
                refresh token
  health        ok
"
    );
}

#[test]
fn nothing_but_addresses_is_wider_than_the_terminal() {
    for columns in 20..160 {
        for long in [false, true] {
            for line in page::page(&several(), long, NOW, wide(columns)).lines() {
                let is_word = !line.trim_start().contains(' ') || line.contains("https://");
                assert!(width(line) <= columns || is_word, "{columns}: {line}");
            }
        }
    }
}

#[test]
fn all_that_is_known_of_each_is_shown_for_the_asking() {
    let shown = page::page(&several(), true, NOW, Terminal::NONE);
    assert_eq!(shown.matches("\n  health ").count(), 4, "{shown}");
    assert!(shown.contains("\n  scopes        read write\n"), "{shown}");
}

#[test]
fn colours_say_how_it_is_and_move_nothing() {
    let colourful = Terminal {
        width: None,
        colour: true,
    };
    let shown = page::page(&several(), false, NOW, colourful);
    for part in [
        "\u{1b}[32mok\u{1b}[0m",
        "\u{1b}[31mexpired\u{1b}[0m",
        "\u{1b}[33msigned out",
    ] {
        assert!(shown.contains(part), "{shown:?}");
    }
    let mut bare = String::new();
    let mut rest = shown.as_str();
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        bare.push_str(before);
        rest = after.split_once('m').expect("a whole sequence").1;
    }
    bare.push_str(rest);
    assert_eq!(bare, page::page(&several(), false, NOW, Terminal::NONE));
}

#[test]
fn what_the_check_found_is_told_in_every_form() {
    let check = || {
        let check = Check::of(CheckOutcome::NeedsSignIn).because("it has ended\u{1b}[1m");
        Some(check.hint(Some("run `login`")))
    };
    let mut checked = several();
    for entry in &mut checked.sign_ins {
        entry.check = Some(Check::of(CheckOutcome::Refreshed));
    }
    checked.sign_ins[1].check = check();
    let said = "you have to sign in: it has ended; run `login`\n";
    let table = page::page(&checked, false, NOW, Terminal::NONE);
    assert!(
        table.contains("  CHECK\n") && table.contains("  sign-in needed\n"),
        "{table}"
    );
    assert!(table.ends_with(&format!("ended: check: {said}")), "{table}");
    let short = page::page(&checked, false, NOW, wide(70));
    assert!(short.contains(&format!("\n  check: {said}")), "{short}");
    let long = page::page(&checked, true, NOW, Terminal::NONE);
    assert!(
        long.contains(&format!("\n  check         {said}")),
        "{long}"
    );
    assert!(
        long.contains("\n  check         a refresh works, and was just made\n"),
        "{long}"
    );
}

#[test]
fn every_outcome_has_words_of_its_own() {
    use CheckOutcome::*;
    let outcomes = [
        Refreshed,
        RefreshedElsewhere,
        NotRefreshable,
        NeedsSignIn,
        Unreachable,
        Failed,
        NotTried,
    ];
    let said = outcomes.map(|outcome| {
        let mut entry = named("work", sign_in(None, None));
        entry.check = Some(Check::of(outcome));
        let shown = page::page(&report(vec![entry]), false, NOW, Terminal::NONE);
        shown.lines().last().unwrap_or_default().to_owned()
    });
    for (at, one) in said.iter().enumerate() {
        assert!(one.starts_with("  check         "), "{one}");
        assert!(!said[..at].contains(one), "{one}");
    }
}
