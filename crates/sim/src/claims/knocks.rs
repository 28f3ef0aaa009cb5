//! Wake-ups: a device that is not here is knocked when a message waits for it, and not more often than the rule says.
//!
//! What knocks are due is read from the committed row of the account; what was sent is what an event commits. No claim
//! about deliveries depends on any of it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use tagpost_core::id::MessageId;
use tagpost_core::mailbox::ConnectionId;
use tagpost_core::message::Urgency;
use tagpost_core::store::Row;
use tagpost_core::time::Millis;
use tagpost_core::wake::{KnockAnswer, Knocks, SubscriptionId};

use super::rows::{InboxRow, all};
use super::{Checked, Ledger, broken, claim};
use crate::store::{Sqlite, Written};

/// How long a device is left alone after a knock, if it fetches nothing.
const QUIET: Millis = 30_000;
/// How often a knock is sent to one push service: once, and five times again.
const MOST_TRIES: usize = 6;
/// The longest time that push services keep a push, in seconds.
const LONGEST_TTL: u32 = 2_419_200;

/// A knock that an event has committed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KnockSent {
    pub(crate) subscription: SubscriptionId,
    pub(crate) number: i64,
    pub(crate) ttl: u32,
    pub(crate) urgency: Urgency,
}

/// What is known of the wake-ups of a device.
#[derive(Debug, Default)]
pub(super) struct Phones {
    /// The ids of the rows.
    rows: BTreeSet<i64>,
    state: Option<State>,
    /// When each knock was sent to each push service, by the mailbox's clock.
    sent: BTreeMap<(SubscriptionId, i64), Vec<Millis>>,
    /// Those that a push service has taken, or will not take.
    over: BTreeSet<(SubscriptionId, i64)>,
    /// Of these, those whose answer the mailbox has certainly had.
    known: BTreeSet<(SubscriptionId, i64)>,
    /// The last knock before which the device may have fetched messages.
    fetched: i64,
    /// The messages that wait for the device to come, with the subscriptions that it had when they began to.
    waiting: BTreeMap<MessageId, BTreeSet<SubscriptionId>>,
    /// The messages that the device has come for, and has not been sent since.
    come_for: BTreeSet<MessageId>,
    /// The subscriptions at the last knock.
    at_last: BTreeSet<SubscriptionId>,
    /// The messages that may have been in flight when the mailbox failed, until its alarm goes off.
    forgotten: BTreeSet<MessageId>,
    /// The subscriptions after the last event.
    listed: BTreeSet<SubscriptionId>,
    /// Whether the device was connected after the last event.
    is_connected: bool,
}

/// The account's column.
#[derive(Debug, Default, Deserialize)]
struct State {
    subscriptions: Vec<Known>,
    last: i64,
    knock: Option<Knock>,
    later: Option<Wanted>,
}

#[derive(Debug, Deserialize)]
struct Known {
    id: SubscriptionId,
    due_at: Option<Millis>,
}

#[derive(Debug, Deserialize)]
struct Knock {
    at: Millis,
    wanted: Wanted,
}

#[derive(Debug, Deserialize)]
struct Wanted {
    urgency: Urgency,
    expires_at: Millis,
}

impl State {
    /// When something is due.
    fn due(&self) -> impl Iterator<Item = Millis> {
        let later = self.later.as_ref().and(self.knock.as_ref());
        let later = later.map(|knock| knock.at + QUIET);
        let due = self.subscriptions.iter().filter_map(|known| known.due_at);
        due.chain(later)
    }
}

impl Ledger {
    /// Reads what a mailbox has committed about wake-ups. It knocks like this, at this time of its clock.
    pub(super) fn read_knocks(
        &mut self,
        place: usize,
        store: &Sqlite,
        written: Written,
        knocks: &[KnockSent],
        now: Millis,
    ) -> Checked {
        if written.account || written.subscriptions {
            let text = all(store, "SELECT wake FROM account", |mut row: Row| {
                row.opt_text()
            })?;
            let text = text.into_iter().flatten().next();
            let state = text.map(|text| serde_json::from_str::<State>(&text));
            let state = state.transpose().map_err(broken)?;
            let phones = &mut self.phones[place];
            let last = |state: &Option<State>| state.as_ref().map(|state| state.last);
            if last(&phones.state) != last(&state) {
                let listed = state.iter().flat_map(|state| &state.subscriptions);
                phones.at_last = listed.map(|known| known.id).collect();
            }
            phones.state = state;
        }
        if written.subscriptions {
            let rows = all(store, "SELECT id FROM subscriptions", |mut row: Row| {
                row.int()
            })?;
            self.phones[place].rows = rows.into_iter().collect();
        }
        let phones = &self.phones[place];
        let listed = phones.state.iter().flat_map(|state| &state.subscriptions);
        let listed = listed.count();
        claim(
            "a device without subscriptions has no state of wake-ups, others know each",
            listed == phones.rows.len() && phones.state.is_some() == (listed > 0),
            || format!("device {place}: {phones:?}"),
        )?;
        knocks
            .iter()
            .try_for_each(|knock| self.knocks(place, *knock, now))
    }

