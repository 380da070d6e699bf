//! The steps, in order: what each one asks for, and what its outcome means for the next.

mod reach;
mod state;
mod survey;
mod talk;

use std::cell::Cell;
use std::time::Duration;

use super::Page;
use super::report::{Name, Step};
use crate::access::Access;
use crate::command::aside;
use crate::config::{AuthMode, Config, Doctor, Home};
use crate::diag::Diag;
use crate::error::Error;
use crate::login::Login;
use crate::net::connections::Connections;
use crate::net::remote::Timeouts;
use crate::oauth::challenge::Challenge;
use crate::oauth::sign_in::SignIn;
use crate::store::StoreError;

/// How long a server may be silent, unless the user says otherwise: somebody is watching.
const PATIENCE: Duration = Duration::from_secs(30);

/// Takes all steps. `in_session` is set while there is a session to be ended.
pub(super) async fn walk<'a>(
    job: &'a Doctor,
    diag: &Diag,
    in_session: &Cell<bool>,
    page: Page<'a>,
) -> Result<Page<'a>, Error> {
    let mut config = job.config.clone();
    if config.timeouts == Timeouts::default() {
        config.timeouts.headers = Some(PATIENCE);
        config.timeouts.body = Some(PATIENCE);
    }
    let http = Connections::new(config.http.clone())?;
    let (login, task) = match config.auth {
        AuthMode::Bearer => (None, None),
        _ => {
            let diag = match job.sign_in {
                true => diag.for_host(&config.server.host()),
                false => aside(diag),
            };
            match Login::start(&config, http.clone(), diag) {
                Ok((login, task)) => (Some(Ok(login)), Some(task)),
                Err(error) => (Some(Err(error)), None),
            }
        }
    };
    let mut walk = Walk {
        config: &config,
        home: &job.home,
        may_sign_in: job.sign_in,
        http,
        diag: aside(diag),
        in_session,
        page,
        cached: SignIn::default(),
        needs_nobody: false,
    };
    let outcome = walk.all(login).await;
    let page = walk.page;
    if let Some(task) = task {
        // It writes what it has to.
        task.ended().await;
    }
    outcome.map(|()| page)
}

struct Walk<'w, 'p> {
    config: &'w Config,
    /// Where the user's files are.
    home: &'w Home,
    /// Whether the user wants to be signed in.
    may_sign_in: bool,
    http: Connections,
    /// Where the machinery's remarks go.
    diag: Diag,
    in_session: &'w Cell<bool>,
    page: Page<'p>,
    /// What is cached about the sign-in.
    cached: SignIn,
    /// Whether tokens are to be had without a person.
    needs_nobody: bool,
}

/// What the server said without a token.
enum Reached {
    /// It wants a sign-in, or there is no telling.
    Wants(Challenge),
    /// It lets anybody in.
    Open,
    /// It is out of reach, or no MCP server: nothing more can be asked of it, and why.
    No(&'static str),
}

impl Walk<'_, '_> {
    async fn all(&mut self, login: Option<Result<Login, StoreError>>) -> Result<(), Error> {
        self.configuration(login.as_ref())?;
        let login = login.and_then(Result::ok);
        let (mut reached, mut challenge) = self.reach().await?;
        // Some servers open a session to anybody and ask who it is later.
        let mut told = None;
        if let (Reached::Open, Some(login)) = (&reached, &login) {
            let (held, wanted) = login.holding(None);
            told = Some(self.session(Access::Login(held)).await?);
            if let Some(wanted) = wanted.wanted() {
                challenge = reach::asked_later(challenge, &wanted);
                reached = Reached::Wants(wanted);
            }
        }
        self.page.add(challenge)?;
        match (&login, &reached) {
            (Some(login), Reached::Wants(challenge)) => self.survey(login, challenge).await?,
            (None, _) => self.skip(&SURVEYED, "something is configured in place of a sign-in")?,
            (_, Reached::Open) => self.skip(&SURVEYED, "the server asks for no sign-in")?,
            (_, Reached::No(why)) => self.skip(&SURVEYED, why)?,
        }
        let grant = self.sign_in(login.as_ref(), &reached).await?;
        self.token(grant.as_ref())?;
        self.talk(login, grant, &reached, told).await
    }

    /// Leaves steps out.
    fn skip(&mut self, names: &[Name], why: &str) -> Result<(), Error> {
        for name in names {
            if !self.page.report.has(*name) {
                self.page.add(Step::skip(*name, why))?;
            }
        }
        Ok(())
    }
}

/// The steps that a survey of the sign-in takes.
const SURVEYED: [Name; 4] = [
    Name::ResourceMetadata,
    Name::AuthorizationServer,
    Name::Pkce,
    Name::Client,
];
