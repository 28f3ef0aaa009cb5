//! Messages that were in flight when a connection ended, that the device works on, or that an address has failed, with
//! their attempts.
//!
//! All of them are one text in the account's row. That row is written when a connection ends anyway: each disconnect
//! costs one row, however many messages are in flight, and so does each progress. The text is newer than a message's
//! own row, unless that has more attempts. A settled message is removed from the text with the next write; until then
//! its row takes precedence.

use std::collections::BTreeSet;

use litemap::LiteMap;

use super::attempts::Attempts;
use super::rows::{self, Held, Key};
use crate::id::{MessageId, Sender};
use crate::message::Lane;
use crate::store::{Store, StoreError, from_json, to_json};
use crate::time::Millis;

/// The most messages: twice the widest window.
const MAX_LOST: usize = 256;

/// The unsettled messages that were in flight on ended connections, or that the device works on.
#[derive(Debug, Default)]
pub(super) struct Lost(LiteMap<MessageId, Known>);

#[derive(Debug)]
struct Known {
    rank: i64,
    sender: Sender,
    attempts: Attempts,
    /// A poll has it, and those behind it are posted in their order. This is lost with memory.
    is_leased: bool,
}

impl Known {
    fn of(held: &Held) -> Self {
        Self {
            rank: held.key.rank,
            sender: held.sender.clone(),
            attempts: held.attempts.clone(),
            is_leased: false,
        }
    }

    /// Whether others wait behind it if they are posted in their order.
    fn holds_up(&self) -> bool {
        self.is_paused() || self.is_leased
    }

    fn is_paused(&self) -> bool {
        self.attempts.paused_until().is_some()
    }
}

impl Lost {
    /// Reads the text of the account's row. Settled messages are dropped.
    pub(super) fn load(store: &impl Store, text: &str) -> Result<Self, StoreError> {
        let mut lost = Self::default();
        if text.is_empty() {
            return Ok(lost);
        }
        let known: Vec<(MessageId, Attempts)> = from_json(text)?;
        let ids: Vec<MessageId> = known.iter().map(|(id, _)| *id).collect();
        let mut found = rows::these(store, Lane::Devices, &ids)?;
        if found.len() < ids.len() {
            // The others are settled, or of channels.
            found.extend(rows::these(store, Lane::Channels, &ids)?);
        }
        for mut held in found {
            if let Some((_, known)) = known.iter().find(|(id, _)| *id == held.key.id) {
                held.learn(known);
            }
            // Progress is kept in one place: here, or in a row that shows when it ends.
            if held.retry_at > 0 {
                held.attempts.forget_progress();
            }
            lost.insert(&held);
        }
        Ok(lost)
    }

    /// The text for the account's row.
    pub(super) fn to_text(&self) -> Result<String, StoreError> {
        if self.0.is_empty() {
            return Ok(String::new());
        }
        let all = self.0.iter().map(|(id, known)| (*id, &known.attempts));
        to_json(&all.collect::<Vec<_>>())
    }

    /// Adds a message.
    pub(super) fn insert(&mut self, held: &Held) {
        self.0.insert(held.key.id, Known::of(held));
    }

    /// Adds a message that a poll has taken, if there is room. Others that are posted in their order wait behind it.
    pub(super) fn lease(&mut self, held: &Held) {
        if self.0.len() < MAX_LOST || self.0.contains_key(&held.key.id) {
            let is_leased = true;
            let known = Known::of(held);
            self.0.insert(held.key.id, Known { is_leased, ..known });
        }
    }

    /// How many messages others wait behind if they are posted in their order.
    pub(super) fn holding_up(&self) -> usize {
        self.0.values().filter(|known| known.holds_up()).count()
    }

    /// How many messages there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Removes the newest if there are more than [`MAX_LOST`].
    pub(super) fn overflow(&mut self) -> Option<(Key, Attempts)> {
        let newest = self.0.last().filter(|_| self.0.len() > MAX_LOST)?;
        let id = *newest.0;
        let Known { rank, attempts, .. } = self.0.remove(&id)?;
        Some((Key { rank, id }, attempts))
    }

    /// A message is settled. Returns whether others may have waited behind it.
    pub(super) fn remove(&mut self, id: MessageId) -> bool {
        let known = self.0.remove(&id);
        known.is_some_and(|known| known.attempts.is_suspect() || known.holds_up())
    }

    /// Updates the attempts after a later one. Returns whether the message is no longer a suspect, or neither pauses nor is
    /// leased any longer.
    pub(super) fn update(&mut self, id: MessageId, attempts: &Attempts) -> bool {
        let Some(known) = self.0.get_mut(&id) else {
            return false;
        };
        let (was_suspect, held_up) = (known.attempts.is_suspect(), known.holds_up());
        known.attempts = attempts.clone();
        known.is_leased = false;
        (was_suspect && !attempts.is_suspect()) || (held_up && !known.is_paused())
    }

    /// The attempts of a message.
    pub(super) fn get(&self, id: MessageId) -> Option<&Attempts> {
        self.0.get(&id).map(|known| &known.attempts)
    }

    /// The messages whose progress has run out, and has not been ended.
    pub(super) fn progress_over(&self, now: Millis) -> Vec<MessageId> {
        let over = |known: &Known| (1..=now).contains(&known.attempts.in_progress_until());
        let known = self.0.iter().filter(|(_, known)| over(known));
        known.map(|(id, _)| *id).collect()
    }

    /// When the next progress runs out.
    pub(super) fn next_progress_end(&self, now: Millis) -> Option<Millis> {
        let ends = self.0.values();
        let ends = ends.map(|known| known.attempts.in_progress_until());
        ends.filter(|until| *until > now).min()
    }

