//! `doctor`: walks the way to a server step by step, and says what is wrong where.
//!
//! It decides nothing about OAuth or MCP by itself: the metadata is looked for by the sign-in's own
//! flow, which stops before anything that has an effect ([`crate::login::Survey`]), and the session
//! is held by the bridge ([`session`]). What is here puts into words what they asked and decided.

mod json;
mod print;
mod report;
mod session;
mod steps;

use std::cell::Cell;
use std::io::IsTerminal as _;
use std::time::Duration;

use report::{Report, Step};

use crate::config::Doctor;
use crate::diag::{Diag, Level};
use crate::error::Error;

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

/// What is written to stdout: each step as soon as it was taken, or one document at the end.
struct Page<'a> {
    job: &'a Doctor,
    colour: bool,
    report: Report,
}

impl<'a> Page<'a> {
    fn new(job: &'a Doctor) -> Self {
        let no_color = std::env::var("NO_COLOR").ok();
        Self {
            job,
            colour: print::is_coloured(std::io::stdout().is_terminal(), no_color.as_deref()),
            report: Report::default(),
        }
    }

    /// Adds a step.
    fn add(&mut self, step: Step) -> Result<(), Error> {
        if !self.job.json {
            super::print(&print::step(&step, self.colour))?;
        }
        self.report.steps.push(step);
        Ok(())
    }

    fn finish(self) -> Result<(), Error> {
        let config = &self.job.config;
        let text = match self.job.json {
            true => json::document(
                &config.server.to_string(),
                config.key.as_str(),
                &self.report,
            ),
            false => print::end(&self.report),
        };
        super::print(&text)?;
        match self.report.first_failure() {
            None => Ok(()),
            Some(step) => Err(Error::Ailing {
                server: config.server.host(),
                step: step.name.text(),
                exit_code: self.report.exit_code(),
            }),
        }
    }
}

/// Where remarks of the machinery go: a report that says the same need not be interrupted by them.
fn aside(diag: &Diag) -> Diag {
    match diag.level() {
        Level::Debug => diag.clone(),
        Level::Normal | Level::Silent => Diag::stderr(Level::Silent),
    }
}
