//! Processes that start together on an empty cache.

use std::fs;
use std::time::Instant;

use playground::{Playground, Settings};

use super::{MANY, counted, initialize, list_tools, start, tell};
use crate::support::authority::Authority;
use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::oidc::OidcProvider;

#[test]
fn processes_that_start_together_share_one_sign_in() {
    share_one_sign_in(&Playground::start(Settings::default()));
}

#[test]
fn processes_that_start_together_share_one_sign_in_at_oidc_provider() {
    share_one_sign_in(&OidcProvider::start());
}

fn share_one_sign_in(server: &dyn Authority) {
    let machine = Machine::new();
    let begin = Instant::now();
    let mut bridges = start(&machine, server, MANY);
    initialize(&mut bridges);
    list_tools(&mut bridges);
    tell(format_args!(
        "{MANY} processes had their tools after {} ms{}",
        begin.elapsed().as_millis(),
        cost(&bridges)
    ));
    assert_eq!(machine.opened().len(), 1, "{}", server.story());
    assert_eq!(counted(server), [1, 1, 0, 0], "{}", server.story());
}

/// What they cost so far, where the system tells.
fn cost(bridges: &[Bridge]) -> String {
    let pids: Vec<u32> = bridges.iter().map(Bridge::id).collect();
    let all = |of: fn(u32) -> Option<u64>| pids.iter().map(|pid| of(*pid)).sum::<Option<u64>>();
    match (all(cpu_time), all(memory)) {
        (Some(time), Some(memory)) => format!(
            ", {} ms of CPU and {} MiB of memory together (this build)",
            time / 1_000_000,
            memory / 1024
        ),
        _ => String::new(),
    }
}

/// Time on a CPU in nanoseconds.
fn cpu_time(pid: u32) -> Option<u64> {
    let mut time = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        time += text.split(' ').next()?.parse::<u64>().ok()?;
    }
    Some(time)
}

/// Memory in KiB; what several share counts once for all of them.
fn memory(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().split(' ').next()?.parse().ok()
}
