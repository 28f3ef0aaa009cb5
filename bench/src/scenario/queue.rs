//! A long queue: the time to add a message, and how fast it drains.

use std::time::Instant;

use anyhow::Result;

use crate::arena::Arena;
use crate::device::{Acknowledged, Device};
use crate::figure::{DRAIN, ENQUEUE_0, ENQUEUE_MANY, ENQUEUE_RATIO, ENQUEUE_SOME, System};
use crate::http::Connection;
use crate::load::{in_turn, median_of};
use crate::plan::Plan;
use crate::results::Results;

/// A fresh device each turn: filled, timed at three depths, then drained.
pub(crate) async fn queue(arena: &Arena, plan: &Plan, results: &mut Results) -> Result<()> {
    let tagpost = arena.tagpost()?;
    for turn in 0..plan.long_turns {
        let (device, tag) = (format!("queue-{turn}"), format!("queued-{turn}"));
        let mut http = Connection::open(tagpost.relay.address()).await?;
        tagpost.relay.register(&mut http, &device).await?;
        tagpost.relay.bind(&mut http, &tag, &device).await?;

        let mut held = 0;
        let mut times = Vec::new();
        for (depth, figure) in
            [0].into_iter()
                .chain(plan.depths)
                .zip([ENQUEUE_0, ENQUEUE_SOME, ENQUEUE_MANY])
        {
            let senders = tagpost.senders_to(&tag, plan.pairs).await?;
            in_turn(senders, depth - held).await?;
            let mut sender = tagpost.sender_to(&tag).await?;
            let time = median_of(&mut sender, plan.enqueues).await?;
            results.add(figure, System::Tagpost, time);
            times.push(time);
            held = depth + plan.enqueues;
        }
        if let (Some(first), Some(last)) = (times.first(), times.last()) {
            results.add(ENQUEUE_RATIO, System::Tagpost, last / first);
        }

        let bearer = tagpost.relay.bearer(&device)?;
        let acknowledged = Acknowledged::new();
        let started = Instant::now();
        let _device = Device::connect(tagpost.relay.address(), &bearer, &acknowledged).await?;
        acknowledged.until(u64::try_from(held)?).await?;
        let rate = held as f64 / started.elapsed().as_secs_f64();
        results.add(DRAIN, System::Tagpost, rate);
    }
    Ok(())
}
