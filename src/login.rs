//! Signs in to one server and keeps it so: performs what [`crate::oauth::flow`] asks, reports back
//! what happened.
//!
//! One task owns the flows of a server. Whoever needs a token asks through a [`Login`]; those that
//! ask while a flow is under way share its outcome, and a caller that goes away ends nothing that
//! others need. Two flows may be under way at a time: one that asks nobody, and one that may open a
//! browser, so that requests whose token is good do not wait for a person.

mod door;
mod error;
mod guide;
mod held;
mod owner;
mod rim;
mod survey;
mod trace;
mod visitor;

use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::config::{AuthMode, Config, Resource};
use crate::diag::Diag;
use crate::net::callback::{Listener, Page};
use crate::net::connections::Connections;
use crate::oauth::challenge::Challenge;
use crate::oauth::credential::Credential;
use crate::oauth::dpop;
use crate::oauth::flow::{Goal, Redirect, ResourceChoice, Settings, Unattended, Way};
use crate::oauth::invitation::{Invitation, Standing, pasted_query};
use crate::oauth::token::{Freshness, Grant};
use crate::secret::Secret;
use crate::store::{Store, StoreError};

pub use error::LoginError;
pub use guide::Audience;
pub use held::Held;
use owner::{Command, Owner, Reply};
use rim::{Machine, Rim, now};
pub use rim::{OpenBrowser, holds};
pub use survey::{Seen, Survey};
pub use trace::Trace;
pub use visitor::BringError;
use visitor::Pasted;

/// What is said where the ID token takes the place of the access token.
const ID_TOKEN_NOTE: &str = "`--use-id-token`: the server gets the ID token in place of the access token, which no specification has; whoever reads it learns who you are, and may pass for you where ID tokens are taken";

/// Requests to the task that may wait.
const QUEUE: usize = 64;

/// Pasted addresses that may wait to be looked at.
const PASTES: usize = 4;

/// How often it is looked whether another process has signed in.
const CACHE_POLL: Duration = Duration::from_secs(1);

/// How long after the end of a sign-in those who brought something may still be told of it.
const LAST_WORD: Duration = Duration::from_secs(1);

/// A way to tokens for one server. Clones share everything.
#[derive(Clone)]
pub struct Login {
    commands: mpsc::Sender<Command>,
    grant: watch::Receiver<Option<Grant>>,
    standing: watch::Receiver<Standing>,
    pasted: mpsc::Sender<Pasted>,
    rim: Arc<Rim>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login")
    }
}

/// The task behind a [`Login`].
#[derive(Debug)]
pub struct Task(JoinHandle<()>);

impl Task {
    /// Waits until the task has ended, which it does when every [`Login`] is gone. Answers that must
    /// not be lost and browsers that wait for a page take up to a few seconds.
    pub async fn ended(self) {
        // It fails only if the task panicked, which has been reported.
        let _ = self.0.await;
    }
}

impl Login {
    /// Starts the task. Must be called within a tokio runtime.
    pub fn start(
        config: &Config,
        http: Connections,
        diag: Diag,
    ) -> Result<(Self, Task), StoreError> {
        let browser: Option<OpenBrowser> = match config.browser {
            true => Some(Arc::new(crate::browser::open)),
            false => None,
        };
        let machine = Machine {
            place: crate::browser::place,
            ..machine(config, browser)
        };
        Self::start_on(machine, config, http, diag)
    }

    /// The same with another way to open addresses; `None` opens none and only prints them.
    pub fn start_with(
        config: &Config,
        http: Connections,
        diag: Diag,
        browser: Option<OpenBrowser>,
    ) -> Result<(Self, Task), StoreError> {
        Self::start_on(machine(config, browser), config, http, diag)
    }

    fn start_on(
        machine: Machine,
        config: &Config,
        http: Connections,
        diag: Diag,
    ) -> Result<(Self, Task), StoreError> {
        let (standing_published, standing) = watch::channel(Standing::Quiet);
        let (pasted, pastes) = mpsc::channel(PASTES);
        let (store, unwritable) = Store::open_untried(config.base.dir.clone())?;
        if config.use_id_token {
            diag.warn(ID_TOKEN_NOTE);
        }
        let rim = Arc::new(Rim {
            settings: Arc::new(settings(config)),
            key: config.key.clone(),
            store,
            http,
            headers: config.headers.clone(),
            diag,
            machine,
            again: config.again.clone(),
            seed: config.seed.clone(),
            assertion: config
                .unattended
                .as_ref()
                .and_then(|way| way.assertion.clone()),
            audience: OnceLock::new(),
            trace: OnceLock::new(),
            standing: standing_published,
            needed_since: std::sync::Mutex::new(None),
            nothing_found: std::sync::Mutex::new(None),
            pastes: Mutex::new(pastes),
            refreshing: Arc::new(Mutex::new(())),
            busy: AtomicUsize::new(0),
            ahead: std::sync::Mutex::new(None),
            told_unreadable: AtomicBool::new(false),
            elsewhere: config.elsewhere.clone(),
            told_elsewhere: AtomicBool::new(false),
        });
        if let Some(unwritable) = unwritable {
            rim.tell_unwritable(unwritable);
        }
        let (commands, received) = mpsc::channel(QUEUE);
        let (published, grant) = watch::channel(None);
        let owner = Owner::new(rim.clone(), received, published);
        let task = Task(tokio::spawn(owner.run()));
        let login = Self {
            commands,
            grant,
            standing,
            pasted,
            rim,
        };
        Ok((login, task))
    }

