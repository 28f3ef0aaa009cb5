//! Devices that are addresses: what is posted there, to which address, how much at a time, and in which order.
//!
//! What is set is read from the committed row of the account. What is under way is what the world has seen posted and
//! not answered, in the present life of the mailbox; what a mailbox may have given up already is under way no longer.
//! What an answer means is in [`answers`], how much is posted and when in [`pace`], receipts are in [`receipts`].

mod answers;
mod pace;
mod receipts;

use std::collections::BTreeMap;

use serde::Deserialize;
use tagpost_core::id::MessageId;
use tagpost_core::message::Urgency;
use tagpost_core::store::Row;
use tagpost_core::time::Millis;
use tagpost_core::webhook::{Disabled, Events, Setting};

pub(super) use self::answers::Pause;
use super::rows::{InboxRow, all};
use super::wire::Sent;
use super::{Checked, Ledger, broken, claim};
use crate::store::{Sqlite, Written};

/// How long after the time of a request its answer counts as lost.
const GRACE: Millis = 10_000;

/// What is known of a device's webhook.
#[derive(Debug, Default)]
pub(super) struct Webhook {
    state: Option<State>,
    /// The messages whose answers the mailbox waits for, with their attempts.
    under_way: BTreeMap<MessageId, u32>,
    /// How many there were after the last event.
    before: usize,
    /// How many attempts in a row have failed in this life of the mailbox.
    failures: u32,
    /// The request for receipts that is under way, and when its answer counts as lost.
    receipts: Option<(u32, Millis)>,
}

/// The account's column.
#[derive(Debug, Deserialize)]
struct State {
    setting: Setting,
    disabled: Option<Disabled>,
    #[serde(default)]
    is_cut_off: bool,
    receipts: Option<ReceiptPause>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct ReceiptPause {
    #[serde(rename = "u")]
    until: Millis,
}

/// A message that a mailbox posts.
#[derive(Debug)]
pub(crate) struct Posted<'a> {
    pub(crate) id: MessageId,
    pub(crate) attempt: u32,
    pub(crate) url: &'a str,
    /// The sender, as the headers say.
    pub(crate) from: usize,
    /// The publish, as the payload says.
    pub(crate) op: u32,
    /// As the headers say.
    pub(crate) expires_at: Millis,
    pub(crate) timeout: Millis,
    /// How often the mailbox has lost what it had not stored.
    pub(crate) losses: u32,
    /// How often it has lost its memory.
    pub(crate) lives: u32,
    /// By the clock of the mailbox.
    pub(crate) now: Millis,
}

impl State {
    fn is_enabled(&self) -> bool {
        self.disabled.is_none()
    }

    /// How many messages are posted at a time.
    fn width(&self) -> usize {
        match self.is_enabled() && self.setting.posts(Events::Message) {
            true => self.setting.max_in_flight as usize,
            false => 0,
        }
    }
}

/// The address that is posted to.
fn address(state: Option<&State>) -> Option<&str> {
    let enabled = state.filter(|state| state.is_enabled());
    enabled.map(|state| state.setting.url.as_str())
}

impl Webhook {
    /// Nothing is under way any longer.
    fn forget(&mut self) {
        self.under_way.clear();
        (self.before, self.failures, self.receipts) = (0, 0, None);
    }
}

impl Ledger {
    /// Reads what a mailbox has committed about its webhook.
    pub(super) fn read_webhook(
        &mut self,
        place: usize,
        store: &Sqlite,
        written: Written,
    ) -> Checked {
        if !written.account {
            return Ok(());
        }
        let text = all(store, "SELECT webhook FROM account", |mut row: Row| {
            row.opt_text()
        })?;
        let text = text.into_iter().flatten().next();
        let state = text.map(|text| serde_json::from_str::<State>(&text));
        let state = state.transpose().map_err(broken)?;
        let webhook = &mut self.webhooks[place];
        let before = std::mem::replace(&mut webhook.state, state);
        let state = webhook.state.as_ref();
        let is_gone = |state: &State| !state.is_enabled();
        let is_disabled = state.is_some_and(is_gone) && !before.as_ref().is_some_and(is_gone);
        let has_moved = address(before.as_ref()) != address(state);
        let timeout = state.map(|state| state.setting.timeout_ms());
        let is_cut_off = |state: &State| state.is_cut_off;
        let comes_back = before.as_ref().is_some_and(is_cut_off) && !state.is_some_and(is_cut_off);
        if has_moved {
            webhook.forget();
            self.waits_for_no_answers(place);
        }
        self.may_take_longer(place, timeout.unwrap_or(0));
        if has_moved || comes_back {
            self.pauses_end(place);
        }
        if is_disabled {
            self.is_disabled(place);
        }
        Ok(())
    }

    /// Whether a device is an address to which messages and receipts are posted.
    pub(crate) fn is_address(&self, device: usize) -> bool {
        let state = self.webhooks[device].state.as_ref();
        state.is_some_and(|it| it.width() > 0 && it.setting.posts(Events::Receipt))
    }

    /// Whether messages of one sender and urgency are posted in their order.
    pub(super) fn posts_in_order(&self, device: usize) -> bool {
        let state = self.webhooks[device].state.as_ref();
        state.is_some_and(|it| it.width() == 1)
    }

    /// A webhook is set in an event, perhaps to what it was. No message pauses any longer.
    pub(crate) fn webhook_is_set(&mut self, device: usize) {
        self.webhooks[device].failures = 0;
        self.pauses_end(device);
    }

