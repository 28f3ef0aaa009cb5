//! A message that its device works on is not sent again before its time is over.
//!
//! What a mailbox has promised is seen in its call to the sender's mailbox, which it makes with the commit.

use tagpost_core::call::Progress;
use tagpost_core::id::MessageId;
use tagpost_core::time::Millis;

use super::{Checked, Ledger, Track, claim};

/// What is known of a device's work on a message.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// Until when it is not to be sent, by the mailbox's clock; 0 once it was sent again.
    pub(super) until: Millis,
    /// The same, even if it was sent again. A crash and a clock that is set back make it hold once more.
    last: Millis,
    /// How often the device said that it works on it. Each of these may have timed out.
    pub(super) times: u32,
}

impl Work {
    /// Whether the device works on the message, or has done so since it was last sent.
    pub(super) fn is_on(&self) -> bool {
        self.until > 0
    }

    /// Whether its mailbox may take it to be so at this time.
    pub(super) fn may_be_on(&self, now: Millis) -> bool {
        self.is_on() || self.last > now
    }
}

impl Ledger {
    /// A mailbox has committed that its device works on a message.
    pub(crate) fn promised(&mut self, device: usize, progress: &Progress, now: Millis) -> Checked {
        let row = self.tables[device].inbox.get(&progress.id);
        claim("a message in progress is stored", row.is_some(), || {
            format!("{progress:?}: {row:?}")
        })?;
        // The same event may bring its answer, too.
        if row.is_some_and(|row| row.settled) {
            return Ok(());
        }
        claim(
            "progress never lasts beyond the expiry",
            row.is_none_or(|row| progress.until <= row.expires_at) && progress.until > now,
            || format!("{progress:?} at {now}: {row:?}"),
        )?;
        let track = self.deliveries.entry((progress.id, device)).or_default();
        (track.work.until, track.work.last) = (progress.until, progress.until);
        track.work.times += 1;
        self.waits_for_no_answer(device, progress.id);
        Ok(())
    }

    /// A message is sent, at this time of the mailbox's clock, which may have been set back meanwhile. Returns
    /// whether the device has worked on it since it was last sent.
    pub(super) fn sent_again(
        &mut self,
        device: usize,
        id: MessageId,
        now: Millis,
    ) -> Checked<bool> {
        let latest = self.tables[device].latest.max(now);
        let track = self.deliveries.entry((id, device)).or_default();
        let until = std::mem::take(&mut track.work.until);
        claim(
            "a message in progress is not sent before its time is over",
            until <= latest,
            || format!("{id} to device {device} at {now}, in progress until {until}"),
        )?;
        Ok(until > 0)
    }

    /// How many messages of a device are in progress was told.
    pub(super) fn counts_progress(&self, device: usize, told: u32, now: Millis) -> Checked {
        let open = |id: &MessageId| {
            let row = self.tables[device].inbox.get(id);
            row.is_some_and(|row| !row.settled)
        };
        let count = |holds: &dyn Fn(&Work) -> bool| {
            let tracks = self.deliveries.iter();
            let in_progress = tracks.filter(|((id, to), track): &(&(MessageId, usize), &Track)| {
                *to == device && holds(&track.work) && open(id)
            });
            in_progress.count()
        };
        // Progress that has ended need not begin again if the clock is set back.
        let latest = self.tables[device].latest.max(now);
        let least = count(&|work| work.until > latest);
        let most = count(&|work| work.last > now);
        claim(
            "the messages in progress are counted",
            (least..=most).contains(&(told as usize)),
            || format!("device {device}: {told} instead of {least} to {most}"),
        )
    }
}
