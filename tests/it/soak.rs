//! A long run: eight bridges, random faults, and every call counted by its serial number. No answer
//! is lost or given twice, nothing is done twice, messages come in order, and memory and file
//! descriptors do not grow.
//!
//! `SOAK_SECONDS` says how long (20), `SOAK_RATE` how many calls a second each bridge gets (50), and
//! `SOAK_SEED` repeats what chance decided in another run, except for what the machine's own timing
//! adds.

mod chaos;
mod figures;
mod host;
mod place;

use std::fmt::Arguments;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chaos::Faults;
use figures::{Samples, Tally};
use host::Host;
use place::{Place, Quiet};
use playground::End;

/// How long answers may take once nothing goes wrong any more; only ever reached by a failure.
const LAST_ANSWERS: Duration = Duration::from_secs(120);

/// A number from the environment.
fn given(name: &str, usual: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("`{name}` is a number")),
        Err(_) => usual,
    }
}

/// Prints a figure past the test's captured output.
fn tell(figure: Arguments<'_>) {
    let line = format!("    {figure}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}

#[test]
fn through_random_faults_no_answer_is_lost_and_nothing_is_done_twice() {
    let time = Duration::from_secs(given("SOAK_SECONDS", 20));
    let rate = given("SOAK_RATE", 50).max(1);
    let seed = given("SOAK_SEED", rand::random::<u32>().into());
    tell(format_args!(
        "soak with SOAK_SEED={seed}: {} s, {rate} calls a second for each bridge",
        time.as_secs()
    ));
    let places = Place::all(seed);
    let quiet = Quiet::open();
    let hosts: Vec<&Host> = places.iter().flat_map(|place| &place.hosts).collect();
    assert_eq!(hosts.len(), 8);

    let mut samples = Samples::new(&hosts);
    let mut faults = Faults::default();
    let over = AtomicBool::new(false);
    let begun = Instant::now();
    thread::scope(|scope| {
        for (number, host) in hosts.iter().enumerate() {
            let (over, seed) = (&over, seed.wrapping_add(number as u64));
            scope.spawn(move || host.work(rate, seed, over));
        }
        let chaos: Vec<_> = places
            .iter()
            .enumerate()
            .map(|(number, place)| {
                let (over, seed) = (&over, seed.wrapping_mul(31).wrapping_add(number as u64));
                scope.spawn(move || chaos::reign(place, seed, time, over))
            })
            .collect();
        while begun.elapsed() < time {
            thread::sleep(Duration::from_millis(250).min(time / 20));
            samples.take();
        }
        over.store(true, Ordering::SeqCst);
        for reign in chaos {
            faults += reign.join().expect("the faults do not panic");
        }
    });
    let worked = begun.elapsed();

    let mut wrong = Vec::new();
    let mut tally = Tally::default();
    for place in &places {
        wrong.extend(place.settle(LAST_ANSWERS));
        for host in &place.hosts {
            wrong.extend(host.judge(place));
            tally += host.tally(place);
        }
    }
    wrong.extend(quiet.hears());
    for place in &places {
        place.wire.now(End::Close);
    }
    wrong.extend(samples.descriptors_kept());
    wrong.extend(samples.growth());
    tell(format_args!(
        "{} calls in {:.0} s ({:.0} a second); {} were held back, as answers were outstanding or the machine was busy",
        tally.calls,
        worked.as_secs_f32(),
        tally.calls as f32 / worked.as_secs_f32(),
        tally.held_back,
    ));
    tell(format_args!("answers: {tally}"));
    tell(format_args!("faults: {faults}"));
    tell(format_args!("{samples}"));
    for place in places {
        wrong.extend(place.close());
    }
    wrong.extend(quiet.close());
    assert!(
        wrong.is_empty(),
        "with SOAK_SEED={seed}:\n{}",
        wrong.join("\n")
    );
}