    /// A mailbox has committed that it knocks.
    fn knocks(&mut self, place: usize, knock: KnockSent, now: Millis) -> Checked {
        let KnockSent {
            subscription,
            number,
            ttl,
            urgency,
        } = knock;
        let skew = self.skew;
        let phones = &mut self.phones[place];
        let what = |phones: &Phones| format!("device {place} at {now}: {knock:?}, {phones:?}");
        let listed = phones.state.iter().flat_map(|state| &state.subscriptions);
        let is_listed = listed.clone().any(|known| known.id == subscription);
        claim("only what is subscribed is knocked", is_listed, || {
            what(phones)
        })?;
        claim(
            "a message that may not knock does not",
            self.knocks.include(urgency) && (1..=LONGEST_TTL).contains(&ttl),
            || what(phones),
        )?;
        let sent = phones.sent.get(&(subscription, number));
        let tries = sent.map_or(0, Vec::len);
        claim(
            "a knock is tried six times at most",
            tries < MOST_TRIES,
            || what(phones),
        )?;
        claim(
            "a knock that was answered is not repeated",
            !phones.known.contains(&(subscription, number)),
            || what(phones),
        )?;
        let of = |id: SubscriptionId| move |(key, _): &(&(SubscriptionId, i64), _)| key.0 == id;
        let before = phones.sent.iter().filter(of(subscription));
        let before =
            before.filter(|((_, earlier), _)| *earlier < number && *earlier > phones.fetched);
        let before = before.filter_map(|(_, times)| times.first().copied()).max();
        let is_soon = before.is_some_and(|at| at <= now && now + skew < at + QUIET);
        claim(
            "a device that fetches nothing is knocked once in 30 s",
            tries > 0 || !is_soon,
            || what(phones),
        )?;
        let times = phones.sent.entry((subscription, number)).or_default();
        times.push(now);
        Ok(())
    }

    /// Nobody is knocked at a device that is connected.
    pub(crate) fn knocks_at_nobody_who_is_here(
        &self,
        device: usize,
        connection: Option<ConnectionId>,
    ) -> Checked {
        claim(
            "a device that is connected is not knocked",
            connection.is_none(),
            || format!("device {device} has connection {connection:?}"),
        )
    }

    /// A mailbox fails. Which messages were in flight it learns from its alarm.
    pub(crate) fn forgets_what_is_in_flight(&mut self, device: usize) {
        let rows = self.tables[device].inbox.keys();
        let phones = &mut self.phones[device];
        // A device that has come for what waits, as is committed, may not have been there yet.
        let has_come = phones.state.as_ref().is_none_or(|it| it.knock.is_none());
        let knocked_for = |id| !phones.forgotten.contains(id) && phones.waiting.contains_key(id);
        let in_flight = rows.filter(|id| has_come || !knocked_for(*id));
        phones.forgotten = in_flight.copied().collect();
    }

    /// The alarm of a mailbox has gone off.
    pub(crate) fn has_rung(&mut self, device: usize) {
        self.phones[device].forgotten.clear();
        self.gives_answers_up(device);
    }

    /// A push service has answered a knock.
    pub(crate) fn knock_answered(
        &mut self,
        device: usize,
        subscription: SubscriptionId,
        number: i64,
        answer: KnockAnswer,
    ) {
        if matches!(answer, KnockAnswer::Accepted | KnockAnswer::Refused) {
            self.phones[device].over.insert((subscription, number));
        }
    }

    /// A mailbox has taken the answer to a knock.
    pub(crate) fn knock_is_settled(
        &mut self,
        device: usize,
        subscription: SubscriptionId,
        number: i64,
        answer: KnockAnswer,
    ) -> Checked {
        let key = (subscription, number);
        let phones = &mut self.phones[device];
        phones.known.extend(phones.over.get(&key).copied());
        let listed = self.phones[device].state.iter();
        let mut listed = listed.flat_map(|state| &state.subscriptions);
        claim(
            "a subscription that its push service has forgotten is removed",
            answer != KnockAnswer::Gone || !listed.any(|known| known.id == subscription),
            || format!("device {device} has {subscription} still"),
        )
    }

    /// A device connects or polls: it has come for what waits, even if it does not get all of it.
    pub(crate) fn fetches(&mut self, device: usize) {
        let phones = &mut self.phones[device];
        phones.fetched = phones
            .state
            .as_ref()
            .map_or(phones.fetched, |state| state.last);
        phones.waiting.clear();
        phones.forgotten.clear();
        let rows = self.tables[device].inbox.iter();
        phones.come_for = rows
            .filter(|(_, row)| !row.settled)
            .map(|(id, _)| *id)
            .collect();
    }

