//! `tagpost device pair`: a link with which a phone becomes a device.
//!
//! The link is a credential: it goes to standard output alone, since standard error may end up in a log.

use std::io::{self, IsTerminal};

use tagpost_client::{DeviceId, Grant as Request};

use crate::advice::Failure;
use crate::arguments::{Global, Grant};
use crate::output;
use crate::qr;
use crate::session::Session;

/// In a pipe, the link alone goes to standard output, so that it can be put where it belongs.
pub(crate) async fn run(global: &Global, device: &DeviceId, grant: &Grant) -> Result<(), Failure> {
    let client = Session::open(global)?.operator()?;
    // A phone receives and answers. To publish, it has to be told where.
    let request = Request {
        publish: Some(grant.publish.clone()),
        ..grant.request()
    };
    let issued = client.pairing_code(device, &request).await?;
    output::object(global, &issued, |issued| issued.url.clone())?;
    if global.json {
        return Ok(());
    }
    if io::stdout().is_terminal()
        && let Some(picture) = qr::draw(&issued.url)
    {
        output::line(format!("\n{picture}\n"))?;
    }
    output::note(format!(
        "Open it on the phone within ten minutes: the first to do so becomes {device}, so keep it as you keep a token. \
         If the phone says that it was used already, somebody else has it: `tagpost device revoke {device}`."
    ));
    Ok(())
}
