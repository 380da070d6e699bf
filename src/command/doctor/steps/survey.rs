//! Metadata, PKCE and client: what the sign-in's own flow asks and decides, put into words.

use std::sync::Arc;

use super::super::report::{Exchange, Kind, Name, Step};
use super::{SURVEYED, Walk};
use crate::config::AuthMode;
use crate::error::Error;
use crate::ids::display_url;
use crate::login::{Login, LoginError, Seen};
use crate::oauth::challenge::Challenge;
use crate::oauth::discovery::DiscoveryError;
use crate::oauth::discovery::resource::{AuthorizationServers, ResourceMetadata};
use crate::oauth::discovery::server::AuthorizationServer;
use crate::oauth::document::Object;
use crate::oauth::flow::{Action, FlowError, Note, Purpose, Question};
use crate::untrusted::{SHOWN, printable};

/// What has been seen of a survey since the last step.
#[derive(Default)]
struct Seeing {
    asked: Vec<Exchange>,
    remarks: Vec<String>,
    /// The last document of an authorization server.
    document: Option<Vec<u8>>,
    server: Option<AuthorizationServer>,
}

impl Seeing {
    fn ask(&mut self, question: &Question, outcome: &str) {
        // Where to is said already.
        let repeated = format!("cannot reach `{}`: ", question.url);
        self.asked.push(Exchange {
            request: format!("{} `{}`", question.method, question.url),
            answer: outcome
                .strip_prefix(&repeated)
                .unwrap_or(outcome)
                .to_owned(),
        });
    }

    /// Adds what was asked, and what was odd about it.
    fn give(&mut self, step: Step) -> Step {
        let remarks = std::mem::take(&mut self.remarks).into_iter();
        let step = remarks.fold(step, |step, remark| step.found("remark", remark));
        step.asked(std::mem::take(&mut self.asked))
    }
}

impl Walk<'_, '_> {
    /// Takes the steps of a sign-in that have no effect.
    pub(super) async fn survey(
        &mut self,
        login: &Login,
        challenge: &Challenge,
    ) -> Result<(), Error> {
        let mut survey = login.survey(challenge.clone());
        let mut seeing = Seeing::default();
        while let Some(seen) = survey.next().await {
            match seen {
                Seen::Asked {
                    question,
                    outcome,
                    document,
                } => {
                    if question.purpose == Purpose::ServerMetadata {
                        seeing.document = document;
                    }
                    seeing.ask(&question, &outcome);
                }
                Seen::Noted(Note::ResourceFound(found)) => {
                    let step = seeing.give(resource(&found));
                    self.page.add(step)?;
                }
                Seen::Noted(Note::ServerFound(server)) => {
                    let step = seeing.give(authorization_server(&server));
                    self.page.add(step)?;
                    self.page.add(pkce(seeing.document.as_deref()))?;
                    seeing.server = Some(*server);
                }
                Seen::Noted(note) => seeing.remarks.push(note.to_string()),
                Seen::Would(action) => {
                    let step = self.client(&action, seeing.server.as_ref());
                    let step = seeing.give(step);
                    self.skip(&SURVEYED[..3], "it is given by the configuration")?;
                    self.page.add(step)?;
                }
                Seen::Failed(error) => {
                    let step = failed(error, &self.config.server.host(), &self.page.report);
                    let step = seeing.give(step);
                    self.fail_at(step)?;
                }
            }
        }
        self.skip(&SURVEYED, "it depends on a step that failed")
    }

    /// Adds a failure, with what comes before it.
    fn fail_at(&mut self, step: Step) -> Result<(), Error> {
        if step.name == Name::Pkce && !self.page.report.has(Name::AuthorizationServer) {
            let found = Step::ok(
                Name::AuthorizationServer,
                "its metadata name the issuer that was asked for",
            );
            let found = found.rule(Some("RFC 8414 §3.3")).asked(step.asked.clone());
            self.page.add(found)?;
        }
        self.page.add(step)
    }

    /// Who would ask, and how.
    fn client(&mut self, action: &Action, server: Option<&AuthorizationServer>) -> Step {
        let mut returns_to = None;
        let (client_id, scopes) = match action {
            Action::Register { url, .. } => {
                let url = printable(&display_url(url), SHOWN);
                let summary = format!("a client would be registered at `{url}`");
                return Step::ok(Name::Client, summary).rule(Some("RFC 7591 §3.1"));
            }
            Action::Probe(attempt) | Action::OpenBrowser { attempt, .. } => {
                // A client of the user's own is registered with it by hand.
                if !self.is_registered(&attempt.client_id, server) {
                    returns_to = Some(format!("`{}`", attempt.redirect_uri));
                }
                (&attempt.client_id, Some(&attempt.scopes))
            }
            Action::RequestCode { request, .. } => {
                (&request.client.client_id, Some(&request.scopes))
            }
            Action::RequestToken { request, .. } => {
                self.needs_nobody = true;
                let step = self.named_client(&request.client.client_id, server);
                return step.found("grant", format!("`{}`", request.grant.grant_type()));
            }
            Action::ReadAssertion { .. } => {
                self.needs_nobody = true;
                return match self.config.auth {
                    AuthMode::Enterprise => {
                        Step::ok(Name::Client, "your ID token is exchanged for tokens")
                            .rule(Some("RFC 8693 §2.1"))
                    }
                    _ => Step::ok(
                        Name::Client,
                        "the workload's own token is handed in for tokens",
                    )
                    .rule(Some("RFC 7523 §2.1")),
                };
            }
            _ => return Step::ok(Name::Client, "a client is at hand"),
        };
        let scopes = scopes.map(|scopes| match scopes.is_empty() {
            true => "none".to_owned(),
            false => format!("`{}`", scopes.join(" ")),
        });
        self.named_client(client_id, server)
            .found_some("would ask for", scopes)
            .found_some("browser returns to", returns_to)
    }

