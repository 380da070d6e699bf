//! The part of the flow that needs a person: from the metadata to the code and its tokens.

use url::Url;

use super::answer::Asked;
use super::binding::{Keyless, Then};
use super::{
    Action, Amendment, Flow, FlowError, Goal, Move, Note, ResourceChoice, State, Way, done, fail,
};
use crate::ids::{Issuer, ResourceId};
use crate::oauth::authorize::{Ask, AskError, Attempt, Randomness};
use crate::oauth::challenge::Challenge;
use crate::oauth::discovery::resource::{Expected, ResourceMetadata, ResourceSearch};
use crate::oauth::discovery::server::{AuthorizationServer, Leads, Rules, ServerSearch};
use crate::oauth::discovery::{Fetched, Step};
use crate::oauth::dpop::Binding;
use crate::oauth::invitation::Open;
use crate::oauth::registration::{self, Client, Registration};
use crate::oauth::scope::{self, Sources};
use crate::oauth::sign_in::{KnownClient, SignIn};
use crate::oauth::token::Grant;
use crate::oauth::token_endpoint::Cause;

/// A client that was used this recently, in seconds, is known to the server without a probe.
const PROVEN: u64 = 600;

/// A sign-in that has begun.
#[derive(Debug)]
pub(super) struct Task {
    /// What the cache holds.
    pub cached: SignIn,
    /// What a process that died left open.
    pub pending: Option<Open>,
}

/// What is known once the authorization server is.
#[derive(Debug)]
pub(super) struct Plan {
    pub task: Task,
    pub server: AuthorizationServer,
    pub resource: Option<ResourceId>,
    resource_scopes: Option<Vec<String>>,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// Whether a dead client was replaced already.
    pub registered_anew: bool,
    /// Whether the server does not let clients ask for what they did not register for.
    pub scopes_refused: bool,
    /// The metadata document that the server did not take.
    pub refused_document: Option<String>,
    /// Whether the server refuses `resource`, so that it is left out.
    pub resource_refused: bool,
    /// What the resource's metadata says about binding tokens.
    pub resource_wants: ResourceWants,
    /// What tokens are to be bound to.
    pub binding: Option<Binding>,
}

/// What the resource's metadata says about binding tokens to a key (RFC 9728 §2).
#[derive(Debug)]
pub(super) struct ResourceWants {
    pub dpop_required: bool,
    pub dpop_algorithms: Option<Vec<String>>,
}

/// Who asks.
#[derive(Clone, Debug)]
pub(super) enum Choice {
    /// A client that can use any port.
    Configured(Client),
    /// A client that was registered with a redirect URI on this port.
    Known(Client, u16),
    /// A client that has to be registered first, here.
    New(Url),
}

/// A listener that is open, and randomness for one attempt.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    pub port: u16,
    pub randomness: Randomness,
}

