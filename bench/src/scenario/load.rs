//! Publishes under load: the systems take turns, so that a disturbance affects all of them.

use anyhow::Result;
use futures_util::future::try_join_all;
use hyper::Method;
use hyper::body::Bytes;

use crate::arena::Arena;
use crate::figure::{
    BUSY, BUSY_P50, CONFIRMED, CONFIRMED_P50, CONFIRMED_P99, OFFLINE, REQUESTS, STEADY_P50,
    STEADY_P99, System,
};
use crate::http::Connection;
use crate::load::{Sample, Step, closed_loop, open_loop};
use crate::plan::Plan;
use crate::publish::PAYLOAD;
use crate::results::Results;

/// What the load generator and the runtime can do at most.
pub(crate) async fn ceiling(arena: &Arena, plan: &Plan, results: &mut Results) -> Result<()> {
    for _ in 0..plan.turns {
        let requests = (0..plan.pairs).map(|_| Connection::open(arena.empty.address()));
        let requests = try_join_all(requests).await?.into_iter().map(Request);
        let sample = closed_loop(requests.collect(), plan.warm_up, plan.turn).await?;
        results.add(REQUESTS, System::Empty, sample.rate);
    }
    Ok(())
}

/// Confirmed publishes, closed loop.
pub(crate) async fn confirmed(arena: &Arena, plan: &Plan, results: &mut Results) -> Result<()> {
    for _ in 0..plan.turns {
        for contender in &arena.workers {
            let senders = contender.senders(plan.pairs).await?;
            let sample = closed_loop(senders, plan.warm_up, plan.turn).await?;
            add_confirmed(results, contender.system, sample);
        }
        if let Some(mosquitto) = &arena.mosquitto {
            let senders = mosquitto.senders().await?;
            let sample = closed_loop(senders, plan.warm_up, plan.turn).await?;
            add_confirmed(results, System::Mosquitto, sample);
        }
        if let Some(nats) = &arena.nats {
            let senders = nats.senders().await?;
            let sample = closed_loop(senders, plan.warm_up, plan.turn).await?;
            add_confirmed(results, System::Nats, sample);
        }
    }
    Ok(())
}

fn add_confirmed(results: &mut Results, system: System, sample: Sample) {
    results.add(CONFIRMED, system, sample.rate);
    results.add(CONFIRMED_P50, system, sample.p50);
    results.add(CONFIRMED_P99, system, sample.p99);
}

/// Confirmed publishes at a rate that leaves everything room.
pub(crate) async fn steady(arena: &Arena, plan: &Plan, results: &mut Results) -> Result<()> {
    for _ in 0..plan.turns {
        for contender in &arena.workers {
            let senders = contender.senders(plan.pairs).await?;
            let sample = open_loop(senders, plan.steady, plan.turn).await?;
            add_steady(results, contender.system, sample);
        }
        if let Some(mosquitto) = &arena.mosquitto {
            let senders = mosquitto.senders().await?;
            let sample = open_loop(senders, plan.steady, plan.turn).await?;
            add_steady(results, System::Mosquitto, sample);
        }
        if let Some(nats) = &arena.nats {
            let senders = nats.senders().await?;
            let sample = open_loop(senders, plan.steady, plan.turn).await?;
            add_steady(results, System::Nats, sample);
        }
    }
    Ok(())
}

fn add_steady(results: &mut Results, system: System, sample: Sample) {
    results.add(STEADY_P50, system, sample.p50);
    results.add(STEADY_P99, system, sample.p99);
}

/// One sender with many publishes in flight.
pub(crate) async fn busy(arena: &Arena, plan: &Plan, results: &mut Results) -> Result<()> {
    for _ in 0..plan.turns {
        for contender in &arena.workers {
            let sender = contender.busy_sender(plan.in_flight, plan.pairs).await?;
            let sample = closed_loop(sender, plan.warm_up, plan.turn).await?;
            results.add(BUSY, contender.system, sample.rate);
            results.add(BUSY_P50, contender.system, sample.p50);
        }
    }
    Ok(())
}

/// Publishes to devices that are not there.
pub(crate) async fn offline(arena: &Arena, plan: &Plan, results: &mut Results) -> Result<()> {
    for _ in 0..plan.turns {
        for contender in &arena.workers {
            let senders = contender.senders_to_absent(plan.pairs).await?;
            let sample = closed_loop(senders, plan.warm_up, plan.turn).await?;
            results.add(OFFLINE, contender.system, sample.rate);
        }
    }
    Ok(())
}

/// A request like a publish, to the Worker that does nothing.
struct Request(Connection);

impl Step for Request {
    async fn step(&mut self) -> Result<()> {
        let payload = Bytes::from_static(PAYLOAD.as_bytes());
        self.0
            .send(Method::POST, "/v1/tags/tag-0/messages", "none", payload)
            .await?
            .is(200)?;
        Ok(())
    }
}
