//! Where this program runs, as far as it decides who can see a browser that is opened here.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;

/// A place whose screen nobody looks at. The browser is on another machine, or at least sees
/// another network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The far end of an SSH connection.
    Ssh,
    /// The far side of a VS Code window.
    VsCode,
    /// A GitHub codespace.
    Codespace {
        /// Its name.
        name: Option<String>,
    },
    /// A container in Kubernetes.
    Pod {
        /// The namespace.
        namespace: Option<String>,
        /// The pod.
        name: Option<String>,
    },
    /// Another container.
    Container,
    /// The Windows Subsystem for Linux, from which Windows programs cannot be started.
    Wsl,
    /// A machine, or a process, that was given no display.
    NoDisplay,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ssh => "this is an SSH session",
            Self::VsCode => "VS Code runs this on another machine",
            Self::Codespace { .. } => "this is a codespace",
            Self::Pod { .. } => "this is a container in Kubernetes",
            Self::Container => "this is a container",
            Self::Wsl => "Windows programs cannot be started from this Linux",
            Self::NoDisplay => "there is no display",
        })
    }
}

/// Environment variables.
pub(super) type Variables = Vec<(&'static str, OsString)>;

/// What decides how a browser is opened.
#[derive(Debug, Clone)]
pub(super) struct Surroundings {
    /// `BROWSER`, if it is set to something that can work.
    pub browser: Option<String>,
    /// Whether somebody sees a browser that the system opens.
    pub seen: bool,
    /// Variables of a desktop session that we were started without.
    pub session: Variables,
    /// What kind of place it is if nobody does.
    pub place: Place,
}

/// The senses that the surroundings are perceived with.
struct Senses<'a> {
    variable: &'a dyn Fn(&str) -> Option<String>,
    exists: &'a dyn Fn(&str) -> bool,
    /// The text of a file, if it can be read.
    read: &'a dyn Fn(&str) -> Option<String>,
    /// Whether a process above us has one of these variables: AI clients hand on few.
    above: &'a dyn Fn(&[&str]) -> bool,
    session: &'a dyn Fn() -> Variables,
    /// The system keeps its displays in variables: Linux and the BSDs.
    needs_display: bool,
}

const SSH: [&str; 3] = ["SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY"];

/// What is mounted into every container of Kubernetes that does not opt out.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

impl Surroundings {
    /// Looks around.
    pub fn look() -> Self {
        Senses {
            variable: &|name| Some(env::var_os(name)?.to_string_lossy().into_owned()),
            exists: &|path| Path::new(path).exists(),
            read: &|path| Some(String::from_utf8_lossy(&std::fs::read(path).ok()?).into_owned()),
            above: &|names| ancestors_have(std::process::id(), names),
            session: &desktop_session,
            needs_display: cfg!(all(unix, not(target_os = "macos"))),
        }
        .surroundings()
    }
}

