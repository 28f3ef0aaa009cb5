//! `tagpost listen --no-ack`: shows what waits for the device, and leaves everything as it is.

use tagpost_client::{Error, Waiting};

use crate::advice::Failure;
use crate::arguments::{Global, Listen};
use crate::output::{self, FAINT, Outcome};
use crate::session::Session;

/// How many messages are asked for at a time.
const PAGE: u32 = 100;

pub(crate) async fn run(global: &Global, options: &Listen) -> Result<Outcome, Failure> {
    let session = Session::open(global)?;
    let (client, device) = session.device_and_name()?;
    let limit = if options.once { 1 } else { PAGE };
    let mut after: Option<String> = None;
    let mut shown = 0_usize;
    loop {
        let page = client.waiting(&device, limit, after.as_deref(), true).await;
        let page = page.map_err(not_served)?;
        for message in &page.entries {
            output::object(global, message, line)?;
        }
        shown += page.entries.len();
        after = page.next;
        if after.is_none() || options.once && shown > 0 {
            break;
        }
    }
    if shown == 0 && !global.json {
        output::note(format!("No messages are waiting for {device}."));
    }
    Ok(Outcome::Done)
}

/// A service that is older than this command cannot be looked into.
fn not_served(error: Error) -> Failure {
    let is_missing = matches!(&error, Error::Refused(problem) if problem.code == "not_found");
    let failure = Failure::from(error);
    if is_missing {
        return failure.advise("This service is too old to show what waits; upgrade it.");
    }
    failure
}

fn line(message: &Waiting) -> String {
    let payload = match message.text() {
        Ok(text) => output::text(&text.unwrap_or_default()),
        Err(_) => output::bytes(message.size, &message.content_type),
    };
    let (from, to) = (&message.from, output::target(&message.to));
    let state = tagpost_client::state_name(message.state);
    let attempts = match message.attempts {
        0 => String::new(),
        1 => ", 1 attempt".to_owned(),
        attempts => format!(", {attempts} attempts"),
    };
    format!(
        "{from} {FAINT}to {to}, {}, {state}{attempts}:{FAINT:#} {payload}",
        message.id
    )
}

#[cfg(test)]
mod tests {
    use tagpost_client::Problem;

    use super::*;

    #[test]
    fn a_service_that_is_too_old_is_named_and_a_device_that_is_not_there_is_another_thing() {
        let told = |code: &str| {
            let problem = Problem {
                status: 404,
                code: code.to_owned(),
                detail: "not there".to_owned(),
                retry_after: None,
            };
            format!("{:?}", not_served(Error::Refused(problem)))
        };
        assert!(told("not_found").contains("too old"));
        assert!(!told("unknown_device").contains("too old"));
    }
}
