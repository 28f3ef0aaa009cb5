//! Some thousand histories, the same every time.

use std::thread;

use tagpost_sim::Runner;

/// How many seeds each thread runs, and how many threads.
const SEEDS: u64 = 1_500;
const THREADS: u64 = 2;

#[test]
fn every_guarantee_holds_in_some_thousand_histories() {
    let run = |from: u64| {
        let mut runner = Runner::default();
        for seed in from..from + SEEDS {
            if runner.run(seed).is_err() {
                panic!("{}", runner.explain(seed).unwrap());
            }
        }
    };
    thread::scope(|scope| {
        for place in 0..THREADS {
            scope.spawn(move || run(place * SEEDS));
        }
    });
}

#[test]
fn a_seed_has_the_same_history_every_time() {
    let events = |seed| Runner::default().run(seed).unwrap().events;
    for seed in 0..20 {
        assert_eq!(events(seed), events(seed), "seed {seed}");
    }
}
