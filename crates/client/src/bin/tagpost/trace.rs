//! `tagpost trace` and `tagpost ls`: what became of messages that were sent.

use std::collections::HashSet;

use tagpost_client::{DeviceId, State, Step, Trace};

use crate::advice::Failure;
use crate::arguments::{Global, Ls, Trace as Options};
use crate::follow::follow;
use crate::output::{self, FAINT, Outcome};
use crate::session::Session;

pub(crate) async fn run(global: &Global, options: &Options) -> Result<Outcome, Failure> {
    let session = Session::open(global)?;
    // A sender asks for its own; the operator may ask for any.
    let client = if session.token.is_some() {
        session.device()?
    } else {
        session.operator()?
    };
    let trace = client.trace(options.id).await?;
    let mut timeline = Timeline::default();
    let mut show = |trace: &Trace| match global.json {
        true => output::json(trace),
        false => timeline.show(trace),
    };
    show(&trace)?;
    let trace = if options.follow && !trace.is_settled() {
        let trace = follow(&client, trace, show).await?;
        if !global.json {
            output::line(summary(&trace))?;
        }
        trace
    } else {
        trace
    };
    Ok(Outcome::of(&trace))
}

/// The steps that were told so far.
#[derive(Default)]
struct Timeline {
    /// Each by its device, what happened, in which attempt, and its note: a delivery does nothing else twice.
    told: HashSet<(DeviceId, State, u32, Option<String>)>,
}

impl Timeline {
    /// Tells the steps that are new; before the first, which message it is.
    fn show(&mut self, trace: &Trace) -> Result<(), Failure> {
        if self.told.is_empty() {
            let summary = summary(trace);
            let (to, age) = (output::target(&trace.to), output::age(trace.accepted_at));
            output::line(format!("{} to {to}, {age}: {summary}", trace.id))?;
        }
        let deliveries = trace.deliveries.iter();
        let width = output::width(deliveries.map(|delivery| delivery.device.as_str()));
        for step in &trace.timeline {
            let (device, note) = (step.device.clone(), step.note.clone());
            if (self.told).insert((device, step.event, step.attempt, note)) {
                output::line(line(trace, step, width))?;
            }
        }
        Ok(())
    }
}

/// A step, with what came back with it.
fn line(trace: &Trace, step: &Step, width: usize) -> String {
    let after = output::span(step.at - trace.accepted_at);
    let state = output::state(step.event);
    let device = step.device.as_str();
    let attempt = match step.attempt {
        0 | 1 => String::new(),
        attempt => format!("attempt {attempt}  "),
    };
    let mut deliveries = trace.deliveries.iter();
    let delivery = deliveries
        .find(|delivery| delivery.device == step.device)
        .filter(|delivery| delivery.state == step.event && step.event.is_terminal());
    let answer = match delivery {
        Some(delivery) => output::answer(delivery.reply.as_deref(), delivery.reason.as_deref()),
        None => output::visible(step.note.as_deref().unwrap_or_default()),
    };
    format!("{FAINT}{after:>12}{FAINT:#}  {state} {device:<width$}  {attempt}{answer}")
        .trim_end()
        .to_owned()
}

/// `2 delivered, 1 held`.
fn summary(trace: &Trace) -> String {
    let counts = trace.summary.iter();
    let words =
        counts.map(|(state, count)| format!("{count} {}", tagpost_client::state_name(*state)));
    words.collect::<Vec<_>>().join(", ")
}

pub(crate) async fn list(global: &Global, options: &Ls) -> Result<Outcome, Failure> {
    let client = Session::open(global)?.device()?;
    let page = client.messages(options.state, options.limit, None).await?;
    let targets = page
        .messages
        .iter()
        .map(|message| output::target(&message.to));
    let width = output::width(targets);
    for message in &page.messages {
        output::object(global, message, |message| {
            let (to, age) = (
                output::target(&message.to),
                output::age(message.accepted_at),
            );
            format!(
                "{}  {FAINT}{age:>8}{FAINT:#}  {to:<width$}  {}",
                message.id,
                summary(message)
            )
        })?;
    }
    if page.messages.is_empty() && !global.json {
        output::note("This device has no stored messages.");
    } else if page.next.is_some() && !global.json {
        output::note("There are more; --limit shows up to 1000.");
    }
    Ok(Outcome::Done)
}