    /// A message is sent: if its device does not answer, that has not come for it any more.
    pub(super) fn is_fetched(&mut self, device: usize, id: MessageId) {
        self.phones[device].come_for.remove(&id);
    }

    /// The connection of a device has ended: it has not come for the first messages that it did not get.
    fn disconnects(&mut self, device: usize) {
        let ids = self.phones[device].come_for.iter();
        let urgency = |id: &MessageId| {
            let op = self.publications.get(&self.op_of(*id))?;
            Some((Reverse(op.urgency), *id))
        };
        let mut missed: Vec<_> = ids.filter_map(urgency).collect();
        missed.sort_unstable();
        for (_, id) in missed.iter().take(self.limits.max_in_flight as usize) {
            self.phones[device].come_for.remove(id);
        }
    }

    /// A mailbox has handled an event, at this time of its clock. Its device is connected, or polls.
    pub(crate) fn is_knocked(
        &mut self,
        device: usize,
        is_connected: bool,
        polls: bool,
        now: Millis,
    ) -> Checked {
        let is_here = is_connected || polls;
        let before = std::mem::replace(&mut self.phones[device].is_connected, is_connected);
        if before && !is_here {
            self.disconnects(device);
        }
        let phones = &self.phones[device];
        let waits = |(id, row): &(&MessageId, &InboxRow)| {
            let op = self.publications.get(&self.op_of(**id));
            let knocks = op.is_some_and(|op| self.knocks.include(op.urgency));
            let track = self.deliveries.get(&(**id, device));
            let works = track.is_some_and(|track| track.work.may_be_on(now));
            let is_open = !row.settled && row.retry_at == 0 && !works;
            is_open && knocks && row.expires_at > now.max(self.tables[device].latest)
        };
        let none = State::default();
        let state = phones.state.as_ref().unwrap_or(&none);
        let listed = state.subscriptions.iter().map(|known| known.id);
        let listed: BTreeSet<_> = listed.collect();
        // A device that subscribes is awake: what waits by then knocks no more.
        let before: BTreeSet<_> = listed.intersection(&phones.listed).copied().collect();
        let rows = self.tables[device].inbox.iter().filter(waits);
        let rows = rows.filter(|(id, _)| !is_here && !phones.come_for.contains(id));
        let mut waiting = BTreeMap::new();
        for (id, row) in rows {
            let since = phones.waiting.get(id).unwrap_or(&before).clone();
            let urgency = self.publications.get(&self.op_of(*id)).map(|op| op.urgency);
            let covers = |wanted: &Wanted| {
                let lasts = wanted.expires_at + QUIET + self.skew >= row.expires_at;
                Some(wanted.urgency) >= urgency && lasts
            };
            let knock = state.knock.as_ref().filter(|knock| covers(&knock.wanted));
            let is_later = state.later.as_ref().is_some_and(covers);
            for known in &state.subscriptions {
                let key = (known.id, state.last);
                let sent = phones.sent.get(&key).map_or(0, Vec::len);
                let is_over = phones.over.contains(&key) || sent >= MOST_TRIES;
                // A newer subscription has to wait like the others.
                let is_quiet = known.due_at.is_some() || !phones.at_last.contains(&known.id);
                let is_due = knock.is_some() && (is_quiet || is_over);
                let is_excused = phones.forgotten.contains(id) || !since.contains(&known.id);
                claim(
                    "a device that is not here is knocked for what waits",
                    is_excused || is_due || is_later,
                    || format!("device {device} at {now}: {id}, {row:?}, {phones:?}"),
                )?;
            }
            waiting.insert(*id, since);
        }
        // What waits behind others while the device is here, it has come for; and what a poll may not take, because the
        // connection ended over it and it pauses. The device is knocked for that when the pause is over.
        let unsent = |id: &&MessageId| {
            let track = self.deliveries.get(&(**id, device));
            is_here && (!is_connected || track.is_none_or(|track| track.wire.is_none()))
        };
        let unsent: Vec<_> = self.tables[device]
            .inbox
            .keys()
            .filter(unsent)
            .copied()
            .collect();
        let phones = &mut self.phones[device];
        phones.come_for.extend(unsent);
        (phones.waiting, phones.listed) = (waiting, listed);
        Ok(())
    }

    /// When knocks are due.
    pub(super) fn knocks_due(&self, device: usize) -> Vec<Millis> {
        let state = self.phones[device].state.iter();
        state.flat_map(State::due).collect()
    }
}

/// Which messages knock in a run.
pub(crate) fn knocks_of(seed: u64) -> Knocks {
    match crate::chance::chance(seed, &[37]).u32(0..10) {
        0 => Knocks::Off,
        1..=3 => Knocks::All,
        _ => Knocks::Normal,
    }
}
