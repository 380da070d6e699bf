//! Asking through the AI client's own user interface, where no browser can be opened here and the
//! client can put addresses before the user (MCP 2025-11-25, Elicitation, URL Mode).

use super::super::{Phase, Relay, question_id};
use crate::mcp::jsonrpc::{self, Kind, Message};
use crate::oauth::authorize::AuthorizationUrl;
use crate::oauth::invitation::Standing;

/// An address that the AI client was asked to show.
#[derive(Debug)]
pub(super) struct Prompt {
    number: u64,
    address: AuthorizationUrl,
    user_code: Option<String>,
    answer: Option<Answer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Accepted,
    Declined,
}

impl Prompt {
    fn elicitation_id(&self) -> String {
        format!("sign-in-{}", self.number)
    }
}

impl Relay {
    /// Has the AI client show the address that is open, if nothing else has shown it yet. It is asked
    /// only after it has said that it is ready (MCP 2025-11-25, Lifecycle, Initialization).
    pub(in crate::mcp::relay) fn prompt(&mut self) {
        let Standing::Open(invitation) = &self.sign_in.standing else {
            return;
        };
        let answered = self.sign_in.promised || !matches!(self.phase, Phase::Opening { .. });
        let ready = answered && self.host.initialized.is_some();
        if invitation.browser_opened || !ready || !self.host.capabilities.shows_addresses() {
            return;
        }
        let address = invitation.address.clone();
        let user_code = invitation.user_code.clone();
        // A new code may be for the same address.
        let same = |shown: &Prompt| shown.address == address && shown.user_code == user_code;
        if self.sign_in.prompt.as_ref().is_some_and(same) {
            return;
        }
        let text = match &user_code {
            Some(code) => format!("Sign in to {}. The code is {code}.", self.server_name),
            None => format!("Sign in to {}.", self.server_name),
        };
        self.withdraw_prompt("another address takes its place");
        let prompt = Prompt {
            number: self.number(),
            address,
            user_code,
            answer: None,
        };
        let line = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"elicitation/create\",\"params\":{{\"mode\":\"url\",\
             \"message\":{},\"url\":{},\"elicitationId\":\"{}\"}}}}",
            question_id(prompt.number),
            jsonrpc::quote(&text),
            jsonrpc::quote(prompt.address.0.as_str()),
            prompt.elicitation_id(),
        );
        self.tell_host(line.into());
        self.sign_in.prompt = Some(prompt);
    }

    /// The AI client answers the request with our number. `false` if that was not the prompt.
    pub(in crate::mcp::relay) fn prompt_answered(
        &mut self,
        number: u64,
        message: &Message,
    ) -> bool {
        let Some(prompt) = &mut self.sign_in.prompt else {
            return false;
        };
        if prompt.number != number || prompt.answer.is_some() {
            return false;
        }
        let action = message.body_member("action").and_then(jsonrpc::string);
        let accepted = message.kind() == Kind::Result && action.as_deref() == Some("accept");
        prompt.answer = Some(match accepted {
            true => Answer::Accepted,
            false => Answer::Declined,
        });
        if !accepted {
            self.detail("the sign-in address was not opened in the client");
        }
        true
    }

    /// Takes back what the AI client still shows.
    pub(super) fn withdraw_prompt(&mut self, reason: &str) {
        if let Some(prompt) = self.sign_in.prompt.take()
            && prompt.answer.is_none()
        {
            self.withdraw_question(prompt.number, reason);
        }
    }

    /// The sign-in is done: the AI client need not show anything any more.
    pub(super) fn complete_prompt(&mut self) {
        let accepted = |prompt: &Prompt| prompt.answer == Some(Answer::Accepted);
        if !self.sign_in.prompt.as_ref().is_some_and(accepted) {
            return self.withdraw_prompt("the sign-in is done");
        }
        if let Some(prompt) = self.sign_in.prompt.take() {
            let line = format!(
                "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/elicitation/complete\",\"params\":{{\"elicitationId\":\"{}\"}}}}",
                prompt.elicitation_id()
            );
            self.tell_host(line.into());
        }
    }
}
