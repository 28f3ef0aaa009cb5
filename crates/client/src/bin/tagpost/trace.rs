//! `tagpost trace` and `tagpost ls`: what became of messages that were sent.

use tagpost_client::{Client, Trace};

use crate::advice::Failure;
use crate::arguments::{Global, Ls, Trace as Options};
use crate::output::{self, FAINT, Outcome};
use crate::send::{Form, Report};
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
    let trace = if options.follow {
        follow(&client, trace).await?
    } else {
        trace
    };
    if global.json {
        output::json(&trace)?;
    } else {
        show(&trace)?;
    }
    Ok(Outcome::of(&trace))
}

async fn follow(client: &Client, trace: Trace) -> Result<Trace, Failure> {
    // What settles meanwhile is part of the timeline that is shown at the end.
    let mut report = Report::new(Form::Silent);
    report.follow(client, trace).await
}

fn show(trace: &Trace) -> Result<(), Failure> {
    let summary = summary(trace);
    let (to, age) = (output::target(&trace.to), output::age(trace.accepted_at));
    output::line(format!("{} to {to}, {age}: {summary}", trace.id))?;
    for step in &trace.timeline {
        let after = step.at - trace.accepted_at;
        let state = output::state(step.event);
        let attempt = match step.attempt {
            0 | 1 => String::new(),
            attempt => format!("attempt {attempt}"),
        };
        let delivery = trace
            .deliveries
            .iter()
            .find(|delivery| delivery.device == step.device);
        let answer = delivery
            .filter(|delivery| delivery.state == step.event && step.event.is_last())
            .map(|delivery| output::answer(delivery.reply.as_deref(), delivery.reason.as_deref()))
            .unwrap_or_default();
        let words = [attempt, answer]
            .into_iter()
            .filter(|word| !word.is_empty());
        let words = words.collect::<Vec<_>>().join("  ");
        let line = format!(
            "{FAINT}{after:>9} ms{FAINT:#}  {state} {}  {words}",
            step.device
        );
        output::line(line.trim_end())?;
    }
    Ok(())
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
    for message in &page.messages {
        output::object(global, message, |message| {
            let (to, age) = (
                output::target(&message.to),
                output::age(message.accepted_at),
            );
            format!(
                "{}  {FAINT}{age:>8}{FAINT:#}  {to}  {}",
                message.id,
                summary(message)
            )
        })?;
    }
    if page.messages.is_empty() && !global.json {
        output::note("This device has sent nothing that is still known.");
    } else if page.next.is_some() && !global.json {
        output::note("There are more; --limit shows up to 1000.");
    }
    Ok(Outcome::Done)
}
