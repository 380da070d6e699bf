//! Which processes run: whether mcp-remote still uses a sign-in. Since version 0.2 it says so in no
//! file, except for the moment of a refresh.

pub use system::{is_mcp_remote, may_live, running};

/// The programs that are no mcp-remote, although they are started with its words.
#[cfg(unix)]
const NOT_IT: [&str; 1] = ["mcp-drawbridge"];

/// Whether a program is none of those.
#[cfg(unix)]
fn may_be(program: &str) -> bool {
    let name = program.rsplit('/').next().unwrap_or_default();
    !NOT_IT.iter().any(|other| name.starts_with(other))
}

#[cfg(unix)]
mod system {
    use std::process::{Command, Stdio};

    use rustix::process::{Pid, test_kill_process};

    use super::may_be;
    use crate::compat::import;

    /// The process of mcp-remote that runs for this server, as the user.
    pub fn running(server: &str) -> Option<u32> {
        let own = std::process::id();
        let mut commands = commands().into_iter();
        let found = commands.find(|(pid, words)| {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let program = words.first().copied().unwrap_or_default();
            *pid != own && may_be(program) && import::is_running(&words, server)
        });
        found.map(|(pid, _)| pid)
    }

    /// Whether this process is one of mcp-remote; `None` if that cannot be told.
    pub fn is_mcp_remote(pid: u32) -> Option<bool> {
        if !may_live(pid) {
            return Some(false);
        }
        let commands = commands();
        let (_, words) = commands.iter().find(|(found, _)| *found == pid)?;
        Some(words.iter().any(|word| word.contains(import::PROGRAM)))
    }

    /// Whether there is a process of this number.
    pub fn may_live(pid: u32) -> bool {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        pid.is_some_and(|pid| match test_kill_process(pid) {
            // One that we may not touch is there.
            Err(error) => error == rustix::io::Errno::PERM,
            Ok(()) => true,
        })
    }

    /// The user's processes, each with the words that it was started with.
    #[cfg(target_os = "linux")]
    fn commands() -> Vec<(u32, Vec<String>)> {
        use std::fs;
        use std::os::unix::fs::MetadataExt;

        let own = rustix::process::geteuid().as_raw();
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let commands = entries.filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let is_ours = entry.metadata().is_ok_and(|found| found.uid() == own);
            let line = is_ours.then(|| fs::read(entry.path().join("cmdline")).ok())??;
            let words = line.split(|byte| *byte == 0);
            let words = words.map(|word| String::from_utf8_lossy(word).into_owned());
            Some((pid, words.collect()))
        });
        let commands: Vec<_> = commands.collect();
        match commands.is_empty() {
            // Nothing is mounted there.
            true => listed(),
            false => commands,
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn commands() -> Vec<(u32, Vec<String>)> {
        listed()
    }

    /// The same from `ps`, which does not tell where a word with a blank in it ends.
    fn listed() -> Vec<(u32, Vec<String>)> {
        let mut command = Command::new("ps");
        command.args(["-x", "-ww", "-o", "pid=", "-o", "command="]);
        command.stdin(Stdio::null()).stderr(Stdio::null());
        let Ok(output) = command.output() else {
            return Vec::new();
        };
        let text = String::from_utf8_lossy(&output.stdout);
        let line = |line: &str| {
            let mut words = line.split_whitespace().map(str::to_owned);
            let pid = words.next()?.parse().ok()?;
            Some((pid, words.collect()))
        };
        text.lines().filter_map(line).collect()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn this_process_lives_and_is_not_mcp_remote() {
            let own = std::process::id();
            assert!(may_live(own));
            assert_eq!(is_mcp_remote(own), Some(false));
            assert!(!may_live(0), "every process of the group is none");
            assert!(!may_live(u32::MAX));
        }

        #[test]
        fn both_ways_to_list_processes_know_this_one() {
            let own = std::process::id();
            let has_own = |list: Vec<(u32, Vec<String>)>| list.iter().any(|(pid, _)| *pid == own);
            assert!(has_own(commands()));
            assert!(has_own(listed()));
        }
    }
}

#[cfg(not(unix))]
mod system {
    /// Nothing that is quick tells that here.
    pub fn running(_server: &str) -> Option<u32> {
        None
    }

    /// Nothing that is quick tells that here.
    pub fn is_mcp_remote(_pid: u32) -> Option<bool> {
        None
    }

    /// Nothing that is quick tells that here, so it is believed.
    pub fn may_live(_pid: u32) -> bool {
        true
    }
}
