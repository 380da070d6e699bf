//! `import`: takes over sign-ins of mcp-remote. Decides nothing about them: the sign-in's own flow
//! does, which asks nobody here.

mod report;

use std::sync::Arc;

use super::configured::{self, Configured};
use super::{now, question};
use crate::config::{AuthMode, Config, Import, ImportTarget};
use crate::diag::Diag;
use crate::error::Error;
use crate::ids::ServerKey;
use crate::login::{Login, Trace, holds};
use crate::net::connections::Connections;
use crate::oauth::flow::{Note, Question};
use crate::oauth::takeover::Offer;
use crate::store::{Cached, Store, StoreError};
use crate::takeover;
use crate::term::Terminal;
pub(super) use report::State;
use report::{Report, Row, told};

/// Shows or takes over what there is.
pub async fn run(job: &Import, diag: &Diag) -> Result<(), Error> {
    let mut report = Report::new(job.apply);
    let mut candidates = candidates(&job.target, diag);
    // Of two that have the same sign-in, the user's own takes it over.
    candidates.sort_by_key(|candidate| !candidate.is_own);
    for candidate in candidates {
        let row = row(candidate, job.apply, diag).await?;
        report.add(row);
    }
    let is_one = matches!(job.target, ImportTarget::One(_));
    match job.json {
        true => super::print(&report.json())?,
        false => {
            super::print(&report.page(is_one, now(), Terminal::of_stdout()))?;
            diag.note(report.summary());
        }
    }
    report.outcome(is_one)
}

fn candidates(target: &ImportTarget, diag: &Diag) -> Vec<Configured> {
    match target {
        ImportTarget::One(config) => vec![Configured {
            used_by: "the command line".to_owned(),
            is_own: true,
            config: Ok(config.clone()),
        }],
        // What cannot be read is `migrate`'s to complain of.
        ImportTarget::All {
            entries,
            hosts,
            home,
        } => configured::all(entries, hosts, home, |why| diag.warn(why)),
    }
}

/// What could be taken over for a server, which is only looked for; `None` for an entry that cannot be
/// used.
pub(super) fn shown(candidate: Configured, diag: &Diag) -> Result<Option<Row>, Error> {
    match candidate.config {
        Ok(config) => {
            look(candidate.used_by, candidate.is_own, &config, diag).map(|(row, _)| Some(row))
        }
        Err(_) => Ok(None),
    }
}

/// What could be, or was, taken over for a server.
async fn row(candidate: Configured, apply: bool, diag: &Diag) -> Result<Row, Error> {
    let config = match candidate.config {
        Ok(config) => config,
        Err(why) => return Ok(Row::unusable(candidate.used_by, why)),
    };
    let (mut row, store) = look(candidate.used_by, candidate.is_own, &config, diag)?;
    if let (State::WouldTake, Some(store), true) = (row.state, store, apply) {
        take(&config, &store, &mut row, diag).await;
    }
    Ok(row)
}

/// What could be taken over, without doing that.
fn look(
    used_by: String,
    is_own: bool,
    config: &Config,
    diag: &Diag,
) -> Result<(Row, Option<Store>), Error> {
    let mut row = Row::new(used_by, config.server.to_string(), config.key.to_string());
    if config.auth == AuthMode::Bearer || config.auth.is_unattended() {
        row.state = State::NoNeed;
        return Ok((row, None));
    }
    let store = Store::open(config.base.dir.clone().ok_or(StoreError::NoFolder)?)?;
    for warning in store.take_warnings() {
        diag.warn(warning);
    }
    if let Some(state) = own(&store, &config.key)? {
        row.state = state;
        return Ok((row, None));
    }
    let looked = config.elsewhere.as_ref().map(takeover::look);
    let looked = looked.unwrap_or_default();
    for trouble in &looked.troubles {
        diag.warn(trouble);
    }
    let Some((offer, path)) = looked.offer.zip(looked.path) else {
        if !looked.troubles.is_empty() {
            row.leave("its files cannot be used");
        }
        return Ok((row, None));
    };
    let place = path.display().to_string();
    row.found(&place, &offer.tokens);
    match hindrance(&store, &offer, &place, &config.key)? {
        Some(why) => row.leave(&why),
        None if is_own => row.state = State::WouldTake,
        // Its options say where a token goes, and by which proxy. The AI client asks the user whether
        // to trust the folder; then the first use takes the sign-in over.
        None => row.state = State::AtFirstUse,
    }
    Ok((row, Some(store)))
}

/// How it stands with our own sign-in, if there is one.
fn own(store: &Store, key: &ServerKey) -> Result<Option<State>, Error> {
    Ok(match store.read(key)? {
        Cached::Present(sign_in) if sign_in.grant.is_some() => {
            let taken = sign_in.taken_over.as_ref();
            match taken.is_some_and(|taken| !taken.replaced) {
                true => Some(State::TakenBefore),
                false => Some(State::SignedIn),
            }
        }
        Cached::Newer { .. } => Some(State::SignedIn),
        Cached::Present(_) | Cached::Absent | Cached::Unreadable { .. } => None,
    })
}

/// Why what was found is not taken over, as far as that is known without asking a server.
fn hindrance(
    store: &Store,
    offer: &Offer,
    place: &str,
    key: &ServerKey,
) -> Result<Option<String>, Error> {
    if let Some(shared) = offer.shared {
        return Ok(Some(format!("{shared}; end it first")));
    }
    let ledger = store.read_ledger()?;
    let holds = |name: &str, mark: &str| holds(store, name, mark);
    let barred = ledger.bars((place, &offer.source.mark), key.as_str(), true, holds);
    Ok(barred.map(|barred| barred.to_string()))
}

/// Takes it over.
async fn take(config: &Config, store: &Store, row: &mut Row, diag: &Diag) {
    match asked(config, diag).await {
        Ok(true) => match own(store, &config.key) {
            Ok(Some(State::TakenBefore)) => row.state = State::Taken,
            // Somebody signed in at this moment.
            Ok(Some(state)) => row.state = state,
            Ok(None) => row.leave("it could not be kept"),
            Err(error) => row.leave(&error.to_string()),
        },
        Ok(false) => row.state = State::NoNeed,
        Err(error) => {
            row.exit_code = Some(error.exit_code());
            row.leave(&told(&error));
        }
    }
}

/// Lets the sign-in's flow do it. `false` if the server lets anybody in.
async fn asked(config: &Config, diag: &Diag) -> Result<bool, Error> {
    super::check_key_file(config, diag);
    let host = config.server.host();
    let http = Connections::new(config.http.clone())?;
    let remote = super::remote(config, http.clone());
    let asking = question::challenge(&remote, &host, config.transport, config.protocol, |_, _| {});
    let Some(challenge) = asking.await? else {
        return Ok(false);
    };
    let (login, task) = Login::start(config, http, diag.for_host(&host))?;
    // The table says what came of it.
    login.follow(Arc::new(Aside(diag.for_host(&host))));
    let outcome = login.challenged(None, challenge).await;
    drop(login);
    task.ended().await;
    outcome.map(|_| true).map_err(Error::Login)
}

/// Says only to who wants to know everything what happens on the way.
struct Aside(Diag);

impl Trace for Aside {
    fn noted(&self, note: &Note) {
        self.0.debug(note);
    }

    fn asked(&self, question: &Question, outcome: &str) {
        self.0.debug(format_args!("{question}: {outcome}"));
    }
}
