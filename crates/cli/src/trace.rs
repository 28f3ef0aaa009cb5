//! `tagpost trace` and `tagpost ls`: what became of messages that were sent.

use std::collections::HashSet;
use std::io::{self, IsTerminal, Write};

use tagpost_client::{
    AttemptedStep, DeliveryStep, DeviceId, EscalationStep, Payload, State, Step, Trace, Tried,
};

use crate::advice::Failure;
use crate::arguments::{Global, Ls, Trace as Options};
use crate::clock;
use crate::follow::follow;
use crate::output::{self, FAINT, Outcome};
use crate::session::Session;
use crate::signals::interrupted;

pub(crate) async fn run(global: &Global, options: &Options) -> Result<Outcome, Failure> {
    let client = Session::open(global)?.sender_or_operator()?;
    if options.payload {
        print(&client.payload(options.id).await?)?;
        return Ok(Outcome::Done);
    }
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

/// Prints a payload as it is; on a terminal, only what a terminal can show.
fn print(payload: &Payload) -> Result<(), Failure> {
    let mut out = io::stdout();
    if !out.is_terminal() {
        out.write_all(&payload.bytes)?;
        return Ok(out.flush()?);
    }
    match std::str::from_utf8(&payload.bytes) {
        Ok(text) => output::line(output::text(text)),
        Err(_) => {
            let told = output::bytes(payload.bytes.len(), &payload.content_type);
            output::note(format!("{told}: send it to a file with >."));
            Ok(())
        }
    }
}

/// How many messages are asked for at a time.
const PAGE: u32 = 100;

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
            let (to, age) = (&trace.to, output::age(trace.accepted_at));
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
            let noun = if *devices == 1 { "device" } else { "devices" };
            format!("{:<13} to {to}: {devices} {noun}", "escalated")
        }
        EscalationStep::EscalationFailed { to, code, .. } => {
            format!("escalation_failed to {to}: {code}")
        }
    }
}

/// `2 delivered, 1 held`; of a message without deliveries, its own state.
fn summary(trace: &Trace) -> String {
    if let Some(state) = trace.state {
        return state.as_str().to_owned();
    }
    let counts = trace.summary.iter();
    let words = counts.map(|(state, count)| format!("{count} {state}"));
    words.collect::<Vec<_>>().join(", ")
}

pub(crate) async fn list(global: &Global, options: Ls) -> Result<Outcome, Failure> {
    let session = Session::open(global)?;
    let client = match &options.sender {
        Some(_) => session.either()?,
        None => session.device()?,
    };
    let since = options.since.map(clock::ago);
    let is_wanted = |message: &Trace| options.to.as_ref().is_none_or(|to| message.to == *to);
    let (mut shown, mut after) = (0, options.after);
    // The last message that was listed, once there is one more than may be.
    let mut more = None;
    loop {
        let page = match &options.sender {
            Some(sender) => client.messages_of(sender, options.state, PAGE, after).await,
            None => client.messages(options.state, PAGE, after).await,
        };
        let page = page?;
        let is_recent = |message: &&Trace| since.is_none_or(|since| message.accepted_at >= since);
        let recent: Vec<_> = page.messages.iter().take_while(is_recent).collect();
        let is_last = page.next.is_none() || recent.len() < page.messages.len();
        let mut wanted: Vec<_> = recent
            .into_iter()
            .filter(|message| is_wanted(message))
            .collect();
        let room = options.limit - shown;
        if wanted.len() > room as usize {
            wanted.truncate(room as usize);
            more = wanted.last().map(|message| message.id).or(after);
        }
        list_page(global, &wanted)?;
        shown += u32::try_from(wanted.len()).unwrap_or(room);
        after = page.next;
        if is_last || more.is_some() {
            break;
        }
    }
    if !global.json {
        if shown == 0 {
            output::note("No stored messages.");
        } else if let Some(last) = more {
            output::note(format!(
                "There are more: `tagpost ls --after {last}`, or a higher --limit."
            ));
        }
    }
    Ok(Outcome::Done)
}

fn list_page(global: &Global, messages: &[&Trace]) -> Result<(), Failure> {
    let targets = messages.iter().map(|message| message.to.to_string());
    let width = output::width(targets);
    for message in messages {
        output::object(global, message, |message| {
            let (to, age) = (message.to.to_string(), output::age(message.accepted_at));
            format!(
                "{}  {FAINT}{age:>8}{FAINT:#}  {to:<width$}  {}",
                message.id,
                summary(message)
            )
        })?;
    }
    Ok(())
}
