//! MCP revisions as data: what differs between them on the wire.

use super::jsonrpc::MissingId;

/// One revision of the protocol that opens with `initialize`.
#[derive(Debug, PartialEq, Eq)]
pub struct Revision {
    /// The version string.
    pub name: &'static str,
    /// Whether a JSON-RPC array may be sent (MCP 2025-03-26 only).
    pub batches: bool,
    /// Whether requests after `initialize` carry `MCP-Protocol-Version` (from 2025-06-18 on).
    pub version_header: bool,
    /// How an error without a readable id is written (optional id from 2025-11-25 on).
    pub missing_id: MissingId,
    /// Whether a progress notification may have a `message` (from 2025-03-26 on).
    pub progress_message: bool,
    /// Whether `includeContext` in sampling is tied to a capability of its own (from 2025-11-25).
    pub sampling_context_capability: bool,
}

/// Every revision that opens with `initialize`, newest first.
pub const INITIALIZE_REVISIONS: [Revision; 4] = [
    Revision {
        name: "2025-11-25",
        batches: false,
        version_header: true,
        missing_id: MissingId::Omitted,
        progress_message: true,
        sampling_context_capability: true,
    },
    Revision {
        name: "2025-06-18",
        batches: false,
        version_header: true,
        missing_id: MissingId::Null,
        progress_message: true,
        sampling_context_capability: false,
    },
    Revision {
        name: "2025-03-26",
        batches: true,
        version_header: false,
        missing_id: MissingId::Null,
        progress_message: true,
        sampling_context_capability: false,
    },
    Revision {
        name: "2024-11-05",
        batches: false,
        version_header: false,
        missing_id: MissingId::Null,
        progress_message: false,
        sampling_context_capability: false,
    },
];

/// One revision of the protocol without sessions: each request says of itself what it needs.
#[derive(Debug, PartialEq, Eq)]
pub struct Stateless {
    /// The version string.
    pub name: &'static str,
}

/// Every revision without sessions, newest first.
pub const STATELESS_REVISIONS: [Stateless; 1] = [Stateless { name: "2026-07-28" }];

/// The newest revision without sessions.
pub const NEWEST_STATELESS: &Stateless = &STATELESS_REVISIONS[0];

/// The newest revision that opens with `initialize`.
pub const NEWEST: &Revision = &INITIALIZE_REVISIONS[0];

/// The revision of that name, if we speak it.
pub fn find(name: &str) -> Option<&'static Revision> {
    INITIALIZE_REVISIONS
        .iter()
        .find(|revision| revision.name == name)
}

/// The newest revision that both we and a list of names have.
pub fn newest_common<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<&'static Revision> {
    // The names are dates, so text order is their order.
    names
        .into_iter()
        .filter_map(find)
        .max_by_key(|revision| revision.name)
}

/// The revision without sessions of that name, if we speak it.
pub fn find_stateless(name: &str) -> Option<&'static Stateless> {
    let mut revisions = STATELESS_REVISIONS.iter();
    revisions.find(|revision| revision.name == name)
}

/// The newest revision without sessions that both we and a list of names have.
pub fn newest_common_stateless<'a>(
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'static Stateless> {
    let found = names.into_iter().filter_map(find_stateless);
    found.max_by_key(|revision| revision.name)
}

/// The names of all revisions, newest first.
pub fn names() -> impl Iterator<Item = &'static str> {
    let stateless = STATELESS_REVISIONS.iter().map(|revision| revision.name);
    stateless.chain(INITIALIZE_REVISIONS.iter().map(|revision| revision.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_common_revision_wins() {
        let names = ["2024-11-05", "2099-01-01", "2025-06-18", "2025-03-26"];
        assert_eq!(newest_common(names).unwrap().name, "2025-06-18");
        assert!(newest_common(["2099-01-01"]).is_none());
    }

    #[test]
    fn the_table_is_ordered_newest_first() {
        assert!(
            INITIALIZE_REVISIONS
                .windows(2)
                .all(|pair| pair[0].name > pair[1].name)
        );
    }
}
