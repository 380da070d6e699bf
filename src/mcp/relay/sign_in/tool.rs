//! The tool `sign_in`, which a client has while a sign-in is needed: it says what the user has to
//! do, begins again what failed, and takes the address that the user copied from the browser.

use super::super::{Effect, Phase, Relay, Waiting};
use super::result;
use crate::mcp::failure::Failure;
use crate::mcp::jsonrpc::{self, Id, Message};
use crate::mcp::pending::Owner;
use crate::secret::Secret;

/// How long a call waits until it is known what the user has to do, in milliseconds.
pub(in crate::mcp::relay) const ADDRESS_LIMIT: u64 = 20_000;

const NAME: &str = "sign_in";

/// What a call comes to: text for the user, of success or failure.
type Outcome = Result<String, String>;

/// The tool's entry in the list of tools (MCP 2025-11-25, Tools).
pub(super) fn definition(server: &str) -> String {
    let title = jsonrpc::quote(&format!("Sign in to {server}"));
    let description = jsonrpc::quote(&format!(
        "The tools of {server} are available once the user has signed in. Call this tool without \
         arguments to get the address that the user has to open in a browser, and show it to them. \
         If the browser ends on a page that it cannot open, ask the user for the address of that \
         page and call this tool again with it."
    ));
    let callback = jsonrpc::quote(
        "The whole address of the page that the browser ended on after the sign-in, as the user \
         copied it; it contains `code` and `state`.",
    );
    format!(
        "{{\"name\":\"{NAME}\",\"title\":{title},\"description\":{description},\
         \"inputSchema\":{{\"type\":\"object\",\"properties\":{{\"callback_url\":{{\"type\":\"string\",\
         \"description\":{callback}}}}},\"additionalProperties\":false}},\
         \"annotations\":{{\"title\":{title},\"readOnlyHint\":false,\"destructiveHint\":false,\
         \"idempotentHint\":true,\"openWorldHint\":true}}}}"
    )
}

impl Relay {
    /// Whether the client can call our tool. Once it has the server's own list of tools, a tool of
    /// this name would be the server's.
    pub(super) fn has_tool(&self) -> bool {
        self.sign_in.promised || self.sign_in.offered || self.sign_in.unlisted
    }

    /// Whether this is a call of our tool.
    pub(in crate::mcp::relay) fn is_sign_in_call(&self, message: &Message) -> bool {
        self.has_tool()
            && message.method() == "tools/call"
            && message
                .body_member("name")
                .and_then(jsonrpc::string)
                .as_deref()
                == Some(NAME)
    }

    pub(in crate::mcp::relay) fn call_sign_in(
        &mut self,
        message: Message,
        id: Id,
        batch: Option<u64>,
        now: u64,
    ) {
        let arguments = message.body_member("arguments");
        let pasted = arguments
            .and_then(|arguments| jsonrpc::member(arguments, "callback_url"))
            .and_then(jsonrpc::string)
            .filter(|text| !text.trim().is_empty())
            .map(Secret::new);
        let call = self.note_request(message, id, batch);
        if let Some(text) = pasted {
            return self.effects.push(Effect::Bring { call, text });
        }
        if let Some(text) = self.invitation_text() {
            return self.answer_call(call, &Ok(text));
        }
        self.sign_in
            .calls
            .insert(call, now.saturating_add(ADDRESS_LIMIT));
        match self.phase {
            Phase::Unopened => self.open_again(true, now),
            Phase::Lost => self.reopen(now),
            _ if self.sign_in.standing.needs_person() => {}
            Phase::AwaitingHost | Phase::Announcing { .. } => self.sign_in_served(),
            Phase::Open => self.probe_sign_in(now),
            _ => {}
        }
    }

    /// What came of the address that a call brought; an error says why, and what to do.
    pub(in crate::mcp::relay) fn brought(&mut self, call: u64, outcome: Result<(), String>) {
        let outcome = outcome.map(|()| self.signed_in_text());
        self.answer_call(call, &outcome);
    }

