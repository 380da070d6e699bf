//! The desktop session of this machine's user, for a program that was started without its
//! variables: AI clients built on the official SDKs pass on little more than `HOME` and `PATH`.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Variables that a browser needs to show itself; empty if no session is found.
pub fn session() -> Vec<(&'static str, OsString)> {
    // The kernel gives our process's folder our own user id.
    let Ok(us) = fs::metadata("/proc/self") else {
        return Vec::new();
    };
    let runtime = PathBuf::from(format!("/run/user/{}", us.uid()));
    session_in(&runtime, Path::new("/tmp/.X11-unix"), us.uid())
}

fn session_in(runtime: &Path, x11: &Path, uid: u32) -> Vec<(&'static str, OsString)> {
    let wayland = first_socket(runtime, "wayland-", |owner| owner == uid);
    // A display server that runs as root serves whoever is logged in.
    let display = first_socket(x11, "X", |owner| owner == uid || owner == 0);
    if wayland.is_none() && display.is_none() {
        return Vec::new();
    }
    let mut variables = Vec::new();
    if let Some(number) = display.and_then(|name| name.strip_prefix('X').map(str::to_owned)) {
        variables.push(("DISPLAY", format!(":{number}").into()));
    }
    if let Some(name) = wayland {
        variables.push(("WAYLAND_DISPLAY", name.into()));
    }
    if runtime.is_dir() {
        variables.push(("XDG_RUNTIME_DIR", runtime.into()));
    }
    let bus = runtime.join("bus");
    if bus.exists() {
        let mut address = OsString::from("unix:path=");
        address.push(&bus);
        variables.push(("DBUS_SESSION_BUS_ADDRESS", address));
    }
    let authority = runtime.join("gdm/Xauthority");
    if authority.exists() {
        variables.push(("XAUTHORITY", authority.into()));
    }
    variables
}

/// The first socket in the folder, by name, that begins so and belongs to a right owner.
fn first_socket(folder: &Path, prefix: &str, owner: impl Fn(u32) -> bool) -> Option<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .ok()?
        .flatten()
        .filter(|entry| {
            let found = entry.metadata();
            found.is_ok_and(|found| found.file_type().is_socket() && owner(found.uid()))
        })
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with(prefix))
        .collect();
    names.sort();
    names.into_iter().next()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    fn names(found: &[(&'static str, OsString)]) -> Vec<&'static str> {
        found.iter().map(|(name, _)| *name).collect()
    }

    #[test]
    fn a_session_is_found_by_its_sockets() {
        let folder = tempfile::tempdir().unwrap();
        let (runtime, x11) = (folder.path().join("run"), folder.path().join("x"));
        fs::create_dir(&runtime).unwrap();
        fs::create_dir(&x11).unwrap();
        let uid = fs::metadata(&runtime).unwrap().uid();
        assert!(session_in(&runtime, &x11, uid).is_empty());

        // A lock file beside it is no socket.
        fs::write(runtime.join("wayland-0.lock"), "").unwrap();
        let _second = UnixListener::bind(runtime.join("wayland-2")).unwrap();
        let _wayland = UnixListener::bind(runtime.join("wayland-1")).unwrap();
        let _third = UnixListener::bind(runtime.join("wayland-3")).unwrap();
        let _display = UnixListener::bind(x11.join("X7")).unwrap();
        let _bus = UnixListener::bind(runtime.join("bus")).unwrap();
        let found = session_in(&runtime, &x11, uid);
        assert_eq!(
            names(&found),
            [
                "DISPLAY",
                "WAYLAND_DISPLAY",
                "XDG_RUNTIME_DIR",
                "DBUS_SESSION_BUS_ADDRESS"
            ]
        );
        assert_eq!(
            (&found[0].1, &found[1].1),
            (&":7".into(), &"wayland-1".into())
        );
    }

    #[test]
    fn the_session_of_somebody_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let _wayland = UnixListener::bind(folder.path().join("wayland-0")).unwrap();
        let uid = fs::metadata(folder.path()).unwrap().uid();
        let nowhere = folder.path().join("none");
        assert!(session_in(folder.path(), &nowhere, uid + 1).is_empty());
    }
}
