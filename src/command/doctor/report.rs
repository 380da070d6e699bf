//! What `doctor` finds: steps, each with what was asked, what came back and the rule applied.
//!
//! Every text in it is fit to be shown: what a server sent has gone through
//! [`crate::untrusted::printable`], and nothing in it grants access.

use crate::untrusted::printable;

/// Longest text of one line, in characters.
const LINE: usize = 600;

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// There was no need for it, or no way to take it.
    Skip,
    /// As it should.
    Ok,
    /// It works, and somebody should know something.
    Warn,
    /// It does not work.
    Fail,
}

impl Status {
    /// Its name in both forms of the output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// What a failure comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something is wrong.
    Failed,
    /// A person has to sign in.
    NeedsSignIn,
    /// Something is down or out of reach.
    Unreachable,
}

impl Kind {
    fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::NeedsSignIn => 3,
            Self::Unreachable => 4,
        }
    }
}

/// The steps, in order. Their names are part of the JSON form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    Configuration,
    Network,
    Challenge,
    ResourceMetadata,
    AuthorizationServer,
    Pkce,
    Client,
    SignIn,
    Token,
    Initialize,
    Tools,
    Program,
    Cache,
    Browser,
    Callback,
    Proxies,
    Certificates,
    AiClients,
    McpRemote,
}

impl Name {
    /// All of them.
    #[cfg(test)]
    pub const ALL: [Self; 19] = [
        Self::Configuration,
        Self::Network,
        Self::Challenge,
        Self::ResourceMetadata,
        Self::AuthorizationServer,
        Self::Pkce,
        Self::Client,
        Self::SignIn,
        Self::Token,
        Self::Initialize,
        Self::Tools,
        Self::Program,
        Self::Cache,
        Self::Browser,
        Self::Callback,
        Self::Proxies,
        Self::Certificates,
        Self::AiClients,
        Self::McpRemote,
    ];

    /// What it is called.
    pub fn text(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Network => "network",
            Self::Challenge => "challenge",
            Self::ResourceMetadata => "resource-metadata",
            Self::AuthorizationServer => "authorization-server",
            Self::Pkce => "pkce",
            Self::Client => "client",
            Self::SignIn => "sign-in",
            Self::Token => "token",
            Self::Initialize => "initialize",
            Self::Tools => "tools",
            Self::Program => "program",
            Self::Cache => "cache",
            Self::Browser => "browser",
            Self::Callback => "callback",
            Self::Proxies => "proxies",
            Self::Certificates => "certificates",
            Self::AiClients => "ai-clients",
            Self::McpRemote => "mcp-remote",
        }
    }

    /// What it is about, for whom the name says too little.
    pub fn about(self) -> &'static str {
        match self {
            Self::Configuration => "what you configured, and what is kept on this machine",
            Self::Network => "whether the server can be reached, and is who it says (TLS)",
            Self::Challenge => "what the server says to a request without a token",
            Self::ResourceMetadata => "the server's word on who issues tokens for it",
            Self::AuthorizationServer => {
                "the word of that one, who signs you in, on itself; `issuer` is its name"
            }
            Self::Pkce => "whether a sign-in is of use only to the program that began it (PKCE)",
            Self::Client => "what the bridge is known as to the authorization server",
            Self::SignIn => "whether somebody is signed in",
            Self::Token => "what the server is shown with each request",
            Self::Initialize => "a session as an AI client opens it",
            Self::Tools => "what an AI client can call",
            Self::Program => "which mcp-drawbridge this is",
            Self::Cache => "the folder of the sign-ins",
            Self::Browser => "whether a browser can be opened for a sign-in",
            Self::Callback => "whether the browser can come back to this machine",
            Self::Proxies => "whether connections go through another machine",
            Self::Certificates => "by whose word servers are believed to be who they say (TLS)",
            Self::AiClients => "the files in which AI clients look for servers",
            Self::McpRemote => "what is left of mcp-remote",
        }
    }
}

