//! The first publish that a Worker handles after its start, compared with a later one.

use std::time::Instant;

use anyhow::Result;

use crate::figure::{COLD, WARM};
use crate::http::Connection;
use crate::load::Step;
use crate::plan::Plan;
use crate::publish::Publisher;
use crate::relay::Workers;
use crate::results::Results;

/// Starts each again and again on the storage they have.
pub(crate) async fn cold(workers: &Workers, plan: &Plan, results: &mut Results) -> Result<()> {
    let state = tempfile::tempdir()?;
    let systems = workers.compared();
    let systems: Vec<_> = systems
        .map(|(system, worker)| (system, worker, state.path().join(system.name())))
        .collect();
    for (_, worker, state) in &systems {
        let relay = workers.start(*worker, state)?;
        let mut http = Connection::open(relay.address()).await?;
        relay.register(&mut http, "absent").await?;
        relay.bind(&mut http, "tag", "absent").await?;
    }
    for _ in 0..plan.turns {
        for (system, worker, state) in &systems {
            let relay = workers.start(*worker, state)?;
            let sender = "sender".to_owned();
            let mut publisher = Publisher::new(&relay, sender, ["tag".to_owned()], "held").await?;
            for number in 1..=10 {
                let started = Instant::now();
                publisher.step().await?;
                let time = started.elapsed().as_secs_f64() * 1000.0;
                match number {
                    1 => results.add(COLD, *system, time),
                    10 => results.add(WARM, *system, time),
                    _ => {}
                }
            }
        }
    }
    Ok(())
}
