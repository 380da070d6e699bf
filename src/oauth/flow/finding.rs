//! The part of the flow that finds out who issues tokens for the server, and what to ask them for.

use super::plan::{Plan, ResourceWants, Task};
use super::{Action, Flow, FlowError, Goal, Move, Note, ResourceChoice, State, Way, fail};
use crate::ids::Issuer;
use crate::oauth::discovery::resource::{Expected, ResourceMetadata, ResourceSearch};
use crate::oauth::discovery::server::{AuthorizationServer, Leads, Rules, ServerSearch};
use crate::oauth::discovery::{Fetched, Step};
use crate::oauth::scope::{self, Sources};
use crate::oauth::sign_in::SignIn;
use crate::oauth::token::Grant;

impl Flow {
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
}

fn fetch_resource(task: Task, search: ResourceSearch, after: u64) -> Move {
    let url = search.url().clone();
    let state = State::FindingResource { task, search };
    (state, Action::Fetch { url, after })
}
