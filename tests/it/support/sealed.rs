//! Folders that nothing can be written to, by mounts of the program's own. Needs Linux, root and `unshare`.

use std::path::Path;
use std::process::{Command, Stdio};

use super::skip::skipped;

/// The same program, started where this folder and all in it can only be read.
pub fn sealed(command: &Command, folder: &Path) -> Command {
    let script = "mount --bind \"$0\" \"$0\" && mount -o remount,ro,bind \"$0\" && exec \"$@\"";
    mounted(command, folder, script)
}

/// The same program, started by a script with mounts of its own: `$0` is the folder, `$@` the
/// program.
pub fn mounted(command: &Command, folder: &Path, script: &str) -> Command {
    let mut mounted = Command::new("unshare");
    mounted
        .args(["-m", "sh", "-c", script])
        .arg(folder)
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            mounted.env(name, value);
        }
    }
    mounted
}

/// Whether folders can be sealed here. If not, what needs that is not tested, which is said.
pub fn can_seal(test: &str) -> bool {
    let folder = tempfile::tempdir().expect("folder");
    let mut touch = Command::new("touch");
    touch.arg(folder.path().join("x"));
    touch.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let status = sealed(&touch, folder.path()).stderr(Stdio::null()).status();
    let mut works = Command::new("true");
    works.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let works = sealed(&works, folder.path()).stderr(Stdio::null()).status();
    let can = works.is_ok_and(|status| status.success()) && status.is_ok_and(|s| !s.success());
    if !can {
        skipped(&format!(
            "{test}: file systems cannot be mounted read-only here (root and `unshare` are needed)"
        ));
    }
    can
}
