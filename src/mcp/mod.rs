//! The MCP rules. Decides, without IO, clock or randomness.