/// One request and what came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Method and address.
    pub request: String,
    /// What came back.
    pub answer: String,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub name: Name,
    pub status: Status,
    /// What a failure comes to.
    pub kind: Kind,
    /// How it went, in a sentence.
    pub summary: String,
    /// What was asked, in order.
    pub asked: Vec<Exchange>,
    /// What was found out, each with a name.
    pub found: Vec<(&'static str, String)>,
    /// Where the rule is written that was applied.
    pub rule: Option<&'static str>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Step {
    /// A step that went like this.
    pub fn new(name: Name, status: Status, summary: impl AsRef<str>) -> Self {
        Self {
            name,
            status,
            kind: Kind::Failed,
            summary: printable(summary.as_ref(), LINE),
            asked: Vec::new(),
            found: Vec::new(),
            rule: None,
            hint: None,
        }
    }

    pub fn ok(name: Name, summary: impl AsRef<str>) -> Self {
        Self::new(name, Status::Ok, summary)
    }

    pub fn warn(name: Name, summary: impl AsRef<str>) -> Self {
        Self::new(name, Status::Warn, summary)
    }

    pub fn skip(name: Name, summary: impl AsRef<str>) -> Self {
        Self::new(name, Status::Skip, summary)
    }

    pub fn fail(name: Name, kind: Kind, summary: impl AsRef<str>) -> Self {
        Self {
            kind,
            ..Self::new(name, Status::Fail, summary)
        }
    }

    /// Adds what was asked.
    pub fn asked(mut self, asked: Vec<Exchange>) -> Self {
        self.asked = asked;
        self
    }

    /// Adds the rule that was applied.
    pub fn rule(mut self, rule: Option<&'static str>) -> Self {
        self.rule = rule;
        self
    }

    /// Adds what to do.
    pub fn hint(mut self, hint: Option<impl AsRef<str>>) -> Self {
        self.hint = hint.map(|hint| printable(hint.as_ref(), LINE));
        self
    }

    /// Adds something that was found out.
    pub fn found(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        self.found.push((name, printable(value.as_ref(), LINE)));
        self
    }

    /// The same, where there is something.
    pub fn found_some(self, name: &'static str, value: Option<impl AsRef<str>>) -> Self {
        match value {
            Some(value) => self.found(name, value),
            None => self,
        }
    }
}

/// The steps that were taken.
#[derive(Debug, Default)]
pub struct Report {
    pub steps: Vec<Step>,
}

impl Report {
    /// The first step that failed.
    pub fn first_failure(&self) -> Option<&Step> {
        self.steps.iter().find(|step| step.status == Status::Fail)
    }

    /// The worst that any step came to.
    pub fn status(&self) -> Status {
        let all = self.steps.iter().map(|step| step.status);
        all.max().unwrap_or(Status::Ok).max(Status::Ok)
    }

    /// The exit code: what the first failure comes to.
    pub fn exit_code(&self) -> u8 {
        self.first_failure().map_or(0, |step| step.kind.exit_code())
    }

    /// Whether a step was taken.
    pub fn has(&self, name: Name) -> bool {
        self.steps.iter().any(|step| step.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(steps: &[Step]) -> Report {
        Report {
            steps: steps.to_vec(),
        }
    }

    #[test]
    fn the_first_failure_decides_the_exit_code() {
        let fine = [
            Step::ok(Name::Network, ""),
            Step::warn(Name::Pkce, ""),
            Step::skip(Name::Token, ""),
        ];
        assert_eq!(report(&fine).exit_code(), 0);
        assert_eq!(report(&fine).status(), Status::Warn);
        assert_eq!(report(&[]).status(), Status::Ok);
        let of = |first, second| {
            let steps = [
                Step::ok(Name::Network, ""),
                Step::fail(Name::Client, first, ""),
                Step::fail(Name::SignIn, second, ""),
            ];
            report(&steps).exit_code()
        };
        assert_eq!(of(Kind::Failed, Kind::NeedsSignIn), 1);
        assert_eq!(of(Kind::NeedsSignIn, Kind::Failed), 3);
        assert_eq!(of(Kind::Unreachable, Kind::NeedsSignIn), 4);
    }

    #[test]
    fn what_servers_say_cannot_steer_a_terminal() {
        let step = Step::ok(Name::Initialize, "a\u{1b}[2Jb\nc")
            .found("server", "\u{202e}evil\u{7}")
            .hint(Some("x".repeat(10_000)));
        assert_eq!(step.summary, "a[2Jb c");
        assert_eq!(step.found, [("server", "evil".to_owned())]);
        assert_eq!(step.hint.unwrap().chars().count(), LINE + 1);
    }
}
