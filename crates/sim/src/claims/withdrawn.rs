//! A device is told that a message has ended only once it has, and for the right reason.

use tagpost_core::delivery::{Delivery, State, Withdrawal};
use tagpost_core::id::MessageId;

use super::{Checked, Ledger, broken, claim};

impl Ledger {
    /// A mailbox tells its device that a message has ended. `lives` is how often it has lost its memory.
    pub(crate) fn withdrawn(
        &mut self,
        device: usize,
        id: MessageId,
        reason: Withdrawal,
        lives: (u32, u32),
    ) -> Checked {
        let row = self.tables[device].inbox.get(&id);
        claim(
            "a message is withdrawn only once it has ended",
            row.is_none_or(|row| row.settled),
            || format!("{id} from device {device}, {reason:?}: {row:?}"),
        )?;
        // A mailbox that fails after its commit has stored an attempt, and not made it.
        let stored = row.is_some_and(|row| row.last > 0);
        let track = self.deliveries.entry((id, device)).or_default();
        claim(
            "a message is withdrawn only from a device that had it",
            track.wire.is_some() || track.work.times > 0 || stored,
            || format!("{id} from device {device}, {reason:?}"),
        )?;
        track.withdrawn = Some(lives);
        let Some(text) = &track.settled else {
            return Ok(());
        };
        let settled: Delivery = serde_json::from_str(text).map_err(broken)?;
        let is_enough = settled.reason.as_deref() == Some("enough");
        let fits = match reason {
            Withdrawal::Cancelled => settled.state == State::Cancelled && !is_enough,
            Withdrawal::Enough => settled.state == State::Cancelled && is_enough,
            Withdrawal::Replaced => settled.state == State::Replaced,
            Withdrawal::Expired => settled.state == State::Expired,
        };
        claim("a withdrawal gives the reason of the end", fits, || {
            format!("{id} from device {device}, {reason:?}: {settled:?}")
        })
    }
}
