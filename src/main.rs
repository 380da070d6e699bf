//! Parses arguments, starts the runtime, prints the final error with its hint, sets the exit code.

use std::process::ExitCode;
use std::time::Duration;

use mcp_drawbridge::cli::{self, Parsed};
use mcp_drawbridge::command;
use mcp_drawbridge::config::{
    self, Job, Surroundings, process_environment, system_config_dir, system_data_dir,
    system_home_dir,
};
use mcp_drawbridge::debug_log::DebugLog;
use mcp_drawbridge::diag::{Diag, Level};
use mcp_drawbridge::error::Error;

/// How long files that are being written may hold up the end.
const LAST_WRITES: Duration = Duration::from_millis(150);

fn main() -> ExitCode {
    let (outcome, diag) = run();
    if let Err(error) = &outcome {
        diag.error(error, error.hint().as_deref());
    }
    diag.flush();
    let code = outcome.map_or_else(|error| error.exit_code(), |()| 0);
    // Threads may still wait in a read of stdin, which nothing can end but the end of the process.
    std::process::exit(code.into())
}

/// With `--debug`, everything that is said is written to a file, too.
fn open_log(job: &Job, diag: Diag) -> Diag {
    let Some(path) = job.debug_log() else {
        return diag;
    };
    match DebugLog::open(path.clone()) {
        Ok(log) => {
            let diag = diag.also_to(move |line| log.line(line));
            let (version, path) = (env!("CARGO_PKG_VERSION"), path.display());
            diag.note(format_args!(
                "mcp-drawbridge {version} writes this to `{path}`, too"
            ));
            diag
        }
        Err(error) => {
            let path = path.display();
            diag.warn(format_args!("nothing is written to `{path}`: {error}"));
            diag
        }
    }
}

fn run() -> (Result<(), Error>, Diag) {
    let quiet = Diag::stderr(Level::Silent);
    let request = match cli::parse(std::env::args_os()) {
        Ok(Parsed::Run(request)) => *request,
        Ok(Parsed::Text(text)) => return (command::print(&text), quiet),
        Err(error) => return (Err(error.into()), quiet),
    };
    let env = process_environment();
    let around = Surroundings {
        env: &env,
        data_dir: system_data_dir(),
        config_dir: system_config_dir(),
        home_dir: system_home_dir(),
        read: &|path| std::fs::read(path),
        open: &config::open,
    };
    let job = match Job::new(request, &around) {
        Ok(job) => job,
        Err(error) => return (Err(error.into()), quiet),
    };
    let diag = open_log(&job, Diag::stderr(job.base().level));
    for warning in &job.base().warnings {
        diag.warn(warning);
    }
    for remark in &job.base().remarks {
        diag.debug(remark);
    }
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return (Err(Error::Runtime(error)), diag),
    };
    let outcome = runtime.block_on(command::run(job, &diag));
    // What is being written is finished. What waits for the system, as for a name to be resolved,
    // could hold the end up for long.
    runtime.shutdown_timeout(LAST_WRITES);
    (outcome, diag)
}
