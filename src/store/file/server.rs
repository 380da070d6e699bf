//! `<name>.server.json`: what the server said of itself when it was last reached. Not secret, and a
//! hint only: what cannot be used is as good as absent.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::super::error::StoreError;
use super::{Content, FileStore, Stamp};
use crate::ids::{ServerKey, ServerUrl};
use crate::mcp::era;
use crate::mcp::record::ServerRecord;
use crate::mcp::transport::{Transport, Verdict};

#[derive(Serialize, Deserialize)]
struct Wire {
    version: u64,
    /// The address; another server may have come under the same name.
    server: String,
    protocol_version: String,
    capabilities: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_info: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    transport: Option<WireVerdict>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    era: Option<WireEra>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tool_heads: Option<Map<String, Value>>,
    /// What later versions add.
    #[serde(flatten)]
    unknown: HashMap<String, Value>,
}

/// The transport over HTTP that the server speaks.
#[derive(Serialize, Deserialize)]
struct WireVerdict {
    name: String,
    /// When that was found out, in seconds since the epoch.
    found_at: u64,
}

/// The era that the server is of.
#[derive(Serialize, Deserialize)]
struct WireEra {
    /// The revision without sessions; none if it knows none.
    #[serde(skip_serializing_if = "Option::is_none")]
    stateless: Option<String>,
    /// Whether it opens with `initialize`.
    has_sessions: bool,
    /// When that was found out, in seconds since the epoch.
    found_at: u64,
}

const VERSION: u64 = 1;

impl WireVerdict {
    /// A transport of a later version is none that we could use.
    fn verdict(&self) -> Option<Verdict> {
        Some(Verdict {
            transport: Transport::find(&self.name)?,
            found_at: self.found_at,
        })
    }
}

impl From<Verdict> for WireVerdict {
    fn from(verdict: Verdict) -> Self {
        Self {
            name: verdict.transport.name().to_owned(),
            found_at: verdict.found_at,
        }
    }
}

impl FileStore {
    /// What is known about the server behind `key`, if it is still this one.
    pub fn read_server(&self, key: &ServerKey, server: &ServerUrl) -> Option<ServerRecord> {
        let wire = self.server_wire(key)?;
        (wire.version == VERSION && wire.server == server.as_str()).then_some(ServerRecord {
            protocol_version: wire.protocol_version,
            capabilities: wire.capabilities,
            server_info: wire.server_info,
            instructions: wire.instructions,
            verdict: wire.transport.as_ref().and_then(WireVerdict::verdict),
            era: wire.era.map(|era| era::Verdict {
                stateless: era.stateless,
                has_sessions: era.has_sessions,
                found_at: era.found_at,
            }),
            tool_heads: wire.tool_heads,
        })
    }

    /// The state of what is known about the server behind `key`, asked for before it is read; `None` if
    /// there is nothing, or it cannot be told.
    pub fn server_stamp(&self, key: &ServerKey) -> Option<Stamp> {
        self.stamp_of(&self.path(key, "server.json"))
    }

    /// Keeps what is known about the server behind `key`. Writes only what has changed, and leaves
    /// the file of a later version alone.
    pub fn write_server(
        &self,
        key: &ServerKey,
        server: &ServerUrl,
        record: ServerRecord,
    ) -> Result<(), StoreError> {
        if self.read_server(key, server).as_ref() == Some(&record) {
            return Ok(());
        }
        let older = self.server_wire(key);
        if older.as_ref().is_some_and(|older| older.version > VERSION) {
            return Ok(());
        }
        let wire = Wire {
            version: VERSION,
            server: server.as_str().to_owned(),
            protocol_version: record.protocol_version,
            capabilities: record.capabilities,
            server_info: record.server_info,
            instructions: record.instructions,
            transport: record.verdict.map(WireVerdict::from),
            era: record.era.map(|era| WireEra {
                stateless: era.stateless,
                has_sessions: era.has_sessions,
                found_at: era.found_at,
            }),
            tool_heads: record.tool_heads,
            unknown: older.map(|older| older.unknown).unwrap_or_default(),
        };
        let path = self.path(key, "server.json");
        // Serialising strings and JSON values cannot fail.
        let mut bytes = serde_json::to_vec_pretty(&wire).unwrap_or_default();
        bytes.push(b'\n');
        self.sweep(&path, false);
        self.replace_hint(&path, &bytes)
    }

    /// Forgets the server behind `key`.
    pub(super) fn remove_server(&self, key: &ServerKey) -> Result<(), StoreError> {
        let path = self.path(key, "server.json");
        self.sweep(&path, false);
        self.delete(&path)
    }