    /// Whether it is a client that was registered here before.
    fn is_registered(&self, client_id: &str, server: Option<&AuthorizationServer>) -> bool {
        let known = server.and_then(|server| self.cached.clients.get(&server.issuer));
        known.is_some_and(|known| known.client.registered && known.client.client_id == client_id)
    }

    fn named_client(&self, client_id: &str, server: Option<&AuthorizationServer>) -> Step {
        let how = match self.is_registered(client_id, server) {
            true => "a client is registered already",
            false => "a client is configured",
        };
        Step::ok(Name::Client, how)
            .found("client_id", format!("`{}`", printable(client_id, SHOWN)))
            .rule(Some(
                "MCP 2025-11-25, Authorization, Client Registration Approaches",
            ))
    }
}

fn resource(found: &ResourceMetadata) -> Step {
    let quoted = |text: &str| format!("`{}`", printable(text, SHOWN));
    let step = match (&found.resource, &found.authorization_servers) {
        (Some(_), AuthorizationServers::Listed(_)) => Step::ok(
            Name::ResourceMetadata,
            "the metadata are about this server, and name who issues tokens",
        )
        .rule(Some("RFC 9728 §3.3")),
        (Some(_), _) => Step::warn(
            Name::ResourceMetadata,
            "the metadata are about this server, but name nobody who issues tokens",
        )
        .rule(Some(
            "MCP 2025-11-25, Authorization, Authorization Server Location",
        )),
        (None, AuthorizationServers::Embedded { .. }) => Step::warn(
            Name::ResourceMetadata,
            "the authorization server's metadata stand where those of the resource belong",
        )
        .rule(Some("RFC 9728 §2")),
        (None, _) => Step::warn(
            Name::ResourceMetadata,
            "there are none, so the server's own origin is taken for the authorization server",
        )
        .rule(Some(
            "MCP 2025-03-26, Authorization, Server Metadata Discovery",
        )),
    };
    let scopes = found.scopes_supported.as_ref();
    step.found_some(
        "resource",
        found.resource.as_ref().map(|r| quoted(r.as_str())),
    )
    .found("tokens from", found.authorization_servers.to_string())
    .found_some(
        "scopes_supported",
        scopes.map(|scopes| quoted(&scopes.join(" "))),
    )
}

fn authorization_server(server: &AuthorizationServer) -> Step {
    let quoted = |text: &str| format!("`{}`", printable(text, SHOWN));
    let address = |url: &url::Url| quoted(&display_url(url));
    Step::ok(
        Name::AuthorizationServer,
        "its metadata name the issuer that was asked for",
    )
    .rule(Some("RFC 8414 §3.3"))
    .found("issuer", quoted(server.issuer.as_str()))
    .found_some(
        "authorization",
        server.authorization_endpoint.as_ref().map(address),
    )
    .found("token", address(&server.token_endpoint))
    .found_some(
        "registration",
        server.registration_endpoint.as_ref().map(address),
    )
    .found_some(
        "device",
        server.device_authorization_endpoint.as_ref().map(address),
    )
    .found(
        "iss in answers",
        match server.iss_supported {
            true => "always (RFC 9207 §3)",
            false => "not promised",
        },
    )
}

/// What the document says about PKCE; whether that is enough was decided before.
fn pkce(document: Option<&[u8]>) -> Step {
    let object = document.and_then(|text| Object::parse(text, &[]).ok());
    let methods = object.and_then(|object| object.texts("code_challenge_methods_supported"));
    let step = match &methods {
        Some(_) => Step::ok(Name::Pkce, "the authorization server checks PKCE with S256"),
        None => Step::warn(
            Name::Pkce,
            "the authorization server does not say whether it checks PKCE; it is used all the same",
        ),
    };
    let methods = methods.map(|methods| format!("`{}`", printable(&methods.join(" "), SHOWN)));
    step.found_some("methods", methods).rule(Some(
        "MCP 2025-11-25, Authorization, Authorization Code Protection",
    ))
}

/// The step that an error belongs to. What the network says of its own fault is more exact than what
/// the flow can know, so the hint is that of a sign-in.
fn failed(error: FlowError, server: &str, report: &super::super::report::Report) -> Step {
    let name = match &error {
        FlowError::Discovery(DiscoveryError::NoS256 { .. }) => Name::Pkce,
        FlowError::Discovery(_) if !report.has(Name::ResourceMetadata) => Name::ResourceMetadata,
        FlowError::Discovery(_) => Name::AuthorizationServer,
        _ => Name::Client,
    };
    let (what, rule) = (error.what(), error.rule());
    let is_unreachable = matches!(
        error,
        FlowError::Discovery(DiscoveryError::Unreachable { .. })
    );
    let told = LoginError::Flow {
        server: server.to_owned(),
        error: Arc::new(error),
    };
    // The same fault ends `login` with the same code.
    let kind = match is_unreachable || told.is_unreachable() {
        true => Kind::Unreachable,
        false => Kind::Failed,
    };
    let step = Step::fail(name, kind, what).rule(rule);
    step.hint(told.hint())
}
