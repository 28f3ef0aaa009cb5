//! The load: a repeated operation, and how long each one took.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use hdrhistogram::Histogram;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep_until};

/// Something that can be done again and again, by one connection, one after the other.
pub(crate) trait Step: Send + 'static {
    /// Does it once; ready when it is answered.
    fn step(&mut self) -> impl Future<Output = Result<()>> + Send;
}

/// What a turn of load showed.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    /// Steps done a second.
    pub(crate) rate: f64,
    /// Milliseconds that half of the steps took at most.
    pub(crate) p50: f64,
    /// Milliseconds that 99 in 100 steps took at most.
    pub(crate) p99: f64,
}

/// Closed loop: each makes its next step as soon as its last is answered. What is answered within the
/// warm-up does not count.
pub(crate) async fn closed_loop<S: Step>(
    steps: Vec<S>,
    warm_up: Duration,
    duration: Duration,
) -> Result<Sample> {
    let from = Instant::now() + warm_up;
    let until = from + duration;
    let mut tasks = JoinSet::new();
    for mut step in steps {
        tasks.spawn(async move {
            let mut times = histogram()?;
            loop {
                let started = Instant::now();
                step.step().await?;
                let ended = Instant::now();
                if ended > until {
                    return Ok(times);
                }
                if ended >= from {
                    times.record(micros(ended - started))?;
                }
            }
        });
    }
    Ok(Sample::of(&gather(tasks).await?, duration))
}

/// A number of steps, shared by all, as fast as they are answered; how long the whole took.
pub(crate) async fn burst<S: Step>(steps: Vec<S>, count: usize) -> Result<Duration> {
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    let sharers = steps.len().max(1);
    for (index, mut step) in steps.into_iter().enumerate() {
        let share = count / sharers + usize::from(index < count % sharers);
        tasks.spawn(async move {
            for _ in 0..share {
                step.step().await?;
            }
            histogram()
        });
    }
    gather(tasks).await?;
    Ok(started.elapsed())
}

/// A number of steps, one after the other, by each in turn.
///
/// workerd looks for new requests only when it has nothing left to do. Where some connections bring their
/// next one before that, as publishes that wait for nobody's acknowledgement do, it hears no others, and
/// closes these after five seconds as idle, with their requests unread.
pub(crate) async fn in_turn<S: Step>(mut steps: Vec<S>, count: usize) -> Result<()> {
    let sharers = steps.len().max(1);
    for index in 0..count {
        if let Some(step) = steps.get_mut(index % sharers) {
            step.step().await?;
        }
    }
    Ok(())
}

/// Steps one after the other; the median time of one, in milliseconds.
pub(crate) async fn median_of(step: &mut impl Step, count: usize) -> Result<f64> {
    let mut times = histogram()?;
    for _ in 0..count {
        let started = Instant::now();
        step.step().await?;
        times.record(micros(started.elapsed()))?;
    }
    Ok(quantile(&times, 0.5))
}

/// Open loop: `rate` steps a second, taken by the connections in turn. A step's time counts from the
/// moment at which it was due, so that one which had to wait for the last is not taken for a quick one.
pub(crate) async fn open_loop<S: Step>(
    steps: Vec<S>,
    rate: f64,
    duration: Duration,
) -> Result<Sample> {
    let spacing = Duration::from_secs_f64(1.0 / rate);
    let each = spacing * u32::try_from(steps.len())?;
    let start = tokio::time::Instant::now();
    let mut tasks = JoinSet::new();
    for (index, mut step) in steps.into_iter().enumerate() {
        let first = start + spacing * u32::try_from(index)?;
        tasks.spawn(async move {
            let mut times = histogram()?;
            sleep_until(first).await;
            let mut due = interval(each);
            due.set_missed_tick_behavior(MissedTickBehavior::Burst);
            loop {
                let due = due.tick().await;
                if due - start > duration {
                    return Ok(times);
                }
                step.step().await?;
                times.record(micros(due.elapsed()))?;
            }
        });
    }
    Ok(Sample::of(&gather(tasks).await?, duration))
}

impl Sample {
    fn of(times: &Histogram<u64>, duration: Duration) -> Self {
        Self {
            rate: times.len() as f64 / duration.as_secs_f64(),
            p50: quantile(times, 0.5),
            p99: quantile(times, 0.99),
        }
    }
}

async fn gather(mut tasks: JoinSet<Result<Histogram<u64>>>) -> Result<Histogram<u64>> {
    let mut all = histogram()?;
    while let Some(times) = tasks.join_next().await {
        all.add(times??)
            .map_err(|error| anyhow!("the times do not add up: {error}"))?;
    }
    Ok(all)
}

/// Microseconds, to three digits.
fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new(3)?)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn quantile(times: &Histogram<u64>, quantile: f64) -> f64 {
    times.value_at_quantile(quantile) as f64 / 1000.0
}
