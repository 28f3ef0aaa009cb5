//! The measurements: tagpost, a hand-written floor, and the alternatives that people would run, all on one
//! machine, in turns, in one run. `cargo xtask bench` builds what it needs and starts it in the
//! repository's root.
//!
//! A figure is the median of its turns. Absolute values depend on the machine; the ratios describe tagpost.

mod agent;
mod arena;
mod costs;
mod device;
mod document;
mod figure;
mod files;
mod http;
mod load;
mod peer;
mod plan;
mod plot;
mod port;
mod publish;
mod receiver;
mod relay;
mod results;
mod scenario;
mod table;
mod vapid;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::{Parser, ValueEnum};

use crate::arena::Arena;
use crate::plan::Plan;
use crate::relay::Workers;
use crate::results::Results;
use crate::scenario::{address, cold, connect, crowd, load as under_load, push, queue};

/// Measure tagpost.
#[derive(Parser)]
struct Arguments {
    /// A run of about a minute that shows that everything works, and nothing else
    #[arg(long)]
    quick: bool,
    /// Only these parts; repeatable. The documents are written after a whole run only
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// A checkout of an earlier version, built, to be measured, too
    #[arg(long)]
    before: Option<PathBuf>,
    /// The Node.js that runs the Workers
    #[arg(long)]
    node: PathBuf,
}

/// A part of the whole, in the order in which they run.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// What the load generator and the runtime can do at most
    Ceiling,
    /// Confirmed publishes
    Confirmed,
    /// Latency at a steady rate
    Steady,
    /// One sender with many publishes in flight
    Busy,
    /// Connect → welcome
    Connect,
    /// Publishes to devices that are offline
    Offline,
    /// A long queue: enqueue, drain
    Queue,
    /// A long queue, posted to an address
    Address,
    /// Web Push to browsers that are online
    Push,
    /// The first request after a start
    Cold,
    /// Idle devices, and tags of many devices
    Crowd,
    /// No measurement: the prices of the counts in tests/costs.json
    Costs,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let workers = Workers {
        node: arguments.node.clone(),
        before: arguments.before.clone(),
    };
    let plan = if arguments.quick {
        Plan::quick()
    } else {
        Plan::whole()
    };
    let mut results = Results::default();
    let mut arena = None;
    let mut failed = Vec::new();
    for part in Part::value_variants() {
        if !arguments.only.is_empty() && !arguments.only.contains(part) {
            continue;
        }
        let started = Instant::now();
        let name = part.to_possible_value();
        let name = name.as_ref().map_or("", |value| value.get_name());
        if let Err(error) = run(*part, &arguments, &workers, &plan, &mut arena, &mut results).await
        {
            // What the others show holds all the same.
            eprintln!("{name}: {error:#}");
            results.note(format!(
                "{name} failed: its figures are missing or incomplete"
            ));
            failed.push(name.to_owned());
        }
        eprintln!("{name:<12} {:>6.1} s", started.elapsed().as_secs_f64());
    }
    for note in results.notes() {
        println!("{note}");
    }
    println!("{}", table::text(&results));
    if arguments.only.is_empty() && !arguments.quick && arguments.before.is_none() {
        document::write(&results)?;
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

async fn run(
    part: Part,
    arguments: &Arguments,
    workers: &Workers,
    plan: &Plan,
    arena: &mut Option<Arena>,
    results: &mut Results,
) -> Result<()> {
    match part {
        Part::Cold => {
            // Nothing else runs meanwhile.
            arena.take();
            return cold::cold(workers, plan, results).await;
        }
        Part::Push => {
            arena.take();
            return push::push(workers, plan, results).await;
        }
        Part::Crowd => {
            arena.take();
            return crowd::crowd(workers, plan, results).await;
        }
        Part::Costs if arguments.quick => return Ok(()),
        Part::Costs => return document::write_costs(),
        _ => {}
    }
    let arena = match arena {
        Some(arena) => arena,
        None => arena.insert(Arena::open(workers, plan.pairs, results).await?),
    };
    match part {
        Part::Ceiling => under_load::ceiling(arena, plan, results).await,
        Part::Confirmed => under_load::confirmed(arena, plan, results).await,
        Part::Steady => under_load::steady(arena, plan, results).await,
        Part::Busy => under_load::busy(arena, plan, results).await,
        Part::Connect => connect::connect(arena, plan, results).await,
        Part::Offline => under_load::offline(arena, plan, results).await,
        Part::Queue => queue::queue(arena, plan, results).await,
        Part::Address => address::address(arena, plan, results).await,
        Part::Push | Part::Cold | Part::Crowd | Part::Costs => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_takes_every_part_by_its_name() {
        let command = include_str!("../../xtask/src/bench.rs");
        for part in Part::value_variants() {
            let part = part.to_possible_value().unwrap();
            let name = format!("\"{}\",", part.get_name());
            assert!(command.contains(&name), "xtask/src/bench.rs lacks {name}");
        }
    }
}
