//! Many connected devices: their cost while idle, and a publish to all of them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures_util::future::try_join_all;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use hyper::Method;
use hyper::body::Bytes;
use tokio::time::sleep;

use crate::device::{Acknowledged, Device};
use crate::figure::{
    Figure, IDLE_ALARMS, IDLE_EVENTS, IDLE_WRITES, MEMORY, System, TAG_LARGE, TAG_LARGE_KNOWN,
    TAG_SMALL,
};
use crate::files;
use crate::http::Connection;
use crate::load::burst;
use crate::plan::Plan;
use crate::publish::Publisher;
use crate::relay::{Relay, Worker, Workers};
use crate::results::Results;

/// How many connect or are bound at the same time.
const AT_ONCE: usize = 16;

/// A Worker with many devices, `member-N`.
struct Crowd {
    system: System,
    relay: Relay,
    acknowledged: Acknowledged,
    members: Vec<Device>,
    /// How many of them may be awake at the same time.
    awake: usize,
}

/// Idle devices; then a publish to a tag of them all, turn by turn with the floor's single publishes.
pub(crate) async fn crowd(workers: &Workers, plan: &Plan, results: &mut Results) -> Result<()> {
    let [small, wanted] = plan.tags;
    let large = files::room_for(wanted)?;
    results.note(format!("The largest tag has {large} devices, all online."));
    if large < wanted {
        results.note(format!(
            "It was to have {wanted}. workerd has four files open for each device that is awake, and here a process may not have as many."
        ));
    }
    let state = tempfile::tempdir()?;
    let start = |worker, name| workers.start(worker, &state.path().join(name));
    let mut tagpost = Crowd::new(
        System::Tagpost,
        start(Worker::MeteredTagpost, "tagpost")?,
        large,
    );
    let mut floor = Crowd::new(System::Floor, start(Worker::Floor, "floor")?, large);
    idle(&mut tagpost, &mut floor, plan, results).await?;

    let bindings = (0..floor.members.len()).map(|member| (format!("tag-{member}"), member));
    floor.bind(bindings.collect()).await?;
    for (size, known, turns, figure) in [
        (small, None, plan.turns, TAG_SMALL),
        (large, Some(TAG_LARGE_KNOWN), plan.long_turns, TAG_LARGE),
    ] {
        tagpost.grow(size, plan).await?;
        let tag = format!("all-{size}");
        let bindings = (0..size).map(|member| (tag.clone(), member));
        tagpost.bind(bindings.collect()).await?;
        for _ in 0..turns {
            let (acknowledged, told) = publish_to_all(&tagpost, &tag, size).await?;
            results.add(figure, System::Tagpost, acknowledged.as_secs_f64());
            if let Some(known) = known {
                results.add(known, System::Tagpost, told.as_secs_f64());
            }
            single_publishes(&floor, size, plan, figure, results).await?;
        }
    }
    Ok(())
}

async fn idle(
    tagpost: &mut Crowd,
    floor: &mut Crowd,
    plan: &Plan,
    results: &mut Results,
) -> Result<()> {
    let mut before = Vec::new();
    for crowd in [&mut *tagpost, &mut *floor] {
        // The first ones also make the runtime compile and allocate what all use.
        crowd.grow(plan.idle / 50, plan).await?;
    }
    sleep(plan.until_asleep).await;
    for crowd in [&mut *tagpost, &mut *floor] {
        before.push((crowd.relay.memory(), crowd.members.len()));
        crowd.grow(plan.idle, plan).await?;
    }
    sleep(plan.until_asleep).await;
    for (crowd, (before, devices)) in [&*tagpost, &*floor].into_iter().zip(before) {
        match (before, crowd.relay.memory()) {
            (Some(before), Some(after)) => {
                let added = (plan.idle - devices) as f64;
                let each = after.saturating_sub(before) as f64 / added / 1000.0;
                results.add(MEMORY, crowd.system, each);
            }
            _ => results.note("memory is measured on Linux only: skipped".to_owned()),
        }
    }

    let before = tagpost.relay.counts().await?;
    sleep(plan.watch).await;
    let after = tagpost.relay.counts().await?;
    let grown = |names: &[&str]| -> Result<f64> {
        let mut sum = 0;
        for name in names {
            let count = |counts: &std::collections::BTreeMap<String, u64>| {
                counts
                    .get(*name)
                    .copied()
                    .with_context(|| format!("the meter does not count {name}"))
            };
            sum += count(&after)? - count(&before)?;
        }
        Ok(sum as f64)
    };
    let events = ["object_requests", "frames_in", "closes"];
    results.add(IDLE_EVENTS, System::Tagpost, grown(&events)?);
    results.add(IDLE_ALARMS, System::Tagpost, grown(&["alarms_set"])?);
    let writes = ["rows_written", "d1_rows_written"];
    results.add(IDLE_WRITES, System::Tagpost, grown(&writes)?);
    Ok(())
}