    /// Reads the cache while nothing is needed of it yet. Goes to no network; what another process
    /// changes meanwhile is found all the same.
    pub fn read_ahead(&self) {
        self.rim.read_ahead();
    }

    /// Whether a person may be asked for something.
    pub fn asks(&self) -> bool {
        !matches!(self.rim.settings.way, Way::Unattended(_))
    }

    /// What a person has to do now, and every change of it.
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }

    /// Returns when the cache holds other tokens than now.
    pub async fn changed_elsewhere(&self) {
        let before = self.rim.cached_grant();
        loop {
            tokio::time::sleep(CACHE_POLL).await;
            let now = self.rim.cached_grant();
            if now.is_some() && now != before {
                return;
            }
        }
    }

    /// How long a person has been needed without a break; zero if none is.
    pub fn person_needed_for(&self) -> Duration {
        let since = self.rim.needed_since.lock();
        let since = since.unwrap_or_else(PoisonError::into_inner);
        since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Says who reads what is printed, if it is not the user of an AI client. To be called before
    /// anything is asked for; the first call counts.
    pub fn speak_to(&self, audience: Audience) {
        let _ = self.rim.audience.set(audience);
    }

    /// Lets `trace` follow the sign-ins, in place of the diagnostic output. To be called before
    /// anything is asked for; the first call counts.
    pub fn follow(&self, trace: Arc<dyn Trace>) {
        let _ = self.rim.trace.set(trace);
    }

    /// Where the sign-in is kept.
    pub fn store(&self) -> &Store {
        &self.rim.store
    }

    /// How far a sign-in would get, with nobody asked and nothing spent. `challenge` is what the
    /// server asks for.
    pub fn survey(&self, challenge: Challenge) -> Survey {
        Survey::new(self.rim.clone(), challenge)
    }

    /// Finishes the open sign-in with the address that the browser ended on, as a person copied
    /// it. Returns when the tokens are there.
    pub async fn bring(&self, text: &str) -> Result<(), BringError> {
        let query = pasted_query(text).map_err(BringError::Paste)?;
        let mut standing = self.standing.clone();
        let takes_callback =
            |now: &Standing| now.invitation().is_some_and(Invitation::takes_callback);
        // The browser, or another who pasted, may have been faster.
        let too_late = || match *self.standing.borrow() {
            Standing::SignedIn => Ok(()),
            _ => Err(BringError::NothingOpen),
        };
        if !takes_callback(&standing.borrow()) {
            return too_late();
        }
        let (verdict, mut page) = oneshot::channel();
        let pasted = Pasted { query, verdict };
        if self.pasted.send(pasted).await.is_err() {
            return too_late();
        }
        // A sign-in that ended meanwhile may never have seen it.
        let ended = async {
            let ended = |now: &Standing| !takes_callback(now);
            // It fails when the task is gone, which ends everything, too.
            let _ = standing.wait_for(ended).await.map(drop);
            tokio::time::sleep(LAST_WORD).await;
        };
        let page = tokio::select! {
            page = &mut page => page,
            () = ended => return too_late(),
        };
        match page {
            Ok(Page::Connected { .. }) => Ok(()),
            Ok(Page::Failed { reason, .. }) => Err(BringError::Failed(reason)),
            Ok(Page::NotExpected) => Err(BringError::NotExpected),
            Err(_) => too_late(),
        }
    }

    /// What to send with a request, if that can be told at once; in there is `None` if nobody was
    /// signed in a moment ago.
    pub fn at_hand(&self) -> Option<Option<Credential>> {
        match self.held() {
            Some((credential, Freshness::Fresh)) => Some(Some(credential)),
            Some((credential, Freshness::Due)) => {
                // It works for a while: nobody has to wait. If the task has much to do, it looks at
                // the clock anyway.
                let _ = self.commands.try_send(Command::Look);
                Some(Some(credential))
            }
            Some((_, Freshness::Expired)) => None,
            None => self.rim.found_nothing_just_now().then_some(None),
        }
    }

    /// What to send with a request, refreshed first if it has ended; `None` if nobody is signed in.
    /// Opens no browser.
    pub async fn credential(&self) -> Result<Option<Credential>, LoginError> {
        if let Some(credential) = self.at_hand() {
            return Ok(credential);
        }
        let grant = self.ask(Command::Silent).await?;
        if grant.is_none() {
            self.rim.note_nothing_found();
        }
        Ok(grant.as_ref().map(Grant::credential))
    }

    /// What to send after a 401. `rejected` is what was sent, if anything was.
    pub async fn challenged(
        &self,
        rejected: Option<Credential>,
        challenge: Challenge,
    ) -> Result<Credential, LoginError> {
        let rejected = rejected.map(|credential| credential.token);
        let goal = Goal::Challenged {
            rejected,
            challenge,
        };
        Ok(self.grant(goal).await?.credential())
    }

    /// What to send after a 403 with `insufficient_scope`. `used` is what was sent.
    pub async fn insufficient_scope(
        &self,
        used: Credential,
        challenge: Challenge,
    ) -> Result<Credential, LoginError> {
        let used = used.token;
        let goal = Goal::StepUp { used, challenge };
        Ok(self.grant(goal).await?.credential())
    }

    /// Signs in anew, whatever is there already. `challenge` is what the server asks for, if it was
    /// asked.
    pub async fn sign_in(&self, challenge: Challenge) -> Result<Grant, LoginError> {
        let since = now();
        self.grant(Goal::SignIn { since, challenge }).await
    }

    /// Another token in the place of `held`, without asking anybody, as it is got ahead of time; the one
    /// of another process if that has been faster. `None` if nobody is signed in any more. What could
    /// not be refreshed and still works is given as it is: who follows the flow learns of that.
    pub async fn renew(&self, held: Secret) -> Result<Option<Grant>, LoginError> {
        self.ask(|reply| Command::Ask(Goal::Renew { held }, reply))
            .await
    }

    async fn grant(&self, goal: Goal) -> Result<Grant, LoginError> {
        let grant = self.ask(|reply| Command::Ask(goal, reply)).await?;
        // Only the silent way ends with nothing and without an error.
        grant.ok_or(LoginError::Closing)
    }

    async fn ask(
        &self,
        command: impl FnOnce(Reply) -> Command,
    ) -> Result<Option<Grant>, LoginError> {
        let (reply, answer) = oneshot::channel();
        let sent = self.commands.send(command(reply)).await;
        sent.map_err(|_| LoginError::Closing)?;
        answer.await.map_err(|_| LoginError::Closing)?
    }

    /// What is in memory and how it stands.
    fn held(&self) -> Option<(Credential, Freshness)> {
        let grant = self.grant.borrow();
        let grant = grant.as_ref()?;
        Some((grant.credential(), grant.freshness(now())))
    }
}

