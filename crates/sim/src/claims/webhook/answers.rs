//! What an address has answered: a message that it has taken settles, one that it has failed pauses, and an address
//! that has failed five times in a row is cut off.

use tagpost_core::delivery::{Delivery, State};
use tagpost_core::id::MessageId;
use tagpost_core::mailbox::PostPurpose;
use tagpost_core::time::Millis;
use tagpost_core::webhook::{PostError, PostResponse};

use crate::claims::{Checked, Ledger, Wire, broken, claim};

/// The least pause.
const LEAST: Millis = 5_000;
/// The longest pauses after the first failures. Every further one is an hour, and up to a tenth more.
const PAUSES: [Millis; 5] = [5_000, 30_000, 120_000, 600_000, 1_800_000];
/// The longest of all.
pub(super) const LONGEST: Millis = 3_960_000;
/// The longest that an address may ask for.
const HOUR: Millis = 3_600_000;
/// How many failures in a row cut an address off.
const CUT_OFF: u32 = 5;

/// How long a message pauses that its address has failed, by the mailbox's clock.
#[derive(Debug, Clone, Copy)]
pub(in crate::claims) struct Pause {
    pub(super) least: Millis,
    pub(super) longest: Millis,
}

impl Pause {
    /// After a failure at this time, of a message that was posted so often. Each was one failure at most.
    pub(super) fn after(now: Millis, asked: u32, retry_after: Option<u32>) -> Self {
        let wanted = (i64::from(retry_after.unwrap_or(0)) * 1000).min(HOUR);
        let place = asked.saturating_sub(1) as usize;
        // The first pauses grow, so one that is counted too early is not too short.
        let longest = PAUSES.get(place).copied().unwrap_or(LONGEST);
        Self {
            least: now + LEAST.max(wanted),
            longest: now + longest.max(wanted),
        }
    }
}

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Taken,
    Rejected,
    Works,
    Gone,
    /// With the seconds that the address asks to be left alone.
    Failed(Option<u32>),
}

impl Meaning {
    fn of(outcome: &Result<PostResponse, PostError>) -> Self {
        match outcome {
            Err(_) => Self::Failed(None),
            Ok(response) => match (response.status, response.retry_after) {
                (202, Some(_)) => Self::Works,
                (200..=299, _) => Self::Taken,
                (422, _) => Self::Rejected,
                (410, _) => Self::Gone,
                (429 | 503, retry_after) => Self::Failed(retry_after),
                _ => Self::Failed(None),
            },
        }
    }
}

/// An answer about a message that reaches a mailbox.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answered {
    id: MessageId,
    meaning: Meaning,
    /// The message was stored, and not settled.
    was_open: bool,
    /// The mailbox waited for it.
    counts: bool,
}

impl Ledger {
    /// An answer reaches a mailbox, at this time of its clock.
    pub(crate) fn address_answers(
        &mut self,
        device: usize,
        purpose: PostPurpose,
        outcome: &Result<PostResponse, PostError>,
        now: Millis,
    ) -> Option<Answered> {
        let webhook = &mut self.webhooks[device];
        let (id, attempt) = match purpose {
            PostPurpose::Message { id, attempt } => (id, attempt),
            PostPurpose::Receipts { batch, .. } => {
                webhook.receipts = webhook.receipts.filter(|(number, _)| *number != batch);
                return None;
            }
            PostPurpose::Test(_) => return None,
        };
        let meaning = Meaning::of(outcome);
        let counts = webhook.under_way.get(&id) == Some(&attempt);
        let row = self.tables[device].inbox.get(&id);
        let was_open = row.is_some_and(|row| !row.settled);
        let track = self.deliveries.entry((id, device)).or_default();
        if counts && meaning != Meaning::Works {
            webhook.under_way.remove(&id);
        }
        let is_last = |wire: Wire| wire.posted && wire.attempt == attempt;
        if track.wire.is_some_and(is_last) && meaning != Meaning::Works {
            track.asked_until = None;
        }
        match meaning {
            Meaning::Failed(retry_after) if counts => {
                webhook.failures += 1;
                track.pause = Some(Pause::after(now, track.asked, retry_after));
            }
            Meaning::Gone if counts => track.pause = Some(Pause::after(now, track.asked, None)),
            Meaning::Taken | Meaning::Rejected | Meaning::Works if counts => webhook.failures = 0,
            _ => {}
        }
        Some(Answered {
            id,
            meaning,
            was_open,
            counts,
        })
    }

    /// A mailbox has committed an answer.
    pub(crate) fn answer_is_taken(&mut self, device: usize, answered: Answered) -> Checked {
        let Answered {
            id,
            meaning,
            was_open,
            counts,
        } = answered;
        let what = || format!("device {device}: {answered:?}");
        let track = self.deliveries.entry((id, device)).or_default();
        let settled = track.settled.as_deref();
        let settled = settled.map(serde_json::from_str::<Delivery>);
        let settled = settled.transpose().map_err(broken)?.map(|it| it.state);
        let ends = match meaning {
            Meaning::Taken => Some(State::Delivered),
            Meaning::Rejected => Some(State::Rejected),
            _ => None,
        };
        if let Some(end) = ends.filter(|_| self.is_bound(device)) {
            self.has_answered(device, id)?;
            claim(
                "what an address has taken or rejected ends so",
                !was_open || settled == Some(end),
                || format!("{}, {settled:?}", what()),
            )?;
        }
        let webhook = &self.webhooks[device];
        let state = webhook.state.as_ref();
        let is_enabled = state.is_some_and(|it| it.is_enabled());
        claim(
            "an address that is gone is posted to no longer",
            meaning != Meaning::Gone || !counts || !is_enabled,
            what,
        )?;
        claim(
            "an address that has failed five times in a row is cut off",
            webhook.failures < CUT_OFF || state.is_none_or(|it| it.is_cut_off || !is_enabled),
            || format!("{}, {webhook:?}", what()),
        )
    }

    /// A mailbox has failed at an answer. Whether that was committed, only its rows tell.
    pub(crate) fn answer_is_lost(&mut self, device: usize, answered: Answered) {
        let track = self.deliveries.entry((answered.id, device)).or_default();
        track.pause = None;
    }
}
