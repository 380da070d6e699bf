//! Which scopes to ask for, and when asking again is pointless (RFC 6749 §3.3; MCP 2025-11-25,
//! Authorization, Scope Selection Strategy and Step-Up Authorization Flow).
