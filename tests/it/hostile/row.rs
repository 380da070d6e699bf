//! A row of the table: an attack, what it comes to, and the look at what it got.

use std::sync::Arc;
use std::sync::Mutex;
use std::thread;

use playground::hostile::{Answer, Asked, Origins, Role, Twist};

use super::world::{Seen, World};

/// How many attacks are under way at a time: most of their time they wait.
const AT_ONCE: usize = 6;

/// What an attack comes to.
#[derive(Clone, Copy, Debug)]
pub enum Outcome {
    /// The host gets an error of the sign-in that says this.
    Refused(&'static str),
    /// The host gets an error about the server's answer that says this.
    Failed(&'static str),
    /// It makes no difference: the person signs in, and the call works.
    Harmless,
}

/// An attack.
pub struct Attack {
    pub name: String,
    pub twist: Twist,
    pub arguments: Vec<String>,
    pub person: Person,
    pub outcome: Outcome,
    /// Who is the authorization server besides the one that is: what is for it may go there.
    pub authority: Option<Role>,
    /// Whether the third party must not be asked anything.
    pub untouched: bool,
    /// Whether the user looks at the sign-in afterwards and signs out, and what that says.
    pub signs_out: Option<&'static str>,
}

/// What comes to the callback address when the browser is opened: given its address, the right
/// query for it, and the servers.
pub type Person = Arc<dyn Fn(&Callback<'_>) + Send + Sync>;

/// What a browser, or somebody who pretends to be one, knows of a sign-in.
pub struct Callback<'a> {
    /// The redirect URI.
    pub redirect_uri: &'a url::Url,
    /// What the authorization request carried.
    pub state: &'a str,
    /// The servers.
    pub origins: &'a Origins,
}

impl Attack {
    /// The answers are like this, and a person signs in.
    pub fn new(
        name: impl Into<String>,
        outcome: Outcome,
        twist: impl Fn(&Asked, &Origins, Answer) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            twist: Arc::new(twist),
            arguments: Vec::new(),
            person: Arc::new(|callback| callback.bring_code()),
            outcome,
            authority: None,
            untouched: false,
            signs_out: None,
        }
    }

    /// The same where the answer to this path alone is changed.
    pub fn at(
        path: &'static str,
        name: impl Into<String>,
        outcome: Outcome,
        twist: impl Fn(&Origins, Answer) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::new(name, outcome, move |asked, origins, honest| {
            match asked.path == path {
                true => twist(origins, honest),
                false => honest,
            }
        })
    }

    /// The same with a second thing changed.
    pub fn twisted(
        mut self,
        twist: impl Fn(&Asked, &Origins, Answer) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let first = self.twist;
        self.twist = Arc::new(move |asked, origins, honest| {
            twist(asked, origins, first(asked, origins, honest))
        });
        self
    }

    /// The same where this server is an authorization server, too.
    pub fn authority(mut self, role: Role) -> Self {
        self.authority = Some(role);
        self
    }

    /// The same where the third party hears nothing.
    pub fn untouched(mut self) -> Self {
        self.untouched = true;
        self
    }

    /// The same where the user then looks at the sign-in and signs out, which says this.
    pub fn signs_out(mut self, says: &'static str) -> Self {
        self.signs_out = Some(says);
        self
    }

    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    pub fn person(mut self, person: impl Fn(&Callback<'_>) + Send + Sync + 'static) -> Self {
        self.person = Arc::new(person);
        self
    }
}

/// Runs the attacks, prints the table, and panics if one came to something else than it should.
pub fn table(title: &str, attacks: Vec<Attack>) {
    let queue = Mutex::new(attacks.into_iter().enumerate());
    let lines = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some((at, attack)) = queue.lock().unwrap().next() else {
                        return;
                    };
                    let seen = World::loopback(&attack).attacked(&attack);
                    let line = judged(&attack.name, attack.outcome, &seen);
                    lines.lock().unwrap().push((at, line));
                }
            });
        }
    });
    let mut lines = lines.into_inner().unwrap();
    lines.sort_by_key(|(at, _)| *at);
    print(title, lines.into_iter().map(|(_, line)| line).collect());
}

/// A line of the table; an error has what went wrong, with everything that helps to see why.
pub type Line = Result<String, String>;

/// What the bridge did, against what it should have done.
pub fn judged(name: &str, outcome: Outcome, seen: &Seen) -> Line {
    let mut faults = seen.leaks.clone();
    let (verdict, said) = match (&outcome, &seen.error) {
        (Outcome::Harmless, None) => ("harmless", "signed in, call answered".to_owned()),
        (Outcome::Harmless, Some(error)) => {
            faults.push(format!("it should have come to nothing: {error}"));
            ("", String::new())
        }
        (Outcome::Refused(words) | Outcome::Failed(words), Some(error)) => {
            let said = error["message"].as_str().unwrap_or_default();
            if !said.contains(words) {
                faults.push(format!("the error should say `{words}`: {error}"));
            }
            let is_auth = error["data"]["bridge"]["stage"] == "auth";
            if is_auth != matches!(outcome, Outcome::Refused(_)) {
                faults.push(format!("the wrong stage: {error}"));
            }
            ("refused", said.to_owned())
        }
        (_, None) => {
            faults.push("it should have been refused, and the call was answered".to_owned());
            ("", String::new())
        }
    };
    match faults.is_empty() {
        true => Ok(format!("| {name} | {verdict} | {} |", short(&said))),
        false => Err(format!(
            "{name}:\n  {}\n{}",
            faults.join("\n  "),
            seen.story
        )),
    }
}

/// Without what stands in every line.
fn short(text: &str) -> String {
    let text = match text.strip_prefix("cannot sign in to ") {
        Some(rest) => rest.split_once(": ").map_or(rest, |(_, why)| why),
        None => text,
    };
    let text = text.replace('|', "/");
    match text.char_indices().nth(150) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Prints the table; panics if a line is a fault.
pub fn print(title: &str, lines: Vec<Line>) {
    println!("\n{title}\n\n| attack | outcome | what the host is told |\n|---|---|---|");
    let mut faults = Vec::new();
    for line in lines {
        match line {
            Ok(line) => println!("{line}"),
            Err(fault) => faults.push(fault),
        }
    }
    println!();
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}