/// A machine whose screen somebody looks at.
fn machine(config: &Config, browser: Option<OpenBrowser>) -> Machine {
    let callback = config.callback.clone();
    Machine {
        browser,
        place: || None,
        open_to_network: callback.bind.is_some_and(|address| !address.is_loopback()),
        listen: Arc::new(move |port| {
            let (host, path) = (&callback.host, &callback.path);
            Listener::bind_and_send_on(host, callback.bind, port, path, callback.then.as_ref())
        }),
    }
}

/// The flow's settings, from the user's.
fn settings(config: &Config) -> Settings {
    Settings {
        server: config.server.clone(),
        client: config.client.clone(),
        document: config.document.clone(),
        initial_access_token: config.initial_access_token.clone(),
        client_metadata: config.client_metadata.clone(),
        resource: match &config.resource {
            Resource::Discovered => ResourceChoice::Discovered,
            Resource::Given(resource) => ResourceChoice::Given(resource.clone()),
            Resource::Omitted => ResourceChoice::Omitted,
        },
        scopes: config.scopes.clone(),
        authorize_params: config.authorize_params.clone(),
        way: match (&config.unattended, config.auth) {
            (Some(unattended), _) => Way::Unattended(unattended.way.clone()),
            (None, AuthMode::Seeded) => match &config.seed {
                Some(seed) => Way::Unattended(Unattended::Seeded(seed.clone())),
                None => Way::Browser,
            },
            (None, AuthMode::Device) => Way::Device,
            (None, _) => Way::Browser,
        },
        redirect: Redirect {
            host: config.callback.host.clone(),
            port: config.callback.port,
            own_client_port: config.callback.derived_port,
            any_port: config.callback.any_port,
            path: config.callback.path.clone(),
        },
        auth_timeout: config.auth_timeout.as_secs().max(1),
        allow_missing_pkce_metadata: config.allow_missing_pkce_metadata,
        issuer: config.issuer.clone(),
        // An ID token is bound to no key.
        dpop: match config.use_id_token {
            true => dpop::Mode::Never,
            false => config.dpop,
        },
        endpoints: config.endpoints.clone(),
        revocation_endpoint: config.revocation_endpoint.clone(),
        audience: config.audience.clone(),
        token_params: config.token_params.clone(),
        pkce: config.pkce,
        known: config.known,
        use_id_token: config.use_id_token,
        take_over: config.take_over,
    }
}

#[cfg(test)]
mod tests;
