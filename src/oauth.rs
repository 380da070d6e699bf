//! The OAuth rules. Decides, without IO, clock or randomness.

pub mod assertion;
pub mod authorize;
pub mod challenge;
pub mod credential;
pub mod device;
pub mod discovery;
pub mod document;
pub mod dpop;
pub mod flow;
pub mod grant;
pub mod id_token;
pub mod invitation;
pub mod known;
pub mod mode;
pub mod pushed;
pub mod registration;
pub mod schedule;
pub mod scope;
pub mod sign_in;
pub mod takeover;
pub mod token;
pub mod token_endpoint;