    /// Asks the server for a sign of life: it refuses it if a sign-in is needed, which begins one.
    fn probe_sign_in(&mut self, now: u64) {
        let under_way = |number| self.pending.asked(number).is_some();
        if self.sign_in.probe.is_some_and(under_way) {
            return;
        }
        let ping = r#"{"jsonrpc":"2.0","id":0,"method":"ping"}"#;
        let Ok(message) = jsonrpc::parse(ping.into()) else {
            return;
        };
        let number = self.number();
        self.pending.ask(number, Owner::Restore, message);
        self.sign_in.probe = Some(number);
        self.waiting.push_back(Waiting::Request(number));
        self.pump(now);
    }

    /// The server answered this request.
    pub(in crate::mcp::relay) fn sign_in_answered(&mut self, number: u64, method: &str) {
        if method == "tools/list" {
            self.sign_in.offered = false;
            self.sign_in.unlisted = false;
        }
        if self.sign_in.probe == Some(number) {
            self.sign_in.probe = None;
            self.sign_in_served();
        }
    }

    /// This request failed.
    pub(in crate::mcp::relay) fn probe_failed(&mut self, number: u64, failure: &Failure) {
        if self.sign_in.probe == Some(number) {
            self.sign_in.probe = None;
            self.answer_calls(&Err(failure.detail.clone()));
        }
    }

    /// There is a session, so nobody has to do anything more.
    pub(in crate::mcp::relay) fn sign_in_served(&mut self) {
        let text = self.signed_in_text();
        self.answer_calls(&Ok(text));
    }

    pub(super) fn answer_calls_with_address(&mut self) {
        if let Some(text) = self.invitation_text() {
            self.answer_calls(&Ok(text));
        }
    }

    /// Answers the calls that wait for an address.
    pub(in crate::mcp::relay) fn answer_calls(&mut self, outcome: &Outcome) {
        for call in std::mem::take(&mut self.sign_in.calls).into_keys() {
            self.answer_call(call, outcome);
        }
    }

    pub(super) fn give_up_calls(&mut self, now: u64) {
        for (call, until) in std::mem::take(&mut self.sign_in.calls) {
            match until > now {
                true => {
                    self.sign_in.calls.insert(call, until);
                }
                false => {
                    let server = &self.server_name;
                    let text = format!(
                        "The sign-in to {server} is still being prepared. Call this tool again in a moment."
                    );
                    self.answer_call(call, &Err(text));
                }
            }
        }
    }

    fn answer_call(&mut self, call: u64, outcome: &Outcome) {
        // The client may have cancelled it.
        let Some(asked) = self.pending.settle(call) else {
            return;
        };
        let (text, is_error) = match outcome {
            Ok(text) => (text, false),
            Err(text) => (text, true),
        };
        let text = jsonrpc::quote(text);
        let body = format!(
            "{{\"content\":[{{\"type\":\"text\",\"text\":{text}}}],\"isError\":{is_error}}}"
        );
        self.deliver(asked.owner, |id| result(id, &body));
    }

    fn signed_in_text(&self) -> String {
        let server = &self.server_name;
        format!("Signed in to {server}. Read the list of tools again.")
    }

    /// What the user has to do, once that is known.
    pub(super) fn invitation_text(&self) -> Option<String> {
        let invitation = self.sign_in.standing.invitation()?;
        let server = &self.server_name;
        let address = invitation.address.0.as_str();
        let mut text =
            format!("A sign-in to {server} is needed. Open this address in a browser: {address}");
        match (&invitation.user_code, &invitation.entry) {
            (Some(code), None) => text.push_str(&format!("\nThe code to enter there is: {code}")),
            (Some(code), Some(entry)) => text.push_str(&format!(
                "\nThe page has to show this code: {code}\nIt can be entered by hand, too, at: {}",
                entry.0
            )),
            (None, _) if self.has_tool() => text.push_str(
                "\nIf the browser ends on a page that it cannot open, copy the address of that page \
                 and call the tool `sign_in` with it as `callback_url`.",
            ),
            (None, _) => {}
        }
        Some(text)
    }
}
