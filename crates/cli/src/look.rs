//! `tagpost peek`, and `tagpost listen --no-ack`: shows what waits for a device, and leaves everything as it is.

use std::time::Duration;

use tagpost_client::{DeviceId, Error, Waiting};

use crate::advice::Failure;
use crate::arguments::Global;
use crate::output::{self, FAINT, Outcome};
use crate::session::Session;

/// How many messages are asked for at a time.
const PAGE: u32 = 100;

/// For how many seconds a request is tried again.
const RETRY: u32 = 30;

/// Shows the messages of a device, or of the token's own, at most this many.
pub(crate) async fn run(
    global: &Global,
    device: Option<&DeviceId>,
    limit: Option<u32>,
) -> Result<Outcome, Failure> {
    let session = Session::open(global)?;
    let (client, device) = match device {
        Some(device) => (session.either()?, device.clone()),
        None => session.device_and_name()?,
    };
    let client = client.retry_for(Duration::from_secs(RETRY.into()));
    let limit = limit.unwrap_or(u32::MAX);
    let (mut left, mut after) = (limit, None::<String>);
    let mut with_payloads = true;
    while left > 0 {
        let page = client.waiting(&device, left.min(PAGE), after.as_deref(), with_payloads);
        let spinner = output::spinner("asking");
        let page = tokio::select! {
            page = page => page,
            never = output::late(global, &spinner, Duration::ZERO, RETRY) => match never {},
        };
        spinner.finish_and_clear();
        let page = match page {
            // The viewer key is shown no payloads.
            Err(Error::Refused(problem)) if with_payloads && problem.code == "forbidden" => {
                with_payloads = false;
                continue;
            }
            page => page.map_err(not_served)?,
        };
        for message in &page.entries {
            output::object(global, message, line)?;
        }
        left = left.saturating_sub(u32::try_from(page.entries.len()).unwrap_or(left));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if left == limit && !global.json {
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
        Ok(Some(text)) => output::text(&text),
        Ok(None) | Err(_) => output::bytes(message.size, &message.content_type),
    };
    let (from, to) = (&message.from, &message.to);
    let state = message.state.as_str();
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
            let problem = serde_json::json!({ "status": 404, "code": code, "detail": "not there" });
            let problem: Problem = serde_json::from_value(problem).unwrap();
            format!("{:?}", not_served(Error::Refused(problem)))
        };
        assert!(told("not_found").contains("too old"));
        assert!(!told("unknown_device").contains("too old"));
    }
}
