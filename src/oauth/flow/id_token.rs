//! The ID token in place of the access token, for servers that are set up so. No specification has it;
//! from here on it is treated as the access token: kept, sent, refreshed and refused.

use super::Event;
use crate::oauth::token_endpoint::TokenError;

/// The answer of the token endpoint, with the ID token in place of the access token.
pub(super) fn presented(event: Event) -> Event {
    match event {
        Event::TokenAnswer(Ok(tokens)) => {
            let presented = tokens.with_id_token();
            Event::TokenAnswer(presented.map_err(|why| TokenError::Unusable(why.to_string())))
        }
        other => other,
    }
}
