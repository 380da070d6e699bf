use super::Disturbance::{ClockLeapt, NetworkChanged, Slept};
use super::*;

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Clocks that began at different moments, so many seconds later.
fn after(running: u64, elapsed: Option<u64>, wall: u64) -> Reading {
    Reading {
        running: secs(100 + running),
        elapsed: elapsed.map(|elapsed| secs(9_000 + elapsed)),
        wall: secs(1_700_000_000 + wall),
    }
}

/// A pulse that beats, on a system with or without the clock that cannot be set.
fn beating(has_elapsed: bool) -> Pulse {
    let first = after(0, has_elapsed.then_some(0), 0);
    let mut pulse = Pulse::new(first);
    assert_eq!(pulse.beat(first, None, |_| true), None);
    pulse
}

#[test]
fn sleep_shows_on_whichever_clock_goes_on_or_in_a_missed_beat() {
    let cases = [
        // Busy, but awake.
        ((5, Some(5), 5), None),
        ((9, Some(9), 9), None),
        ((9, None, 9), None),
        // Stopped: every clock went on.
        ((10, Some(10), 10), Some(Slept(secs(10)))),
        ((3600, None, 3600), Some(Slept(secs(3600)))),
        // Asleep: the first clock stood still.
        ((5, Some(9), 9), None),
        ((5, Some(10), 10), Some(Slept(secs(10)))),
        ((0, Some(28_800), 28_800), Some(Slept(secs(28_800)))),
        ((0, None, 28_800), Some(Slept(secs(28_800)))),
        // Asleep, and the wall's clock was wrong meanwhile or is set back.
        ((2, Some(60), 0), Some(Slept(secs(60)))),
        // Set ahead by somebody: no sleep where that can be told.
        ((5, Some(5), 3600), Some(ClockLeapt)),
        ((5, Some(5), 9), None),
        ((5, None, 3600), Some(Slept(secs(3600)))),
        // Corrected by a little.
        ((5, None, 9), None),
    ];
    for ((running, elapsed, wall), expected) in cases {
        let case = (running, elapsed, wall);
        for glances in [false, true] {
            let mut pulse = beating(elapsed.is_some());
            let reading = after(running, elapsed, wall);
            let seen = match glances {
                true => pulse.glance(reading, None, |_| true),
                false => pulse.beat(reading, None, |_| true),
            };
            assert_eq!(seen, expected, "{case:?}");
            // It is told once.
            assert_eq!(pulse.beat(reading, None, |_| true), None, "{case:?}");
        }
    }
}

#[test]
fn a_clock_that_is_set_back_means_nothing() {
    for elapsed in [None, Some(5)] {
        let mut pulse = beating(elapsed.is_some());
        let back = Reading {
            wall: secs(1_600_000_000),
            ..after(5, elapsed, 0)
        };
        assert_eq!(pulse.beat(back, None, |_| true), None);
        let later = Reading {
            running: back.running + BEAT,
            elapsed: back.elapsed.map(|elapsed| elapsed + BEAT),
            wall: back.wall + BEAT,
        };
        assert_eq!(pulse.beat(later, None, |_| true), None);
    }
}

#[test]
fn without_beats_a_long_time_means_nothing_but_sleep_does() {
    let mut pulse = Pulse::new(after(0, Some(0), 0));
    assert_eq!(
        pulse.glance(after(600, Some(600), 600), None, |_| true),
        None
    );
    let slept = pulse.glance(after(610, Some(700), 700), None, |_| true);
    assert_eq!(slept, Some(Slept(secs(100))));
}

#[test]
fn a_glance_puts_off_nothing_that_a_beat_would_see() {
    let mut pulse = beating(true);
    for second in 1..=20 {
        let reading = after(second, Some(second), second);
        assert_eq!(pulse.glance(reading, None, |_| true), None, "{second}");
    }
    let reading = after(21, Some(40), 40);
    assert_eq!(pulse.glance(reading, None, |_| true), Some(Slept(secs(20))));
}

#[test]
fn a_stop_of_unknown_length_counts_unless_one_follows_the_other() {
    use super::Disturbance::Stopped;
    let mut pulse = Pulse::new(after(0, Some(0), 0));
    let mut continued =
        |second, elapsed, wall| pulse.continued(after(second, Some(elapsed), wall), None, |_| true);
    assert_eq!(continued(3600, 3600, 3600), Some(Stopped));
    for second in 3601..=3640 {
        assert_eq!(continued(second, second, second), None, "{second}");
    }
    assert_eq!(continued(3650, 3650, 3650), Some(Stopped));
    // A sleep says more, a clock less.
    assert_eq!(continued(3700, 3800, 3800), Some(Slept(secs(150))));
    assert_eq!(continued(3800, 3900, 9000), Some(Stopped));
    assert_eq!(continued(3801, 3901, 9900), Some(ClockLeapt));
}