impl Senses<'_> {
    fn surroundings(&self) -> Surroundings {
        let container = self.is_container();
        // A container on Windows has the same kernel.
        let wsl = !container && self.kernel_is_microsofts();
        let mut display = self.any(&["DISPLAY", "WAYLAND_DISPLAY"]);
        let ssh = self.any(&SSH) || self.needs_display && !display && (self.above)(&SSH);
        // Windows shows the browser; but whoever came over the network does not see its screen.
        display |= wsl && !ssh && self.starts_windows_programs();
        let session = match self.needs_display && !display && !ssh {
            true => (self.session)(),
            false => Variables::new(),
        };
        // With a display, an SSH session forwards it and a container was lent it. macOS and Windows
        // would open the browser on the far machine's own screen.
        let seen = match self.needs_display {
            true => display || !session.is_empty(),
            false => !ssh,
        };
        Surroundings {
            browser: self
                .set("BROWSER")
                .filter(|value| !value.trim().is_empty() && !self.is_dead_helper(value)),
            seen,
            session,
            place: self.place(ssh, wsl, container),
        }
    }

    /// The kind of place, by what helps the user most.
    fn place(&self, ssh: bool, wsl: bool, container: bool) -> Place {
        // code-server has no port forwarding that a redirect could use.
        let code_server = self.any(&["VSCODE_PROXY_URI", "CODE_SERVER_SESSION_SOCKET"]);
        let vs_code = self.any(&["VSCODE_IPC_HOOK_CLI", "REMOTE_CONTAINERS"]);
        if self.any(&["CODESPACES"]) {
            let name = self.set("CODESPACE_NAME").filter(|name| is_plain(name));
            Place::Codespace { name }
        } else if wsl && !ssh {
            Place::Wsl
        } else if vs_code && !code_server {
            Place::VsCode
        } else if ssh {
            Place::Ssh
        } else if self.any(&["KUBERNETES_SERVICE_HOST"]) || (self.exists)(SERVICE_ACCOUNT) {
            let plain = |text: String| Some(text.trim().to_owned()).filter(|name| is_plain(name));
            Place::Pod {
                namespace: (self.read)(&format!("{SERVICE_ACCOUNT}/namespace")).and_then(plain),
                name: (self.read)("/etc/hostname").and_then(plain),
            }
        } else if container {
            Place::Container
        } else {
            Place::NoDisplay
        }
    }

    fn set(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    fn any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.set(name).is_some())
    }

    /// Docker and Podman leave a file, systemd and LXC the name of the manager.
    fn is_container(&self) -> bool {
        // WSL calls itself a container, too.
        let names_manager = |manager: &str| !matches!(manager.trim(), "" | "wsl");
        let of_the_first = || {
            let variables = (self.read)("/proc/1/environ")?;
            let mut variables = variables.split('\0');
            variables.find_map(|variable| variable.strip_prefix("container=").map(str::to_owned))
        };
        ["/.dockerenv", "/run/.containerenv"]
            .iter()
            .any(|mark| (self.exists)(mark))
            || [
                self.set("container"),
                (self.read)("/run/systemd/container"),
                (self.read)("/run/host/container-manager"),
                of_the_first(),
            ]
            .iter()
            .flatten()
            .any(|manager| names_manager(manager))
            || self.any(&["KUBERNETES_SERVICE_HOST"])
    }

    fn kernel_is_microsofts(&self) -> bool {
        let release = (self.read)("/proc/sys/kernel/osrelease");
        release.is_some_and(|release| release.to_ascii_lowercase().contains("microsoft"))
    }

    /// Whether WSL has told the kernel what to do with Windows programs; `[interop]` in
    /// `/etc/wsl.conf` decides.
    fn starts_windows_programs(&self) -> bool {
        ["WSLInterop", "WSLInterop-late"].iter().any(|name| {
            (self.read)(&format!("/proc/sys/fs/binfmt_misc/{name}"))
                .is_some_and(|state| state.trim_start().starts_with("enabled"))
        })
    }

    /// VS Code's helper ends well and does nothing if it cannot reach its window.
    fn is_dead_helper(&self, browser: &str) -> bool {
        let helper = browser.trim_end().ends_with("/bin/helpers/browser.sh");
        let window = self.set("VSCODE_IPC_HOOK_CLI");
        helper && !window.is_some_and(|socket| (self.exists)(&socket))
    }
}

/// Whether a name can stand in a command as it is.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    !name.is_empty() && name.len() < 254 && !name.starts_with('-') && name.chars().all(plain)
}

/// macOS and Windows need no variables to find the screen.
#[cfg(any(not(unix), target_os = "macos"))]
fn desktop_session() -> Variables {
    Variables::new()
}

#[cfg(all(unix, not(target_os = "macos")))]
fn desktop_session() -> Variables {
    super::desktop::session()
}

#[cfg(not(target_os = "linux"))]
fn ancestors_have(_: u32, _: &[&str]) -> bool {
    false
}

/// Whether the process that started this one, or one that started that, had one of these variables
/// at its start. Those of other users are not shown to us and count as without.
#[cfg(target_os = "linux")]
fn ancestors_have(mut process: u32, names: &[&str]) -> bool {
    /// Longer chains are not looked at to the end.
    const GENERATIONS: usize = 32;
    for _ in 0..GENERATIONS {
        let Some(parent) = parent_of(process).filter(|parent| *parent > 1) else {
            return false;
        };
        let variables = std::fs::read(format!("/proc/{parent}/environ")).unwrap_or_default();
        let has = |variable: &[u8]| {
            names.iter().any(|name| {
                let value = variable.strip_prefix(name.as_bytes());
                value.is_some_and(|value| value.len() > 1 && value[0] == b'=')
            })
        };
        if variables.split(|byte| *byte == 0).any(has) {
            return true;
        }
        process = parent;
    }
    false
}

#[cfg(target_os = "linux")]
fn parent_of(process: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of the program, in brackets, may contain anything.
    let (_, after) = stat.rsplit_once(')')?;
    after.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests;