    /// A device works on a message: it neither pauses, nor does its mailbox wait for the answer of an address.
    pub(super) fn waits_for_no_answer(&mut self, device: usize, id: MessageId) {
        self.webhooks[device].under_way.remove(&id);
        let track = self.deliveries.entry((id, device)).or_default();
        (track.pause, track.asked_until) = (None, None);
    }

    fn pauses_end(&mut self, place: usize) {
        let tracks = self.deliveries.iter_mut();
        let own = tracks.filter(|((_, device), _)| *device == place);
        own.for_each(|(_, track)| track.pause = None);
    }

    /// How long an answer about a message that is not stored may take is noted when the message is stored, by what is set
    /// then.
    fn may_take_longer(&mut self, place: usize, timeout: Millis) {
        let rows = &self.tables[place].inbox;
        let tracks = self.deliveries.iter_mut();
        let unstored = tracks.filter(|((id, to), _)| *to == place && !rows.contains_key(id));
        for (_, track) in unstored {
            let due_at = track.wire.map(|wire| wire.at + timeout + GRACE);
            track.asked_until = track.asked_until.map(|at| due_at.unwrap_or(at).max(at));
        }
    }

    fn waits_for_no_answers(&mut self, place: usize) {
        let tracks = self.deliveries.iter_mut();
        let own = tracks.filter(|((_, device), _)| *device == place);
        own.for_each(|(_, track)| track.asked_until = None);
    }

    /// A mailbox has lost its memory. What it had not stored is not asked for again.
    pub(crate) fn forgets_requests(&mut self, device: usize) {
        self.webhooks[device].forget();
        let rows = &self.tables[device].inbox;
        let tracks = self.deliveries.iter_mut();
        let unstored = tracks.filter(|((id, to), _)| *to == device && !rows.contains_key(id));
        unstored.for_each(|(_, track)| track.asked_until = None);
    }

    /// A message leaves a mailbox for an address.
    pub(crate) fn posted(&mut self, device: usize, post: &Posted<'_>) -> Checked {
        let what = || format!("to device {device}: {post:?}");
        let state = self.webhooks[device].state.as_ref();
        let state = state.filter(|it| it.width() > 0 && address(Some(it)) == Some(post.url));
        claim(
            "messages are posted to the address of an enabled webhook only",
            state.is_some(),
            what,
        )?;
        let is_cut_off = state.is_some_and(|it| it.is_cut_off);
        let message = self.messages.get(&post.id);
        let (from, op) = message.map_or((usize::MAX, 0), |it| (it.sender, it.op));
        claim(
            "a request has the payload as it was published, and says whose it is",
            (from, op) == (post.from, post.op),
            || format!("{}, but it is {op} of device {from}", what()),
        )?;
        let key = (post.id, device);
        let pause = self.deliveries.entry(key).or_default().pause.take();
        claim(
            "a message pauses after its address has failed it",
            pause.is_none_or(|pause| pause.least <= post.now),
            || format!("{}, {pause:?}", what()),
        )?;
        let publication = self.publications.get(&op);
        let now_or_never = publication.is_some_and(|it| it.ttl == 0);
        let sent = Sent {
            id: post.id,
            from,
            sent_at: post.expires_at - i64::from(!now_or_never),
            expires_at: post.expires_at,
            attempt: post.attempt,
            urgency: publication.map_or(Urgency::Normal, |it| it.urgency),
            connection: None,
            is_posted: true,
            losses: post.losses,
            lives: post.lives,
            now: post.now,
        };
        let track = self.deliveries.get(&key);
        if track.is_some_and(|track| track.wire.is_none()) {
            self.waits_for_those_before(device, &sent)?;
            self.waits_while_cut_off(device, &sent, is_cut_off)?;
        }
        self.sent(device, sent)?;
        let track = self.deliveries.entry(key).or_default();
        track.asked += 1;
        track.asked_until = Some(post.now + post.timeout + GRACE);
        self.webhooks[device]
            .under_way
            .insert(post.id, post.attempt);
        Ok(())
    }

    /// A message is posted for the first time: if one is posted at a time, those of its sender and urgency that were
    /// posted before have ended, or the address works on them.
    fn waits_for_those_before(&self, device: usize, sent: &Sent) -> Checked {
        if !self.posts_in_order(device) {
            return Ok(());
        }
        // What a poll has taken while the address was disabled holds up nothing.
        let is_open = |(id, row): &(&MessageId, &InboxRow)| {
            !row.settled && row.retry_at == 0 && **id < sent.id && self.is_in_line(**id, sent)
        };
        for (id, row) in self.tables[device].inbox.iter().filter(is_open) {
            let track = self.deliveries.get(&(*id, device));
            let is_posted = track
                .and_then(|track| track.wire)
                .is_some_and(|it| it.posted);
            claim(
                "one at a time is in order: a message waits for those before it",
                !is_posted || self.works_on(*id, device),
                || format!("{sent:?} goes before {id}: {row:?}, {track:?}"),
            )?;
        }
        Ok(())
    }

    /// A message is posted for the first time: not while the address is cut off, and there is one that it has failed.
    fn waits_while_cut_off(&self, device: usize, sent: &Sent, is_cut_off: bool) -> Checked {
        let failed = |(id, row): &(&MessageId, &InboxRow)| {
            let track = self.deliveries.get(&(**id, device));
            !row.settled && track.is_some_and(|track| track.pause.is_some())
        };
        let failed = self.tables[device].inbox.iter().find(failed);
        claim(
            "while an address is cut off only what it has failed is tried",
            !is_cut_off || failed.is_none(),
            || format!("{sent:?} goes before {failed:?}"),
        )
    }
}
