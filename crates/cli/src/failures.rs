//! `tagpost failures` and `tagpost resend`: listing what has failed, and sending a message again.

use tagpost_client::{FailedDelivery, FailureFilter};

use crate::advice::Failure;
use crate::arguments::{Failures, Global, Resend};
use crate::clock;
use crate::output::{self, FAINT, Outcome};
use crate::send::report;
use crate::session::Session;
use crate::signals::interrupted;

/// How many failures are asked for at a time.
const PAGE: u32 = 1_000;

pub(crate) async fn list(global: &Global, options: Failures) -> Result<Outcome, Failure> {
    let client = Session::open(global)?.operator()?;
    let filter = FailureFilter {
        since: options.since.map(clock::ago),
        state: options.state,
        tag: options.tag,
        device: options.device,
        sender: options.sender,
    };
    let (mut left, mut after, mut is_off) = (options.limit, None::<String>, false);
    while left > 0 {
        let limit = left.min(PAGE);
        let page = client.failures(&filter, limit, after.as_deref()).await?;
        for failure in &page.entries {
            output::object(global, failure, line)?;
        }
        left = left.saturating_sub(u32::try_from(page.entries.len()).unwrap_or(left));
        is_off = page.is_off;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if !global.json {
        if is_off {
            output::note("The service no longer lists failures (FAILURES=off).");
        } else if left == options.limit {
            output::note("No failures.");
        }
    }
    Ok(Outcome::Done)
}

pub(crate) async fn resend(global: &Global, options: &Resend) -> Result<Outcome, Failure> {
    let client = Session::open(global)?.sender_or_operator()?;
    let spinner = output::spinner("sending again");
    let sent = client.resend(options.id, &options.device, options.key.as_ref());
    let sent = sent.await;
    spinner.finish_and_clear();
    report(global, &client, sent?, options.follow, interrupted()).await
}

/// `2h ago  expired  kitchen-cam  01J…  from doorbell to hallway  reason`
fn line(failure: &FailedDelivery) -> String {
    let FailedDelivery {
        id, sender, device, ..
    } = failure;
    let (age, state) = (output::age(failure.at), output::state(failure.state));
    let to = failure.tag.as_deref().map(|tag| format!(" to {tag}"));
    let to = output::visible(&to.unwrap_or_default());
    let resent = failure.resent_as.map(|id| format!(", resent as {id}"));
    let resent = resent.unwrap_or_default();
    let reason = output::answer(None, failure.reason.as_deref());
    format!(
        "{FAINT}{age:>8}{FAINT:#}  {state} {device}  {FAINT}{id} from {sender}{to}{resent}{FAINT:#}  {reason}"
    )
    .trim_end()
    .to_owned()
}
