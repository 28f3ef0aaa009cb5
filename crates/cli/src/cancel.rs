//! `tagpost cancel`: takes back what is open of a message.

use crate::advice::Failure;
use crate::arguments::{Cancel, Global};
use crate::output::{self, Outcome};
use crate::send::Report;
use crate::session::Session;

pub(crate) async fn run(global: &Global, options: &Cancel) -> Result<Outcome, Failure> {
    let client = Session::open(global)?.sender_or_operator()?;
    let message = client.cancel(options.id).await?;
    let mut report = Report::new(global);
    report.show(&message)?;
    if !message.is_settled() {
        report.rest(&message)?;
        return Ok(Outcome::Open);
    }
    // One that was not handed over yet has no deliveries.
    if let Some(state) = message.state.filter(|_| !global.json) {
        output::line(state.as_str())?;
    }
    Ok(Outcome::Done)
}
