//! The hosts: AI clients that start local MCP servers, where their configuration lies, and what an
//! entry looks like there. All of it is data.

mod json;
mod toml;
mod yaml;

pub mod entry;
mod table;
pub mod tree;

use std::path::{Path, PathBuf};

use entry::Shape;
pub use table::HOSTS;
use tree::Format;

/// An AI client.
#[derive(Debug)]
pub struct Host {
    /// How it is called on the command line.
    pub name: &'static str,
    /// How it calls itself.
    pub title: &'static str,
    /// Other names that people may try.
    pub aliases: &'static [&'static str],
    /// Where its configuration may lie, what it reads today first. None if it has no file.
    pub places: &'static [Place],
    /// What an entry looks like.
    pub shape: &'static Shape,
}

/// A file, or a pattern of files, in which a host looks for servers.
#[derive(Debug)]
pub struct Place {
    /// The systems that have it.
    pub on: &'static [System],
    /// The folder that the path begins in.
    pub base: Base,
    /// The path from there, with `/`. A `*` in a name stands for anything.
    pub path: &'static str,
    /// What the file is written in.
    pub format: Format,
    /// The ways to the maps or lists of servers, what it reads today first. `*` is any member.
    pub servers: &'static [&'static [&'static str]],
}

/// An operating system, as far as hosts put files into other folders on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// macOS.
    Mac,
    /// Linux and other Unix systems.
    Linux,
    /// Windows.
    Windows,
}

/// The folder that a path begins in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// The user's home.
    Home,
    /// Where the system keeps what programs with a window store for the user: `Library/Application
    /// Support`, `~/.config`, or the roaming application data.
    AppData,
    /// `~/.config` on every system, or what XDG_CONFIG_HOME names.
    DotConfig,
    /// Local application data; the same as [`Base::AppData`] elsewhere than on Windows.
    LocalAppData,
    /// What a variable names, else this folder in the user's home.
    Variable(&'static str, &'static str),
    /// The current folder.
    Project,
}

/// Where the user's files are on this machine.
#[derive(Clone)]
pub struct Folders<'a> {
    /// The operating system.
    pub system: System,
    /// The user's home, if it is known.
    pub home: Option<PathBuf>,
    /// The system's folder for configuration.
    pub config: Option<PathBuf>,
    /// The system's folder for local data.
    pub local: Option<PathBuf>,
    /// The current folder.
    pub project: Option<PathBuf>,
    /// Looks a variable up.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
}

impl System {
    /// The one that this program is built for.
    pub const HERE: Self = match () {
        () if cfg!(target_os = "macos") => Self::Mac,
        () if cfg!(windows) => Self::Windows,
        () => Self::Linux,
    };
}

impl Host {
    /// The host of a name or an alias; how it is written does not matter.
    pub fn find(name: &str) -> Option<&'static Self> {
        let plain = |text: &str| -> String {
            let letters = text.chars().filter(|c| c.is_alphanumeric());
            letters.flat_map(char::to_lowercase).collect()
        };
        let wanted = plain(name);
        HOSTS.iter().find(|host| {
            let mut names = host.aliases.iter().chain([&host.name, &host.title]);
            !wanted.is_empty() && names.any(|name| plain(name) == wanted)
        })
    }
}

impl Place {
    /// Whether it belongs to the current folder and not to the user.
    pub fn is_project(&self) -> bool {
        self.base == Base::Project
    }

    /// Whether what it starts runs in a container, which has other files.
    pub fn is_for_container(&self) -> bool {
        self.path.ends_with("devcontainer.json")
    }

    /// Whether it stands for several files.
    pub fn is_pattern(&self) -> bool {
        self.path.contains('*')
    }

    /// The path on this machine; `None` if the system has none of that kind, or its folder is not
    /// known. Parts of it may still be patterns.
    pub fn path(&self, folders: &Folders<'_>) -> Option<PathBuf> {
        if !self.on.contains(&folders.system) {
            return None;
        }
        let variable = |name: &str| {
            let value = (folders.variable)(name).filter(|value| !value.is_empty());
            value.map(PathBuf::from).filter(|path| path.is_absolute())
        };
        let in_home = |path: &str| folders.home.as_ref().map(|home| joined(home, path));
        let base = match self.base {
            Base::Home => folders.home.clone()?,
            Base::AppData => folders.config.clone()?,
            Base::DotConfig => variable("XDG_CONFIG_HOME").or_else(|| in_home(".config"))?,
            Base::LocalAppData => folders.local.clone()?,
            Base::Variable(name, path) => variable(name).or_else(|| in_home(path))?,
            Base::Project => folders.project.clone()?,
        };
        Some(joined(&base, self.path))
    }
}

fn joined(base: &Path, path: &str) -> PathBuf {
    let mut whole = base.to_owned();
    whole.extend(path.split('/'));
    whole
}

/// Whether a file name fits a pattern in which one `*` stands for anything.
pub fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => {
            name.len() >= before.len() + after.len()
                && name.starts_with(before)
                && name.ends_with(after)
        }
    }
}

#[cfg(test)]
mod tests;