    /// The messages that an address has failed, oldest first, and until when they pause.
    fn paused(&self) -> impl Iterator<Item = (MessageId, Millis)> {
        let all = self.0.iter();
        all.filter_map(|(id, known)| Some((*id, known.attempts.paused_until()?)))
    }

    /// The oldest message that an address has failed.
    pub(super) fn first_paused(&self) -> Option<MessageId> {
        self.paused().next().map(|(id, _)| id)
    }

    /// When the next pause ends.
    pub(super) fn next_pause_end(&self, now: Millis) -> Option<Millis> {
        let ends = self.paused().map(|(_, until)| until);
        ends.filter(|until| *until > now).min()
    }

    /// Whether a pause is over.
    pub(super) fn has_pause_over(&self, now: Millis) -> bool {
        self.paused().any(|(_, until)| until <= now)
    }

    /// Ends all pauses.
    pub(super) fn end_pauses(&mut self, now: Millis) {
        let all = self.0.iter_mut();
        all.for_each(|(_, known)| known.attempts.end_pause(now));
    }

    /// How many messages the device works on.
    pub(super) fn in_progress(&self, now: Millis) -> u32 {
        let known = self.0.values();
        let count = known
            .filter(|known| known.attempts.is_in_progress(now))
            .count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// All messages after this one.
    pub(super) fn after(&self, id: Option<MessageId>) -> Vec<MessageId> {
        let later = self.0.keys().filter(|known| Some(**known) > id);
        later.copied().collect()
    }

    /// Whether connections keep ending while this message is in flight.
    pub(super) fn is_suspect(&self, id: MessageId) -> bool {
        self.get(id).is_some_and(Attempts::is_suspect)
    }

    /// Suspects that are first of their sender and urgency, ignoring messages that the current connection has sent.
    fn first_suspects(
        &self,
        has_sent: impl Fn(MessageId) -> bool,
    ) -> impl Iterator<Item = (MessageId, &Known)> {
        let mut senders: BTreeSet<(i64, &Sender)> = BTreeSet::new();
        self.0.iter().filter_map(move |(id, known)| {
            let is_first = !has_sent(*id) && senders.insert((known.rank, &known.sender));
            (is_first && known.attempts.is_suspect()).then_some((*id, known))
        })
    }

    fn suspects(&self) -> impl Iterator<Item = (&MessageId, &Known)> {
        self.0
            .iter()
            .filter(|(_, known)| known.attempts.is_suspect())
    }

    /// The suspects that may be sent now, in the order in which they became due.
    pub(super) fn all_due(
        &self,
        has_sent: impl Fn(MessageId) -> bool,
        now: Millis,
    ) -> Vec<MessageId> {
        let suspects = self.first_suspects(has_sent);
        let due = suspects.filter(|(_, known)| known.attempts.next_try() <= now);
        let mut due: Vec<_> = due
            .map(|(id, known)| (known.attempts.next_try(), known.rank, id))
            .collect();
        due.sort_unstable();
        due.into_iter().map(|(_, _, id)| id).collect()
    }

    /// The next suspect to send now, if there is one.
    pub(super) fn due(
        &self,
        has_sent: impl Fn(MessageId) -> bool,
        now: Millis,
    ) -> Option<MessageId> {
        self.all_due(has_sent, now).first().copied()
    }

    /// When the next suspect becomes due.
    pub(super) fn next_due(
        &self,
        has_sent: impl Fn(MessageId) -> bool,
        now: Millis,
    ) -> Option<Millis> {
        let times = self
            .first_suspects(has_sent)
            .map(|(_, known)| known.attempts.next_try());
        times.filter(|at| *at > now).min()
    }

    /// Whether there are any suspects.
    pub(super) fn has_suspects(&self) -> bool {
        self.suspects().next().is_some()
    }

    /// Those that others wait behind: suspects and, if it `keeps_order`, those that an address has failed or a poll has.
    fn first_of_others(&self, keeps_order: bool) -> impl Iterator<Item = (&MessageId, &Known)> {
        let is_first =
            move |known: &Known| known.attempts.is_suspect() || (keeps_order && known.holds_up());
        self.0.iter().filter(move |(_, known)| is_first(known))
    }

    /// Whether a message has to wait because it is a suspect, or is behind one or, if it `keeps_order`, behind one that
    /// an address has failed or a poll has: messages of one sender and urgency are sent in the order of their ids.
    pub(super) fn holds_up(&self, held: &Held, keeps_order: bool) -> bool {
        let first = self.first_of_others(keeps_order);
        let mut first = first.take_while(|(id, _)| **id <= held.key.id);
        first.any(|(id, known)| {
            let is_itself = *id == held.key.id && !known.attempts.is_suspect();
            !is_itself && known.rank == held.key.rank && known.sender == held.sender
        })
    }

    /// Whether never-sent messages of this urgency and sender have to wait behind one of these.
    pub(super) fn holds_up_unsent(&self, rank: i64, sender: &Sender, keeps_order: bool) -> bool {
        self.first_of_others(keeps_order)
            .any(|(_, known)| known.rank == rank && known.sender == *sender)
    }

    /// The urgencies and senders whose never-sent messages have to wait, as [`rows::waiting`] excludes them.
    pub(super) fn held_up(&self, keeps_order: bool) -> Vec<String> {
        let held_up = self
            .first_of_others(keeps_order)
            .map(|(_, known)| format!("{} {}", known.rank, known.sender));
        held_up.collect()
    }
}
