//! The part of the flow that decides who asks: a client that is there, or one to be registered.

use super::plan::{Choice, Plan};
use super::{Flow, FlowError, Move, Note, State};
use crate::oauth::registration::Client;
use crate::oauth::sign_in::KnownClient;

impl Plan {
    /// The client that was registered here before, if it stays one until then.
    pub fn known_client(&self, until: u64) -> Option<&Client> {
        let known = self.task.cached.clients.get(&self.server.issuer)?;
        let usable = |client: &&Client| {
            client.registered && !self.scopes_refused && !client.has_lapsed(until)
        };
        Some(&known.client).filter(usable)
    }

    /// Whether this client, which the server does not take, may be replaced by a new one.
    pub fn can_replace(&self, client: &Client) -> bool {
        let replaceable = client.registered || client.document;
        replaceable && !self.registered_anew && self.server.registration_endpoint.is_some()
    }

    /// The metadata document in whose place a client is registered.
    pub fn refused_document(&self) -> Option<&str> {
        self.refused_document.as_deref()
    }

    /// What the server does not take is replaced, once. That it was a document, or stood for one,
    /// is remembered with the client that replaces it.
    pub fn replace(&mut self, client: &Client) {
        self.registered_anew = true;
        self.refused_document = match client.document {
            true => Some(client.client_id.clone()),
            false => client.refused_document.clone(),
        };
    }
}

impl Flow {
    /// Configured, else described by a document, else registered before, else to be registered (MCP
    /// 2025-11-25, Client Registration Approaches). What one issuer gave is never shown to another.
    pub(super) fn choose(&self, plan: &Plan, now: u64) -> Result<Choice, FlowError> {
        if let Some(client) = self.unregistered(plan) {
            return client.map(Choice::Configured);
        }
        if let Some(client) = plan.known_client(self.person_done_by(now))
            && let Some(uri) = &client.redirect_uri
            && let Some(port) = self.settings.redirect.port_of(uri)
        {
            return Ok(Choice::Known(client.clone(), port));
        }
        match &plan.server.registration_endpoint {
            Some(endpoint) => Ok(Choice::New(endpoint.clone())),
            None => Err(self.no_registration(plan)),
        }
    }

    /// The client that needs no registration, if there is one.
    pub(super) fn unregistered(&self, plan: &Plan) -> Option<Result<Client, FlowError>> {
        self.configured(plan).or_else(|| self.documented(plan))
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

    pub(super) fn no_registration(&self, plan: &Plan) -> FlowError {
        let issuer = plan.server.issuer.clone();
        let console = self.settings.console(&issuer);
        FlowError::NoRegistration { issuer, console }
    }

    /// The client that the user's metadata document describes, where the server takes such ones and
    /// has not refused this one before.
    fn documented(&self, plan: &Plan) -> Option<Result<Client, FlowError>> {
        let document = self.settings.document.as_ref()?;
        let known = plan.task.cached.clients.get(&plan.server.issuer);
        let refused_before = known.and_then(|known| known.client.refused_document.as_deref());
        let refused = [plan.refused_document(), refused_before].contains(&Some(&*document.url));
        let can_register = plan.server.registration_endpoint.is_some();
        let takes = plan.server.client_id_metadata_documents && !(refused && can_register);
        takes.then(|| document.client(&plan.server.takes()))
    }

    /// Registers a client that may ask for these scopes. Most servers let a client ask for anything
    /// if it registered for nothing in particular, and hold it to what it registered for; others
    /// refuse what was not registered for. `None` if that has been tried, or is not to be had.
    pub(super) fn with_scopes_registered(
        &mut self,
        mut plan: Plan,
        client: &Client,
        now: u64,
    ) -> Result<Move, Box<Plan>> {
        let can = client.registered && plan.server.registration_endpoint.is_some();
        if !can || plan.scopes_refused || plan.scopes.is_empty() {
            return Err(Box::new(plan));
        }
        self.note(Note::ScopesRegistered(plan.scopes.clone()));
        plan.replace(client);
        plan.scopes_refused = true;
        Ok(self.approach(plan, now))
    }

    /// The server does not take this client: forget it and register anew, once.
    pub(super) fn replace_client(&mut self, mut plan: Plan, client: &Client, why: &str) -> Move {
        self.note(match client.document {
            true => Note::DocumentRefused(why.to_owned()),
            false => Note::ClientForgotten(why.to_owned()),
        });
        plan.replace(client);
        let issuer = plan.server.issuer.clone();
        let amendment = super::Amendment::DropClient(issuer, client.client_id.clone());
        amendment.apply(&mut plan.task.cached);
        (
            State::ForgettingClient { plan },
            super::Action::Amend(Box::new(amendment)),
        )
    }
}