#[test]
fn after_a_rest_the_first_beat_means_no_sleep() {
    let mut pulse = beating(true);
    pulse.rest();
    assert_eq!(pulse.beat(after(600, Some(600), 600), None, |_| true), None);
    let missed = pulse.beat(after(700, Some(700), 700), None, |_| true);
    assert_eq!(missed, Some(Slept(secs(100))));
}

const SERVER: &str = "203.0.113.9";
const SERVER_6: &str = "2001:db8:9::9";

/// Sees the ways in turn; the last one gives the outcome.
fn see(ways: &[Option<(&str, &str)>], old_is_ours: bool) -> Option<Disturbance> {
    let mut pulse = beating(true);
    let mut seen = None;
    for way in ways {
        let way = way.map(|(peer, local)| (peer.parse().unwrap(), local.parse().unwrap()));
        seen = pulse.beat(after(0, Some(0), 0), way, |_| old_is_ours);
    }
    seen
}

#[test]
fn another_local_address_on_the_way_to_the_same_server_is_another_network() {
    let (home, office) = ("192.168.1.5", "10.0.0.7");
    for ours in [false, true] {
        assert_eq!(see(&[Some((SERVER, home))], ours), None);
        assert_eq!(see(&[Some((SERVER, home)); 2], ours), None);
        let moved = [Some((SERVER, home)), Some((SERVER, office))];
        assert_eq!(see(&moved, ours), Some(NetworkChanged));
        // Unplugged in between, for however long.
        let moved = [
            Some((SERVER, home)),
            None,
            None,
            None,
            Some((SERVER, office)),
        ];
        assert_eq!(see(&moved, ours), Some(NetworkChanged));
        let back = [Some((SERVER, home)), None, Some((SERVER, home))];
        assert_eq!(see(&back, ours), None);
        let gone = [Some((SERVER, home)), None];
        assert_eq!(see(&gone, ours), None);
        // The server is reached at another of its addresses.
        let elsewhere = [Some((SERVER, home)), Some((SERVER_6, "2001:db8::1"))];
        assert_eq!(see(&elsewhere, ours), None);
    }
}

#[test]
fn a_new_temporary_address_is_no_other_network_while_the_old_one_stays() {
    let (old, new, foreign) = ("2001:db8:1::a", "2001:db8:1::b", "2001:db8:2::b");
    let renamed = [Some((SERVER_6, old)), Some((SERVER_6, new))];
    assert_eq!(see(&renamed, true), None);
    assert_eq!(see(&renamed, false), Some(NetworkChanged));
    let moved = [Some((SERVER_6, old)), Some((SERVER_6, foreign))];
    assert_eq!(see(&moved, true), Some(NetworkChanged));
}

#[test]
fn sleep_says_more_than_a_network_and_a_network_more_than_a_clock() {
    let way = |local: &str| Some((SERVER.parse().unwrap(), local.parse().unwrap()));
    for (reading, expected) in [
        (after(5, Some(90), 90), Slept(secs(90))),
        (after(5, Some(5), 90), NetworkChanged),
    ] {
        let mut pulse = beating(true);
        pulse.beat(after(0, Some(0), 0), way("192.168.1.5"), |_| false);
        let seen = pulse.beat(reading, way("10.0.0.7"), |_| false);
        assert_eq!(seen, Some(expected));
        assert_eq!(pulse.beat(reading, way("10.0.0.7"), |_| false), None);
    }
}

#[test]
fn this_machine_knows_its_clocks_and_addresses() {
    let start = Instant::now();
    let (one, other) = (Reading::now(start), Reading::now(start));
    assert!(other.running >= one.running && other.elapsed >= one.elapsed);
    assert_eq!(one.elapsed.is_some(), cfg!(not(windows)));
    let loopback: IpAddr = Ipv4Addr::LOCALHOST.into();
    let local = local_address(SocketAddr::new(loopback, 9)).unwrap();
    assert_eq!(local, loopback);
    assert!(is_ours(loopback));
    // RFC 5737: an address that nobody has.
    assert!(!is_ours("192.0.2.1".parse().unwrap()));
}
