//! Follows a message until every delivery is settled, or somebody asks to end.

use tagpost_client::{Client, Trace};

use crate::advice::Failure;
use crate::output;

/// Seconds after which a message that has settled only in part is looked at again.
const INTERVAL: u32 = 1;

/// Waits until all is settled. `tell` is given the message whenever something has changed. When `stop` ends,
/// this is the message as it was seen last, with what is open.
pub(crate) async fn follow(
    client: &Client,
    mut last: Trace,
    stop: impl Future<Output = ()>,
    mut tell: impl FnMut(&Trace) -> Result<(), Failure>,
) -> Result<Trace, Failure> {
    let spinner = output::spinner(&waiting(&last));
    tokio::pin!(stop);
    while !last.is_settled() {
        // The service answers at once when all is settled; what comes before that is worth being told too.
        let next = tokio::select! {
            next = client.trace_within(last.id, INTERVAL) => next?,
            () = &mut stop => break,
        };
        if next.summary != last.summary || next.timeline.len() > last.timeline.len() {
            spinner.set_message(waiting(&next));
            spinner.suspend(|| tell(&next))?;
        }
        last = next;
    }
    spinner.finish_and_clear();
    Ok(last)
}

fn waiting(message: &Trace) -> String {
    let deliveries = message.deliveries.iter();
    let open = deliveries.filter(|delivery| !delivery.state.is_terminal());
    format!(
        "waiting for {} of {}",
        open.count(),
        message.deliveries.len()
    )
}
