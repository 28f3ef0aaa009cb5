//! Runs many histories and reports each seed that breaks a guarantee, with the shortest failing history found.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::num::NonZero;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use tagpost_sim::Runner;

/// How many seeds a thread takes at a time.
const CHUNK: u64 = 100;

/// Simulate the whole system, one history a seed, and check every guarantee
#[derive(Parser)]
struct Arguments {
    /// How many seeds
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// The number of threads [default: the number of cores]
    #[arg(long)]
    threads: Option<NonZero<usize>>,
    /// Go on after a failure, and say how many seeds break each claim
    #[arg(long)]
    all: bool,
    /// Say which seed breaks which claim, and not how
    #[arg(long)]
    brief: bool,
}

/// The seeds that break each claim: how many, and the least.
type Broken = BTreeMap<&'static str, (u64, u64)>;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // A panic is reported with its seed and history.
    std::panic::set_hook(Box::new(|_| {}));
    let threads = arguments
        .threads
        .or(thread::available_parallelism().ok())
        .map_or(1, NonZero::get);
    let started = Instant::now();
    let bar = progress(arguments.seeds);
    let (events, broken) = run(&arguments, threads, &bar);
    bar.finish_and_clear();
    let (ran, seconds) = (bar.position(), started.elapsed().as_secs_f64());
    let rate = ran as f64 / seconds;
    println!(
        "{ran} histories with {events} events in {seconds:.1} s: {rate:.0} histories/s on {threads} threads"
    );
    if broken.is_empty() {
        return ExitCode::SUCCESS;
    }
    for (claim, (count, seed)) in &broken {
        println!("{count:>8} seeds, the first is {seed}: {claim}");
    }
    let first = broken
        .values()
        .map(|(_, seed)| *seed)
        .min()
        .filter(|_| !arguments.all && !arguments.brief);
    if let Some(failure) = first.and_then(|seed| Runner::default().explain(seed)) {
        println!("\n{failure}");
    }
    ExitCode::FAILURE
}

/// Runs the seeds. Returns the number of their events, and the broken claims.
fn run(arguments: &Arguments, threads: usize, bar: &ProgressBar) -> (u64, Broken) {
    let end = arguments.from.saturating_add(arguments.seeds);
    let (next, events) = (AtomicU64::new(arguments.from), AtomicU64::new(0));
    let broken = Mutex::new(Broken::new());
    let work = || {
        let mut runner = Runner::default();
        loop {
            let first = next.fetch_add(CHUNK, Ordering::Relaxed);
            if first >= end {
                return;
            }
            for seed in first..end.min(first.saturating_add(CHUNK)) {
                match runner.run(seed) {
                    Ok(summary) => {
                        events.fetch_add(summary.events, Ordering::Relaxed);
                    }
                    Err(violation) => {
                        // A long run can be watched.
                        bar.suspend(|| eprintln!("seed {seed} breaks: {}", violation.claim));
                        if let Ok(mut broken) = broken.lock() {
                            let (count, least) = broken.entry(violation.claim).or_insert((0, seed));
                            (*count, *least) = (*count + 1, seed.min(*least));
                        }
                        if !arguments.all {
                            next.store(end, Ordering::Relaxed);
                            return;
                        }
                    }
                }
                bar.inc(1);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    (events.into_inner(), broken.into_inner().unwrap_or_default())
}

fn progress(seeds: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let template = "{spinner} {pos}/{len} histories {wide_bar} {per_sec} {eta}";
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(seeds).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
