//! `doctor`: walks the way to a server step by step, and says what is wrong where.
//!
//! It decides nothing about OAuth or MCP by itself: the metadata is looked for by the sign-in's own
//! flow, which stops before anything that has an effect ([`crate::login::Survey`]), and the session
//! is held by the bridge ([`session`]). What is here puts into words what they asked and decided.

mod json;
mod machine;
mod print;
mod report;
pub(super) mod session;
mod steps;

use std::cell::Cell;
use std::time::Duration;

use report::{Report, Step};

use crate::config::{Config, Doctor, Machine};
use crate::diag::Diag;

use crate::error::Error;
use crate::term::Terminal;

/// How long a session may take to end once the user has said that it should.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Walks all steps, and fails if one of them does.
pub async fn run(job: &Doctor, diag: &Diag) -> Result<(), Error> {
    let in_session = Cell::new(false);
    let mut walk = std::pin::pin!(steps::walk(job, diag, &in_session, Page::new(job)));
    let page = tokio::select! {
        outcome = &mut walk => outcome?,
        _ = tokio::signal::ctrl_c() => {
            // It has heard the same, and tells the server that its session is over.
            if in_session.get() {
                let _ = tokio::time::timeout(LAST_WORDS, walk).await;
            }
            return Err(Error::Interrupted);
        }
    };
    page.finish()
}

/// Looks at this machine, and fails if something is missing.
pub async fn run_on_machine(job: &Machine, diag: &Diag) -> Result<(), Error> {
    let mut page = Page::of(job.json, None);
    machine::walk(job, &super::aside(diag), |step| page.add(step))?;
    page.finish()
}

/// What is written to stdout: each step as soon as it was taken, or one document at the end.
struct Page<'a> {
    json: bool,
    /// The server; `None` if it is about this machine.
    config: Option<&'a Config>,
    terminal: Terminal,
    report: Report,
}

impl<'a> Page<'a> {
    fn new(job: &'a Doctor) -> Self {
        Self::of(job.json, Some(&job.config))
    }

    fn of(json: bool, config: Option<&'a Config>) -> Self {
        Self {
            json,
            config,
            terminal: Terminal::of_stdout(),
            report: Report::default(),
        }
    }

    /// Adds a step.
    fn add(&mut self, step: Step) -> Result<(), Error> {
        if !self.json {
            super::print(&print::step(&step, self.terminal))?;
        }
        self.report.steps.push(step);
        Ok(())
    }

    fn finish(self) -> Result<(), Error> {
        let server = self.config.map(|config| config.server.to_string());
        let name = self.config.map(|config| config.key.as_str());
        super::print(&match self.json {
            true => json::document(server.as_deref(), name, &self.report),
            false => print::end(&self.report),
        })?;
        match self.report.first_failure() {
            None => Ok(()),
            Some(step) => Err(Error::Ailing {
                what: match self.config {
                    Some(config) => format!("`{}`", config.server.host()),
                    None => "this machine".to_owned(),
                },
                step: step.name.text(),
                exit_code: self.report.exit_code(),
            }),
        }
    }
}
