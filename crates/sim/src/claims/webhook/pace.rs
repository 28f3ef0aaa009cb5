//! How much is under way to an address, and when what waits for it is tried.

use tagpost_core::id::MessageId;
use tagpost_core::time::Millis;

use super::super::rows::InboxRow;
use super::super::{Alarm, Checked, Ledger, claim};
use super::{Pause, State, answers};

/// What a mailbox finds overdue when it is opened waits for so long.
const OPENING_PAUSE: Millis = 1_000;
/// After this many attempts over connections a message may be a suspect, which others make way for.
const SUSPECT: usize = 3;

impl Ledger {
    /// A mailbox in memory has handled an event, at this time of its clock. It has a socket or not, and calls wait for
    /// these messages.
    pub(crate) fn address_is_served(
        &mut self,
        device: usize,
        waiting: &[MessageId],
        has_socket: bool,
        alarm: Alarm,
        now: Millis,
    ) -> Checked {
        if self.webhooks[device].state.is_none() {
            return Ok(());
        }
        if has_socket {
            // It has taken over: what was under way is sent there, or waits.
            self.webhooks[device].forget();
            self.waits_for_no_answers(device);
            return Ok(());
        }
        self.waits_for_what_is_under_way(device);
        self.is_within_width(device, waiting)?;
        self.is_tried(device, waiting, alarm, now)
    }

    /// What was posted before memory was lost waits like anything else, for room or for its pause, once the mailbox is
    /// open again.
    fn waits_for_what_is_under_way(&mut self, device: usize) {
        let under_way = &self.webhooks[device].under_way;
        let tracks = self.deliveries.iter_mut();
        let others = tracks.filter(|((id, to), _)| *to == device && !under_way.contains_key(id));
        others.for_each(|(_, track)| track.asked_until = None);
    }

    /// No more is under way than allowed, unless less is allowed than before.
    fn is_within_width(&mut self, device: usize, waiting: &[MessageId]) -> Checked {
        let rows = &self.tables[device].inbox;
        let tracks = &self.deliveries;
        let is_open = |id: &MessageId| match rows.get(id) {
            Some(row) => !row.settled,
            None => {
                let track = tracks.get(&(*id, device));
                let is_stored = track.is_some_and(|track| track.stored_at.is_some());
                !is_stored && waiting.contains(id)
            }
        };
        let webhook = &mut self.webhooks[device];
        webhook.under_way.retain(|id, _| is_open(id));
        let count = webhook.under_way.len();
        let before = std::mem::replace(&mut webhook.before, count);
        let state = webhook.state.as_ref();
        let width = state.map_or(0, State::width);
        claim(
            "no more is posted at a time than is set",
            count <= width.max(before),
            || format!("device {device}: {count} of {width}, before {before}: {webhook:?}"),
        )?;
        claim(
            "an address that is cut off gets one message at a time",
            !state.is_some_and(|it| it.is_cut_off) || count <= before.max(1),
            || format!("device {device}: {count}, before {before}: {webhook:?}"),
        )
    }

    /// What waits for an address, while nothing is under way there, is tried soon enough.
    fn is_tried(&self, device: usize, waiting: &[MessageId], alarm: Alarm, now: Millis) -> Checked {
        let webhook = &self.webhooks[device];
        let is_posting = webhook.state.as_ref().is_some_and(|it| it.width() > 0);
        let is_idle = waiting.is_empty() && webhook.under_way.is_empty();
        if !is_posting || !is_idle || !self.is_bound(device) {
            return Ok(());
        }
        let rows = self.tables[device].inbox.iter();
        let open: Vec<_> = rows.filter(|(_, row)| !row.settled).collect();
        let holds_up = |(id, row): &(&MessageId, &InboxRow)| {
            let track = self.deliveries.get(&(**id, device));
            let attempts = track.iter().flat_map(|track| &track.attempts);
            let over_connections = attempts.filter(|attempt| attempt.connection.is_some());
            row.retry_at > 0 || over_connections.take(SUSPECT).count() == SUSPECT
        };
        if open.iter().any(holds_up) {
            return Ok(());
        }
        let mut latest = None;
        for (id, _) in open {
            let track = self.deliveries.get(&(*id, device));
            if track.is_some_and(|track| track.work.may_be_on(now)) {
                continue;
            }
            // How often the mailbox has counted a failure is not known once it was told that none counts any longer.
            let until = match track.and_then(|track| track.pause) {
                Some(pause) => pause.longest,
                None if track.is_some_and(|track| track.asked > 0) => now + answers::LONGEST,
                None => now,
            };
            latest = latest.max(Some(until));
        }
        let Some(latest) = latest else { return Ok(()) };
        let latest = latest.max(now).max(alarm.opened_at + OPENING_PAUSE);
        claim(
            "what waits for an address is tried when its pause is over",
            alarm.at.is_some_and(|at| at <= latest) || alarm.postponed,
            || format!("device {device} at {now}: {alarm:?}, {latest}, {webhook:?}"),
        )
    }

    /// When something is due: answers count as lost, and receipts pause.
    pub(in crate::claims) fn posts_due(&self, device: usize) -> Vec<Millis> {
        let tables = &self.tables[device];
        let webhook = &self.webhooks[device];
        let open = tables.inbox.iter().filter(|(_, row)| !row.settled);
        let asked = open.filter_map(|(id, _)| {
            let track = self.deliveries.get(&(*id, device))?;
            track.asked_until.filter(|_| !track.work.is_on())
        });
        let pause = webhook.state.as_ref().and_then(|state| state.receipts);
        let pause = pause.map(|pause| pause.until);
        let receipts = webhook.receipts.map(|(_, due_at)| due_at);
        let receipts = receipts.into_iter().chain(pause);
        let receipts = receipts.filter(|at| *at > tables.latest);
        asked.chain(receipts).collect()
    }

    /// The alarm of a mailbox has gone off, and answers that were due by its clock count as lost.
    pub(in crate::claims) fn gives_answers_up(&mut self, device: usize) {
        let now = self.tables[device].now;
        let webhook = &mut self.webhooks[device];
        if webhook.state.is_none() {
            return;
        }
        webhook.receipts = webhook.receipts.filter(|(_, due_at)| *due_at > now);
        let tracks = self.deliveries.iter_mut();
        let own = tracks.filter(|((_, to), _)| *to == device);
        for ((id, _), track) in own {
            if track.asked_until.take_if(|due_at| *due_at <= now).is_none() {
                continue;
            }
            let is_open = self.tables[device].inbox.get(id);
            let is_open = is_open.is_some_and(|row| !row.settled);
            if webhook.under_way.remove(id).is_some() && is_open {
                track.pause = Some(Pause::after(now, track.asked, None));
            }
        }
    }
}