impl Flow {
    /// Whether a person may be asked at all.
    pub(super) fn may_ask(&self, cached: &SignIn, now: u64) -> Result<(), FlowError> {
        if !self.history.allows(now) {
            return Err(FlowError::TooManyAttempts);
        }
        match (&self.goal, &cached.grant) {
            (Goal::StepUp { challenge, .. }, Some(grant)) => match &challenge.scope {
                Some(asked) => self.gains(asked, asked, grant),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// MCP 2025-11-25, Step-Up Authorization Flow: asking again for what was asked for already
    /// would only open one browser tab after the other.
    fn gains(&self, asked: &[String], wanted: &[String], grant: &Grant) -> Result<(), FlowError> {
        let grows = !scope::missing(wanted, &grant.requested_scopes).is_empty();
        match grows && !self.history.was_declined(wanted) {
            true => Ok(()),
            false => Err(FlowError::ScopesNotGranted(asked.to_vec())),
        }
    }

    pub(super) fn turn(&mut self, cached: SignIn, pending: Option<Open>, now: u64) -> Move {
        if let Some(grant) = self.usable(&cached, now) {
            self.note(Note::Adopted);
            return done(Some(grant));
        }
        if let Some(error) = self.failed_elsewhere(&cached) {
            return fail(error);
        }
        self.has_turn = true;
        self.search(Task { cached, pending }, now)
    }

    /// Looks for who issues tokens for the server.
    pub(super) fn search(&mut self, task: Task, now: u64) -> Move {
        if let Some(endpoints) = &self.settings.endpoints {
            let server = endpoints.server();
            return self.planned(task, ResourceMetadata::none(), server, now);
        }
        let hint = self
            .challenge()
            .and_then(|c| c.resource_metadata.as_deref());
        let search = ResourceSearch::new(&self.settings.server, hint);
        if let Some(why) = search.ignored_hint() {
            self.notes.push(Note::HintIgnored(why.to_owned()));
        }
        fetch_resource(task, search, 0)
    }

    pub(super) fn challenge(&self) -> Option<&Challenge> {
        match &self.goal {
            Goal::Challenged { challenge, .. }
            | Goal::StepUp { challenge, .. }
            | Goal::SignIn { challenge, .. } => Some(challenge),
            Goal::Silent | Goal::Renew { .. } => None,
        }
    }

    pub(super) fn resource_answered(
        &mut self,
        task: Task,
        search: ResourceSearch,
        fetched: Fetched,
        now: u64,
    ) -> Move {
        let expected = Expected {
            server: &self.settings.server,
            resource: match &self.settings.resource {
                ResourceChoice::Given(resource) => Some(resource),
                ResourceChoice::Discovered | ResourceChoice::Omitted => None,
            },
        };
        let hinted = search.ignored_hint().is_none();
        match search.judge(fetched, expected) {
            Step::Fetch(search, after) => {
                if let Some(why) = search.ignored_hint().filter(|_| hinted) {
                    self.note(Note::HintIgnored(why.to_owned()));
                }
                fetch_resource(task, search, after)
            }
            Step::Found(resource) => {
                self.note(Note::ResourceFound(Box::new(resource.clone())));
                let rank = |issuer: &Issuer| self.rank(issuer, &task.cached);
                let servers = resource.authorization_servers.clone();
                let step = ServerSearch::start(servers, rank, self.rules());
                self.server_step(task, resource, step, now)
            }
            Step::Failed(error) => fail(FlowError::Discovery(error)),
        }
    }

    /// Which of several authorization servers comes first: the one that the user named, the one
    /// whose tokens we have, one that knows us, any other.
    fn rank(&self, issuer: &Issuer, cached: &SignIn) -> u8 {
        let has_grant = |grant: &Grant| grant.issuer == *issuer;
        match () {
            () if self.settings.issuer.as_ref() == Some(issuer) => 0,
            () if cached.grant.as_ref().is_some_and(has_grant) => 1,
            () if cached.clients.contains_key(issuer) => 2,
            () => 3,
        }
    }

    fn rules(&self) -> Rules<'_> {
        Rules {
            server: &self.settings.server,
            allow_missing_pkce_metadata: self.settings.allow_missing_pkce_metadata,
            issuer: self.settings.issuer.as_ref(),
            known: self.settings.known.server(&self.settings.server),
            pkce: self.settings.pkce,
            leads: match &self.settings.way {
                Way::Browser => Leads::Browser,
                Way::Device => Leads::Device,
                Way::Unattended(_) => Leads::TokenEndpoint,
            },
        }
    }

    pub(super) fn server_answered(
        &mut self,
        task: Task,
        resource: ResourceMetadata,
        search: ServerSearch,
        fetched: Fetched,
        now: u64,
    ) -> Move {
        let step = search.judge(fetched, self.rules());
        self.server_step(task, resource, step, now)
    }

    fn server_step(
        &mut self,
        task: Task,
        resource: ResourceMetadata,
        step: Step<ServerSearch, AuthorizationServer>,
        now: u64,
    ) -> Move {
        match step {
            Step::Fetch(search, after) => {
                let url = search.url().clone();
                let state = State::FindingServer {
                    task,
                    resource,
                    search: Box::new(search),
                };
                (state, Action::Fetch { url, after })
            }
            Step::Found(server) => {
                self.note(Note::ServerFound(Box::new(server.clone())));
                self.planned(task, resource, server, now)
            }
            Step::Failed(error) => fail(FlowError::Discovery(error)),
        }
    }

    /// The authorization server is known.
    fn planned(
        &mut self,
        task: Task,
        resource: ResourceMetadata,
        server: AuthorizationServer,
        now: u64,
    ) -> Move {
        match self.plan(task, resource, server) {
            Ok(plan) => self.approach(plan, now),
            Err(error) => fail(error),
        }
    }

    fn plan(
        &self,
        task: Task,
        metadata: ResourceMetadata,
        mut server: AuthorizationServer,
    ) -> Result<Plan, FlowError> {
        if let Some(endpoint) = &self.settings.revocation_endpoint {
            server.revocation_endpoint = Some(endpoint.clone());
        }
        let known = task.cached.clients.get(&server.issuer);
        let resource_refused = known.is_some_and(|known| known.resource_refused)
            || self.settings.refuses_resource(&server.issuer);
        let resource = match &self.settings.resource {
            ResourceChoice::Discovered => metadata.resource.filter(|_| !resource_refused),
            ResourceChoice::Given(resource) => Some(resource.clone()),
            ResourceChoice::Omitted => None,
        };
        let mut plan = Plan {
            task,
            server,
            resource,
            resource_scopes: metadata.scopes_supported,
            scopes: Vec::new(),
            registered_anew: false,
            scopes_refused: false,
            refused_document: None,
            resource_refused,
            resource_wants: ResourceWants {
                dpop_required: metadata.dpop_required,
                dpop_algorithms: metadata.dpop_algorithms,
            },
            binding: None,
        };
        let sources = self.sources(&plan);
        // What was asked for elsewhere says nothing about what there is to ask for here.
        let grant = plan.task.cached.grant.as_ref();
        let grant = grant.filter(|grant| grant.issuer == plan.server.issuer);
        plan.scopes = match (&self.goal, grant) {
            // Some say it with 401. The scopes so far are needed there as well, so that the requests
            // of two tools do not take each other's away.
            (Goal::Challenged { challenge, .. }, Some(grant))
                if challenge.error.as_deref() == Some("insufficient_scope") =>
            {
                sources.step_up(&grant.requested_scopes, &grant.tokens.scopes)
            }
            (Goal::StepUp { challenge, .. }, Some(grant)) => {
                let wanted = sources.step_up(&grant.requested_scopes, &grant.tokens.scopes);
                let asked = challenge.scope.as_deref().or(sources.resource);
                self.gains(asked.unwrap_or_default(), &wanted, grant)?;
                wanted
            }
            _ => sources.initial(),
        };
        if self.settings.use_id_token {
            // OpenID Connect Core §3.1.2.1: without it there is no ID token.
            let openid = ["openid".to_owned()];
            plan.scopes = scope::union([plan.scopes.as_slice(), &openid]);
        }
        Ok(plan)
    }

    pub(super) fn sources<'a>(&'a self, plan: &'a Plan) -> Sources<'a> {
        Sources {
            configured: self.settings.scopes.as_deref(),
            challenge: self.challenge().and_then(|c| c.scope.as_deref()),
            resource: plan.resource_scopes.as_deref(),
            // It is only asked for what makes refresh tokens, which are of no use without a person.
            authorization_server: match self.unattended() {
                Some(_) => None,
                None => Some(&plan.server.scopes_supported),
            },
        }
    }

    /// Takes the way that the user wants.
    pub(super) fn approach(&mut self, plan: Plan, now: u64) -> Move {
        let settings = self.settings.clone();
        match &settings.way {
            Way::Browser => self.bind(plan, now),
            Way::Device => self.approach_by_device(plan, now),
            Way::Unattended(unattended) => self.approach_unattended(plan, unattended, now),
        }
    }

    /// Decides who asks, and opens the listener that the answer comes to: it is there before
    /// anybody is told its address.
    fn bind(&mut self, plan: Plan, now: u64) -> Move {
        let choice = match self.choose(&plan, now) {
            Ok(choice) => choice,
            Err(error) => return fail(error),
        };
        let fixed = self.settings.redirect.port;
        let (port, strict) = match &choice {
            Choice::Known(_, port) => (Some(*port), false),
            Choice::Configured(client) => {
                let pending = plan.task.pending.as_ref().and_then(Open::browser);
                let theirs = pending.filter(|attempt| attempt.client_id == client.client_id);
                let open = theirs.and_then(|a| self.settings.redirect.port_of(&a.redirect_uri));
                let derived = self.settings.redirect.own_client_port;
                (Some(fixed.or(open).unwrap_or(derived)), true)
            }
            Choice::New(_) => (fixed, fixed.is_some()),
        };
        (
            State::Binding { plan, choice },
            Action::Bind { port, strict },
        )
    }

    /// When a person who is asked now is done at the latest. What they bring is bound to the client.
    pub(super) fn person_done_by(&self, now: u64) -> u64 {
        now.saturating_add(self.settings.auth_timeout)
    }

    pub(super) fn no_registration(&self, plan: &Plan) -> FlowError {
        let issuer = plan.server.issuer.clone();
        let console = self.settings.console(&issuer);
        FlowError::NoRegistration { issuer, console }
    }

    /// The client that the user configured, unless it belongs to another issuer; `None` if they
    /// configured none.
    pub(super) fn configured(&self, plan: &Plan) -> Option<Result<Client, FlowError>> {
        let configured = self.settings.client.as_ref()?;
        let (issuer, clients) = (&plan.server.issuer, &plan.task.cached.clients);
        let is_it = |known: &KnownClient| {
            !known.client.registered && known.client.client_id == configured.client_id
        };
        let elsewhere = clients
            .iter()
            .find(|(_, known)| is_it(known))
            .map(|(at, _)| at);
        Some(match elsewhere {
            Some(bound_to) if !clients.get(issuer).is_some_and(is_it) => {
                Err(FlowError::OtherIssuersClient {
                    client_id: configured.client_id.clone(),
                    bound_to: bound_to.clone(),
                    wanted_at: issuer.clone(),
                })
            }
            _ => configured.client(&plan.server.takes()),
        })
    }

    pub(super) fn bound(&mut self, plan: Plan, choice: Choice, bound: Bound, now: u64) -> Move {
        match choice {
            Choice::Configured(client) => {
                let probe = plan.can_replace(&client) && !self.is_proven(&plan, now);
                self.ask(plan, client, &bound, probe, now)
            }
            Choice::Known(client, port) if port == bound.port => {
                let probe = !self.is_proven(&plan, now);
                self.ask(plan, client, &bound, probe, now)
            }
            // Servers that compare redirect URIs to the letter would refuse another port.
            Choice::Known(_, port) => match plan.server.registration_endpoint.clone() {
                Some(endpoint) => {
                    self.note(Note::PortTaken(port));
                    self.register(plan, endpoint, Some(bound))
                }
                None => fail(self.no_registration(&plan)),
            },
            Choice::New(endpoint) => self.register(plan, endpoint, Some(bound)),
        }
    }

    /// Whether the server knew this client a moment ago. Refusing a refresh token proves it as
    /// well: RFC 6749 §5.2 has the client looked at first.
    fn is_proven(&self, plan: &Plan, now: u64) -> bool {
        let grant = plan.task.cached.grant.as_ref();
        let recent = grant
            .filter(|grant| grant.issuer == plan.server.issuer)
            .and_then(|grant| now.checked_sub(grant.issued_at()))
            .is_some_and(|age| age < PROVEN);
        recent || self.grant_just_ended
    }

    /// Registers a client for the browser that comes back to what was bound, or for another
    /// device.
    pub(super) fn register(&mut self, mut plan: Plan, endpoint: Url, bound: Option<Bound>) -> Move {
        // Each client has a key of its own.
        plan.binding = None;
        let redirect = &self.settings.redirect;
        let port = bound.as_ref().map(|bound| bound.port).or(redirect.port);
        let redirect_uri = redirect.uri(port.unwrap_or_else(|| self.settings.unbound_port()));
        let extra = &self.settings.client_metadata;
        match Registration::new(&plan.server, endpoint, redirect_uri, extra) {
            Ok(mut registration) => {
                if bound.is_none() {
                    registration = registration.for_devices();
                }
                if plan.scopes_refused {
                    registration = registration.with_scopes(&plan.scopes);
                }
                post_registration(plan, registration, bound, 0)
            }
            Err(error) => fail(FlowError::Registration(error)),
        }
    }

    pub(super) fn registration_answered(
        &mut self,
        mut plan: Plan,
        registration: Registration,
        bound: Option<Bound>,
        fetched: Fetched,
        now: u64,
    ) -> Move {
        match registration.judge(fetched, &self.settings.server) {
            registration::Step::Registered(mut client) => {
                client.refused_document = plan.refused_document().map(str::to_owned);
                // A secret that ended before it was issued is a time that is not what it seems.
                client.client_secret_expires_at.take_if(|end| *end <= now);
                let issuer = plan.server.issuer.clone();
                let in_use = self.can_refresh(&plan.task.cached, &issuer, now);
                let amendment = Amendment::PutClient(issuer, known(&plan, &client));
                // Until the person has signed in, the client whose tokens are in use is worth more.
                if in_use {
                    amendment.apply(&mut plan.task.cached);
                    return self.ask_as(plan, client, bound, now);
                }
                let state = State::SavingClient {
                    plan,
                    client,
                    bound,
                };
                (state, Action::Amend(Box::new(amendment)))
            }
            registration::Step::Again(registration, after) => {
                post_registration(plan, registration, bound, after)
            }
            registration::Step::Failed(error) => {
                let console = self.settings.console(&plan.server.issuer);
                fail(FlowError::Registration(error.by_hand(console)))
            }
        }
    }

    pub(super) fn client_saved(
        &mut self,
        mut plan: Plan,
        client: Client,
        bound: Option<Bound>,
        outcome: Result<SignIn, Cause>,
        now: u64,
    ) -> Move {
        match outcome {
            Ok(cached) => plan.task.cached = cached,
            Err(cause) => self.note(Note::NotSaved(cause)),
        }
        self.ask_as(plan, client, bound, now)
    }

    /// Asks as a client that was registered just now.
    fn ask_as(&mut self, plan: Plan, client: Client, bound: Option<Bound>, now: u64) -> Move {
        match bound {
            Some(bound) => self.ask(plan, client, &bound, false, now),
            None => self.ask_for_code(plan, client, now),
        }
    }

    /// Where the browser returns to: what the client was registered with, character by character.
    fn redirect_uri(&self, client: &Client, port: u16) -> String {
        let registered = client.redirect_uri.clone();
        registered.unwrap_or_else(|| self.settings.redirect.uri(port))
    }

    /// Makes the authorization request.
    pub(super) fn ask(
        &mut self,
        mut plan: Plan,
        client: Client,
        bound: &Bound,
        probe: bool,
        now: u64,
    ) -> Move {
        match self.bind_tokens(&mut plan, &client) {
            Ok(true) => {}
            Ok(false) => {
                let bound = bound.clone();
                return Keyless::make_key(plan, client, Then::Browser { bound, probe });
            }
            Err(error) => return fail(error),
        }
        let own_uri = self.redirect_uri(&client, bound.port);
        let params = self.settings.authorize_params(&plan.server.issuer);
        let ask = Ask {
            server: &plan.server,
            client_id: &client.client_id,
            redirect_uri: &own_uri,
            resource: plan.resource.as_ref(),
            scopes: &plan.scopes,
            params: &params,
            pkce: self.settings.pkce,
            lapses_at: now.saturating_add(self.settings.auth_timeout),
            proof_key: plan.binding.as_ref().map(|binding| &binding.key),
        };
        let pending = plan.task.pending.take();
        if let Some(Open::Browser(attempt)) = pending
            && attempt.is_continued_by(&ask, now)
        {
            let pushes = plan.server.require_pushed_authorization_requests;
            // What the address refers to ends soon, and may have ended.
            let whole = pushes.then(|| attempt.spelled_out(&ask));
            let asked = Asked::new(plan, client, attempt);
            return match whole {
                Some(Ok(whole)) => self.push(asked.with(whole), true),
                Some(Err(error)) => fail(unaskable(error, &asked.plan)),
                None => asked.open(true),
            };
        }
        if !self.history.allows(now) {
            return fail(FlowError::TooManyAttempts);
        }
        let attempt = match Attempt::new(&ask, &bound.randomness) {
            Ok(attempt) => Box::new(attempt),
            Err(error) => return fail(unaskable(error, &plan)),
        };
        let pushes = plan.server.require_pushed_authorization_requests;
        let asked = Asked::new(plan, client, attempt);
        // Leaving the request says as much about the client as a probe.
        if pushes {
            return self.push(asked, false);
        }
        if probe {
            return asked.probe();
        }
        self.history.opened(now);
        asked.open(false)
    }
}

fn unaskable(error: AskError, plan: &Plan) -> FlowError {
    match error {
        AskError::RedirectUri(uri) => FlowError::RedirectUri(uri),
        AskError::NoAuthorizationEndpoint => {
            FlowError::NoAuthorizationEndpoint(plan.server.issuer.clone())
        }
    }
}

fn fetch_resource(task: Task, search: ResourceSearch, after: u64) -> Move {
    let url = search.url().clone();
    let state = State::FindingResource { task, search };
    (state, Action::Fetch { url, after })
}

fn post_registration(
    plan: Plan,
    registration: Registration,
    bound: Option<Bound>,
    after: u64,
) -> Move {
    let action = Action::Register {
        url: registration.endpoint().clone(),
        body: registration.body(),
        after,
    };
    let state = State::Registering {
        plan,
        registration: Box::new(registration),
        bound,
    };
    (state, action)
}

/// What is remembered of a client. A secret that the user configured stays where they keep it.
pub(super) fn known(plan: &Plan, client: &Client) -> KnownClient {
    let server = &plan.server;
    let mut client = client.clone();
    if !client.registered {
        client.client_secret = None;
    }
    KnownClient {
        client,
        token_endpoint: server.token_endpoint.clone(),
        revocation_endpoint: server.revocation_endpoint.clone(),
        resource_refused: plan.resource_refused,
    }
}