impl Crowd {
    fn new(system: System, relay: Relay, awake: usize) -> Self {
        Self {
            system,
            relay,
            acknowledged: Acknowledged::new(),
            members: Vec::new(),
            awake,
        }
    }

    /// Connects more devices, up to this many in all.
    async fn grow(&mut self, size: usize, plan: &Plan) -> Result<()> {
        loop {
            let next = size.min(self.members.len() + self.awake);
            self.connect(next).await?;
            if self.members.len() >= size {
                return Ok(());
            }
            sleep(plan.until_asleep).await;
        }
    }

    async fn connect(&mut self, size: usize) -> Result<()> {
        let bearers: Vec<String> = (self.members.len()..size)
            .map(|member| self.relay.bearer(&format!("member-{member}")))
            .collect::<Result<_>>()?;
        let (address, acknowledged) = (self.relay.address(), &self.acknowledged);
        let members = stream::iter(bearers)
            .map(|bearer| async move { Device::connect(address, &bearer, acknowledged).await })
            .buffered(AT_ONCE);
        let members: Vec<Device> = members.try_collect().await?;
        self.members.extend(members);
        Ok(())
    }

    /// Binds tags to members.
    async fn bind(&self, bindings: Vec<(String, usize)>) -> Result<()> {
        let share = bindings.len().div_ceil(AT_ONCE).max(1);
        let shares = bindings.chunks(share).map(|share| async move {
            let mut http = Connection::open(self.relay.address()).await?;
            for (tag, member) in share {
                let member = format!("member-{member}");
                self.relay.bind(&mut http, tag, &member).await?;
            }
            anyhow::Ok(())
        });
        try_join_all(shares).await?;
        Ok(())
    }
}

/// Publishes once to a tag; the times until the last acknowledgement, and until the sender's trace has
/// them all.
async fn publish_to_all(crowd: &Crowd, tag: &str, size: usize) -> Result<(Duration, Duration)> {
    #[derive(serde::Deserialize)]
    struct Published {
        id: String,
    }
    let sender = "crowd-sender".to_owned();
    let mut publisher = Publisher::new(&crowd.relay, sender, [tag.to_owned()], "held").await?;
    let expected = crowd.acknowledged.count() + u64::try_from(size)?;
    let started = Instant::now();
    let answer = publisher.publish().await?.is(202)?;
    let published: Published = serde_json::from_slice(&answer.body)?;
    crowd.acknowledged.until(expected).await?;
    let acknowledged = started.elapsed();

    let path = format!("/v1/messages/{}?wait=60", published.id);
    let bearer = crowd.relay.bearer("crowd-sender")?;
    let mut http = Connection::open(crowd.relay.address()).await?;
    let trace = http
        .send(Method::GET, &path, &bearer, Bytes::new())
        .await?
        .is(200)?;
    let told = started.elapsed();
    let summary = format!(r#""summary":{{"delivered":{size}}}"#);
    if !String::from_utf8_lossy(&trace.body).contains(&summary) {
        bail!("expected {summary} in the trace of a publish to {tag}, but got {trace}");
    }
    Ok((acknowledged, told))
}

/// The floor has no tags of many devices: it is published to its devices one by one, over and over.
async fn single_publishes(
    floor: &Crowd,
    size: usize,
    plan: &Plan,
    figure: Figure,
    results: &mut Results,
) -> Result<()> {
    let senders = (0..plan.pairs).map(|sender| {
        let members = (sender..floor.members.len().min(floor.awake)).step_by(plan.pairs);
        let tags = members.map(|member| format!("tag-{member}"));
        Publisher::new(&floor.relay, format!("sender-{sender}"), tags, "delivered")
    });
    let senders = try_join_all(senders).await?;
    let time = burst(senders, size).await?;
    results.add(figure, System::Floor, time.as_secs_f64());
    Ok(())
}