    fn server_wire(&self, key: &ServerKey) -> Option<Wire> {
        match self.content(&self.path(key, "server.json")) {
            Ok(Content::Bytes(bytes)) => serde_json::from_slice(&bytes).ok(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use serde_json::json;
    use tempfile::TempDir;

    use super::*;

    struct Scene {
        _folder: TempDir,
        store: FileStore,
        key: ServerKey,
        server: ServerUrl,
    }

    impl Scene {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            Self {
                store: FileStore::open(folder.path().join("cache")).unwrap(),
                _folder: folder,
                key: ServerKey::from_name("work").unwrap(),
                server: ServerUrl::parse("https://mcp.example.com/mcp", false).unwrap(),
            }
        }

        fn path(&self) -> PathBuf {
            self.store.path(&self.key, "server.json")
        }

        fn write(&self, record: &ServerRecord) {
            let written = self
                .store
                .write_server(&self.key, &self.server, record.clone());
            written.unwrap();
        }

        fn read(&self) -> Option<ServerRecord> {
            self.store.read_server(&self.key, &self.server)
        }
    }

    fn record(name: &str) -> ServerRecord {
        let object = |value: Value| value.as_object().cloned();
        ServerRecord {
            protocol_version: "2025-11-25".to_owned(),
            capabilities: object(json!({ "tools": {}, "x/y": { "a": [1] } })).unwrap(),
            server_info: object(json!({ "name": name })),
            instructions: Some("two\nlines".to_owned()),
            verdict: Some(Verdict {
                transport: Transport::Sse,
                found_at: 1_700_000_000,
            }),
            era: Some(era::Verdict {
                stateless: Some("2026-07-28".to_owned()),
                has_sessions: true,
                found_at: 1_700_000_000,
            }),
            tool_heads: object(json!({ "t": [["Region", "string", "where"]] })),
        }
    }

    #[test]
    fn what_is_written_is_read_back_and_replaced() {
        let scene = Scene::new();
        assert_eq!(scene.read(), None);
        scene.write(&record("one"));
        assert_eq!(scene.read(), Some(record("one")));
        scene.write(&record("two"));
        assert_eq!(scene.read(), Some(record("two")));
        scene.store.remove_server(&scene.key).unwrap();
        assert_eq!(scene.read(), None);
    }

    #[test]
    fn another_server_under_the_same_name_is_not_taken_for_this_one() {
        let scene = Scene::new();
        scene.write(&record("one"));
        let other = ServerUrl::parse("https://mcp.example.org/mcp", false).unwrap();
        assert_eq!(scene.store.read_server(&scene.key, &other), None);
    }

    #[test]
    fn nothing_is_written_that_is_there_already() {
        let scene = Scene::new();
        scene.write(&record("one"));
        // Spelled otherwise, it says the same, and stays.
        let compact: Value = serde_json::from_slice(&fs::read(scene.path()).unwrap()).unwrap();
        fs::write(scene.path(), compact.to_string()).unwrap();
        scene.write(&record("one"));
        assert_eq!(
            fs::read_to_string(scene.path()).unwrap(),
            compact.to_string()
        );
    }

    #[test]
    fn members_of_later_versions_are_kept_and_later_formats_left_alone() {
        let scene = Scene::new();
        scene.write(&record("one"));
        let edit = |change: &dyn Fn(&mut Value)| {
            let mut value: Value =
                serde_json::from_slice(&fs::read(scene.path()).unwrap()).unwrap();
            change(&mut value);
            fs::write(scene.path(), value.to_string()).unwrap();
        };
        edit(&|value| value["later"] = json!("modern"));
        scene.write(&record("two"));
        assert!(fs::read_to_string(scene.path()).unwrap().contains("modern"));
        edit(&|value| value["version"] = json!(2));
        assert_eq!(scene.read(), None);
        let before = fs::read_to_string(scene.path()).unwrap();
        scene.write(&record("three"));
        assert_eq!(fs::read_to_string(scene.path()).unwrap(), before);
    }

    #[test]
    fn garbage_is_as_good_as_nothing_and_replaced() {
        let scene = Scene::new();
        for garbage in ["", "{", "[]", "{\"version\":1}", "\u{0}"] {
            fs::write(scene.path(), garbage).unwrap();
            assert_eq!(scene.read(), None, "{garbage:?}");
        }
        scene.write(&record("one"));
        assert_eq!(scene.read(), Some(record("one")));
    }
}
