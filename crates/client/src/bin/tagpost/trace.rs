//! `tagpost trace` and `tagpost ls`: what became of messages that were sent.

use std::collections::HashSet;

use tagpost_client::{
    AttemptedStep, DeliveryStep, DeviceId, EscalationStep, State, Step, Trace, Tried,
};

use crate::advice::Failure;
use crate::arguments::{Global, Ls, Trace as Options};
use crate::follow::follow;
use crate::output::{self, FAINT, Outcome};
use crate::session::Session;
use crate::signals::interrupted;

pub(crate) async fn run(global: &Global, options: &Options) -> Result<Outcome, Failure> {
    let client = Session::open(global)?.sender_or_operator()?;
    let trace = client.trace(options.id).await?;
    let mut timeline = Timeline::default();
    let mut show = |trace: &Trace| match global.json {
        true => output::json(trace),
        false => timeline.show(trace),
    };
    show(&trace)?;
    let trace = if options.follow && !trace.is_settled() {
        let trace = follow(&client, trace, interrupted(), show).await?;
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
    /// How many steps of the escalation were told. Each comes after those before it.
    escalations: usize,
    /// Which device was woken, and when.
    woken: HashSet<(DeviceId, i64)>,
    /// Which attempts of a device's webhook have failed.
    attempted: HashSet<(DeviceId, u32)>,
}

impl Timeline {
    /// Tells the steps that are new; before the first, which message it is.
    fn show(&mut self, trace: &Trace) -> Result<(), Failure> {
        if self.told.is_empty() && self.escalations == 0 {
            let summary = summary(trace);
            let (to, age) = (output::target(&trace.to), output::age(trace.accepted_at));
            output::line(format!("{} to {to}, {age}: {summary}", trace.id))?;
        }
        let deliveries = trace.deliveries.iter();
        let width = output::width(deliveries.map(|delivery| delivery.device.as_str()));
        let mut escalations = 0;
        for step in &trace.timeline {
            let text = match step {
                Step::Delivery(step) => {
                    let (device, note) = (step.device.clone(), step.note.clone());
                    let is_new = (self.told).insert((device, step.event, step.attempt, note));
                    is_new.then(|| delivered(trace, step, width))
                }
                Step::Escalation(step) => {
                    escalations += 1;
                    (escalations > self.escalations).then(|| escalated(step))
                }
                Step::Woken(step) => {
                    let is_new = self.woken.insert((step.device.clone(), step.at));
                    let (device, host) = (step.device.as_str(), &step.host);
                    is_new.then(|| format!("{:<13} {device:<width$}  by {host}", "woken"))
                }
                Step::Attempted(step) => {
                    let is_new = self.attempted.insert((step.device.clone(), step.attempt));
                    is_new.then(|| attempted(step, width))
                }
                _ => None,
            };
            if let Some(text) = text {
                let after = output::span(step.at() - trace.accepted_at);
                output::line(format!("{FAINT}{after:>12}{FAINT:#}  {text}").trim_end())?;
            }
        }
        self.escalations = escalations;
        Ok(())
    }
}

/// A step of a delivery, with what came back with it.
fn delivered(trace: &Trace, step: &DeliveryStep, width: usize) -> String {
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
    format!("{state} {device:<width$}  {attempt}{answer}")
}

/// A failed attempt of a webhook: what its address answered, or why it did not.
fn attempted(step: &AttemptedStep, width: usize) -> String {
    let (device, attempt) = (step.device.as_str(), step.attempt);
    let how = match step.tried {
        Tried::Status(status) => status.to_string(),
        Tried::Error(error) => error.name().to_owned(),
    };
    format!(
        "{:<13} {device:<width$}  attempt {attempt}  {how}",
        "attempted"
    )
}

/// A step of the escalation: to whom, and to how many devices or why not.
fn escalated(step: &EscalationStep) -> String {
    match step {
        EscalationStep::Escalated { to, devices, .. } => {
            let to = output::target(to);
            let noun = if *devices == 1 { "device" } else { "devices" };
            format!("{:<13} to {to}: {devices} {noun}", "escalated")
        }
        EscalationStep::EscalationFailed { to, code, .. } => {
            let to = output::target(to);
            format!("escalation_failed to {to}: {code}")
        }
    }
}

/// `2 delivered, 1 held`; of a message without deliveries, its own state.
fn summary(trace: &Trace) -> String {
    if let Some(state) = trace.state {
        return state.name().to_owned();
    }
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
