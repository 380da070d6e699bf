//! The token cache on disk: one folder, a few files for each name, and the locks beside them.
//!
//! | file | what | who may write it |
//! |---|---|---|
//! | `<name>.token.json` | tokens and clients | the holder of [`Lock`] |
//! | `<name>.signin.json` | the sign-in that is open in a browser | the holder of [`SignInLock`] |
//! | `<name>.server.json` | what the server said of itself, a hint | anybody |
//! | `<name>.lock`, `<name>.signin.lock` | empty, locked, never deleted | nobody |
//!
//! Reading takes no lock, because a file is only ever replaced as a whole.

mod attempt;
mod error;
mod lock;
mod platform;
mod server;
mod tokens;
mod wire;

pub use error::{StoreError, Warning};
pub use lock::{Lock, LockError, SignInLock};
pub use platform::exposure;
pub use tokens::{Cached, Store};
