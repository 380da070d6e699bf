//! Who brings the answer to a sign-in: a browser that came back to this machine, or a person who
//! copied the address it ended on.

use std::error::Error;
use std::fmt;

use http::HeaderMap;
use tokio::sync::oneshot;
use url::Url;

use crate::net::callback::{Page, Responder};
use crate::net::connections::Connections;
use crate::net::http as net_http;
use crate::oauth::authorize::{Attempt, Callback};
use crate::oauth::invitation::PasteError;
use crate::secret::Secret;

/// Waits for what came of the answer that they brought.
pub enum Visitor {
    /// A browser.
    Browser(Responder),
    /// A person, who gets as words what a browser would show.
    Person(oneshot::Sender<Page>),
}

impl Visitor {
    /// Shows `page`, and returns when it was seen.
    pub async fn finish(self, page: Page) {
        match self {
            Self::Browser(responder) => responder.finish(page).await,
            Self::Person(verdict) => {
                // Whoever pasted may have gone.
                let _ = verdict.send(page);
            }
        }
    }
}

/// What a person pasted.
pub struct Pasted {
    /// The query of the address. Holds the authorization code.
    pub query: Secret,
    /// The way to tell them what came of it.
    pub verdict: oneshot::Sender<Page>,
}

/// Brings a pasted answer to the process that waits for it, the way a browser would. What is no
/// answer to its `attempt` is kept from it.
pub async fn hand_on(http: Connections, attempt: Attempt, pasted: Pasted) {
    let stray = matches!(attempt.judge(pasted.query.expose()), Callback::Stray(_));
    let page = match Url::parse(&attempt.redirect_uri) {
        Ok(url) if !stray => handed_on(&http, url, &pasted.query).await,
        _ => Page::NotExpected,
    };
    // Whoever pasted may have gone.
    let _ = pasted.verdict.send(page);
}

async fn handed_on(http: &Connections, mut url: Url, query: &Secret) -> Page {
    url.set_query(Some(query.expose()));
    let server = url.host_str().unwrap_or_default().to_owned();
    let failed = |reason: &str| Page::Failed {
        server: server.clone(),
        reason: reason.to_owned(),
    };
    match net_http::fetch_own(http, url, HeaderMap::new()).await {
        Ok(answer) if answer.status == 200 => Page::Connected { server },
        Ok(_) => failed("the process that began it made nothing of this answer"),
        Err(_) => failed("the process that began it cannot be reached"),
    }
}

/// Why a pasted address did not finish the sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BringError {
    /// It is not such an address.
    Paste(PasteError),
    /// No sign-in is open that it could finish.
    NothingOpen,
    /// It belongs to another sign-in.
    NotExpected,
    /// It was the answer, and the sign-in failed. Holds why.
    Failed(String),
}

impl BringError {
    /// What the user does next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Paste(error) => error.hint(),
            Self::NothingOpen | Self::Failed(_) => "begin the sign-in again",
            Self::NotExpected => "open the address that was shown last, and copy where it ends",
        }
    }
}

impl fmt::Display for BringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paste(error) => error.fmt(f),
            Self::NothingOpen => f.write_str("no sign-in is open that this address could finish"),
            Self::NotExpected => f.write_str("this address belongs to another sign-in"),
            Self::Failed(reason) => write!(f, "the sign-in failed: {reason}"),
        }
    }
}

impl Error for BringError {}
