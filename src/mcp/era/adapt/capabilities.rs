//! What the two sides say they can do, in the terms of the other era.
//!
//! | what                        | of the | for                     | becomes |
//! |-----------------------------|--------|-------------------------|---------|
//! | `tasks`                     | both   | the other era           | nothing |
//! | the extension for tasks     | both   | the other era           | nothing |
//! | `roots.listChanged`         | client | the other era           | nothing |
//! | `completions`               | server | a client of 2024-11-05  | nothing |

use super::super::object::Object;
use super::{is_before, with_member};
use crate::mcp::revision::Revision;

/// The extension that has another form in each era.
const TASKS: &str = "io.modelcontextprotocol/tasks";

/// The `capabilities` of an AI client, in the terms of the other era: JSON text.
pub fn of_client(capabilities: &str) -> String {
    let told = without_tasks(capabilities);
    // One side has nobody to say it, the other nobody to hear it.
    without_part(&told, "roots", "listChanged").unwrap_or(told)
}

/// The `capabilities` of a server, in the terms of the other era: JSON text. `revision` is that of the
/// session that an AI client is told of them in, if it is told in one.
pub fn of_server(capabilities: &str, revision: Option<&Revision>) -> String {
    let told = without_tasks(capabilities);
    match Object::read(&told) {
        Some(mut object) if is_before(revision, "2025-03-26") => {
            object.remove(&["completions"]);
            object.write()
        }
        _ => told,
    }
}

fn without_tasks(capabilities: &str) -> String {
    let mut object = Object::read(capabilities).unwrap_or_default();
    object.remove(&["tasks"]);
    let told = object.write();
    without_part(&told, "extensions", TASKS).unwrap_or(told)
}

/// Without a member of a member; `None` if there is nothing to be taken out.
fn without_part(object: &str, name: &str, part: &str) -> Option<String> {
    let outer = Object::read(object)?;
    let mut inner = Object::read(outer.get(name)?)?;
    inner.get(part)?;
    inner.remove(&[part]);
    with_member(object, name, &inner.write())
}
