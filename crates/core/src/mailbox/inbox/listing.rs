//! Listing the messages that wait for the device. Read-only: no attempt, no lease, no sign of life.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::connection::Stored;
use super::expiry::has_expired;
use super::poll::POLL_BYTES;
use super::rows::{self, Held, Key, ranks};
use super::{Failure, Inbox};
use crate::delivery::State;
use crate::id::{MessageId, Sender, Topic};
use crate::message::{Encoding, Lane, Message, Target, Urgency};
use crate::problem::Problem;
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};

/// A page of the messages that wait for a device, by urgency and age.
#[derive(Debug, Serialize)]
pub struct Page {
    /// The messages.
    pub messages: Vec<Waiting>,
    /// The place after which the next page begins; `None` on the last page.
    pub next: Option<Place>,
}

/// A message that is not in a terminal state.
#[derive(Debug, Serialize)]
pub struct Waiting {
    /// Its id.
    pub id: MessageId,
    from: Sender,
    to: Target,
    sent_at: Millis,
    expires_at: Millis,
    urgency: Urgency,
    topic: Option<Topic>,
    content_type: String,
    size: u32,
    state: State,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<Encoding>,
}

impl Waiting {
    fn new(message: Message, state: State, attempts: u32, payload: bool) -> Self {
        Self {
            id: message.id,
            from: message.from,
            to: message.to,
            sent_at: message.sent_at,
            expires_at: message.expires_at,
            urgency: message.urgency,
            topic: message.topic,
            content_type: message.content_type,
            size: message.size,
            state,
            attempts,
            payload: payload.then_some(message.payload),
            encoding: message.encoding.filter(|_| payload),
        }
    }
}

/// Where a page ends; its text is opaque to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Place(Key);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0.rank, self.0.id)
    }
}

impl From<Place> for String {
    fn from(place: Place) -> Self {
        place.to_string()
    }
}

/// A text that is no [`Place`].
#[derive(Debug, thiserror::Error)]
#[error("not the end of a page")]
pub struct NoPlace;

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let (rank, id) = text.split_once('-').ok_or(NoPlace)?;
        let ([first, _], [_, last]) = (ranks(Lane::Devices), ranks(Lane::Channels));
        let rank = rank.parse().ok();
        let rank = rank.filter(|rank| (first..=last).contains(rank));
        Ok(Self(Key {
            rank: rank.ok_or(NoPlace)?,
            id: id.parse().map_err(|_| NoPlace)?,
        }))
    }
}

impl TryFrom<String> for Place {
    type Error = NoPlace;

    fn try_from(text: String) -> Result<Self, NoPlace> {
        text.parse()
    }
}

/// Where a waiting message is.
enum Found<'a> {
    Row(Box<Held>),
    Unstored(&'a Message, State, u32),
}

impl<S: Store> Inbox<'_, S> {
    /// Up to `limit` messages that wait for the device, after `after`; fewer if their payloads are large. Payloads are
    /// read whether or not they are asked for.
    ///
    /// # Errors
    /// `unknown_device`, or the store failed.
    pub(in crate::mailbox) fn list_waiting(
        &self,
        limit: u32,
        after: Option<Place>,
        payload: bool,
        now: Now,
    ) -> Result<Page, Failure> {
        if self.cx.device().is_none() {
            return Err(Problem::unknown_device().into());
        }
        let after = after.map(|Place(key)| key);
        let rows = rows::list(&self.cx.store, after, limit.saturating_add(1))?;
        let rows = rows
            .into_iter()
            .map(|held| (held.key, Found::Row(Box::new(held))));
        let unstored = self.list_unstored().filter(|(key, _)| Some(*key) > after);
        let mut found: Vec<(Key, Found)> = rows.chain(unstored).collect();
        found.sort_unstable_by_key(|(key, _)| *key);
        let mut page = Page {
            messages: Vec::new(),
            next: None,
        };
        let (mut last, mut bytes) = (None, 0);
        for (key, found) in found {
            let (message, state, attempts) = match found {
                Found::Unstored(message, state, attempts) => (message.clone(), state, attempts),
                Found::Row(held) => {
                    let message = rows::message(&self.cx.store, key)?;
                    let (state, attempts) = self.state_of(*held, now);
                    (message, state, attempts)
                }
            };
            bytes += message.payload.get().len();
            let is_full = page.messages.len() >= limit as usize || bytes > POLL_BYTES;
            if is_full && !page.messages.is_empty() {
                page.next = last.map(Place);
                break;
            }
            last = Some(key);
            // An expired message is not listed, even if it is not settled yet.
            if !has_expired(message.expires_at, now) || message.is_now_or_never() {
                let waiting = Waiting::new(message, state, attempts, payload);
                page.messages.push(waiting);
            }
        }
        Ok(page)
    }

    /// When the oldest message that is not settled was accepted.
    ///
    /// # Errors
    /// The store failed.
    pub(in crate::mailbox) fn held_since(&self) -> Result<Option<Millis>, StoreError> {
        let unstored = self.list_unstored().map(|(key, _)| key.id);
        let oldest = unstored.chain(rows::oldest(&self.cx.store)?).min();
        Ok(oldest.map(MessageId::time))
    }

    fn state_of(&self, held: Held, now: Now) -> (State, u32) {
        let held = self.up_to_date(held);
        (self.phase_of(&held, now).state(), held.attempts.made)
    }

    fn list_unstored(&self) -> impl Iterator<Item = (Key, Found<'_>)> {
        let entries = self
            .connection
            .iter()
            .flat_map(|connection| connection.in_flight.values());
        let in_flight = entries.filter_map(|entry| match &entry.store {
            Stored::Not(message) => Some((&**message, State::Sent, entry.attempt)),
            Stored::Row { .. } => None,
        });
        let queued = self.memory.queue.values();
        let queued = queued.map(|queued| (&*queued.message, State::Held, 0));
        in_flight.chain(queued).map(|(message, state, attempts)| {
            (Key::of(message), Found::Unstored(message, state, attempts))
        })
    }
}
