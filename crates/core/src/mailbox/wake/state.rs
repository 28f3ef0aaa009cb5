//! What the account's row says of wake-ups: whether the device was knocked since it last fetched messages, and which
//! push services have to be asked again, when.
//!
//! A knock is for all messages that wait: a push service replaces an undelivered one by the next (`Topic`, RFC 8030,
//! section 5.4). So each knock has the greatest urgency and the latest expiry of those that it replaces.

use serde::{Deserialize, Serialize};

use crate::message::Urgency;
use crate::time::Millis;
use crate::wake::{KnockAnswer, SubscriptionId, Woken};

/// How long a device is not knocked again if it fetches nothing, in milliseconds.
pub(super) const QUIET: Millis = 30_000;

/// How often a knock that a push service does not take is repeated.
pub(super) const RETRIES: u32 = 5;

/// The pause before the first repetition, in milliseconds. Each further one is three times as long.
const FIRST_PAUSE: Millis = 10_000;

/// The pause before the last repetition, and after it, in milliseconds.
const LONGEST_PAUSE: Millis = 810_000;

/// How long a push service may ask to be left alone, in milliseconds.
const LONGEST_RETRY_AFTER: Millis = 3_600_000;

/// How long a push service has to answer, in milliseconds. After that it is asked again: the mailbox has crashed.
pub(super) const ANSWER_TIME: Millis = 30_000;

/// What a knock is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::mailbox) struct Wanted {
    /// The greatest urgency of the messages.
    pub(in crate::mailbox) urgency: Urgency,
    /// When the last of them expires.
    pub(in crate::mailbox) expires_at: Millis,
}

impl Wanted {
    /// For the messages of both.
    fn with(self, other: Self) -> Self {
        Self {
            urgency: self.urgency.max(other.urgency),
            expires_at: self.expires_at.max(other.expires_at),
        }
    }

    /// Whether a knock for these messages is as good as one for `other`, which came within [`QUIET`].
    pub(in crate::mailbox) fn covers(self, other: Self) -> bool {
        self.urgency >= other.urgency && self.expires_at.saturating_add(QUIET) >= other.expires_at
    }
}

/// A knock since which the device has fetched nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Knock {
    pub(super) at: Millis,
    pub(super) wanted: Wanted,
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    pub(super) id: SubscriptionId,
    pub(super) host: String,
    /// When its push service last took a knock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) knocked_at: Option<Millis>,
    /// Until when its push service is left alone, because it asked for that, or did not take a knock.
    #[serde(default, skip_serializing_if = "is_default")]
    not_before: Millis,
    /// How often in a row knocks were sent and not taken. A later knock does not begin anew, so that the pauses grow.
    #[serde(default, skip_serializing_if = "is_default")]
    tries: u32,
    /// When it was last sent, until the device fetches messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sent_at: Option<Millis>,
    /// When it is sent next, unless it is answered or the device fetches messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_at: Option<Millis>,
}

impl Known {
    fn new(id: SubscriptionId, host: String) -> Self {
        Self {
            id,
            host,
            knocked_at: None,
            not_before: 0,
            tries: 0,
            sent_at: None,
            due_at: None,
        }
    }

    /// The push service has answered: the last knock if it `is_last`, or an earlier one.
    fn answered(&mut self, answer: KnockAnswer, is_last: bool, now: Millis) {
        let is_due = is_last && self.due_at.is_some();
        if let KnockAnswer::Later(retry_after) = answer {
            let retry_after = i64::from(retry_after.unwrap_or(0)) * 1000;
            let pause = self.pause().max(retry_after.min(LONGEST_RETRY_AFTER));
            self.not_before = self.may_be_knocked_at(now).max(now + pause);
            if is_due {
                self.due_at = (self.tries <= RETRIES).then_some(self.not_before);
            }
            return;
        }
        if answer == KnockAnswer::Accepted {
            self.knocked_at = Some(now);
        }
        self.tries = 0;
        if is_due {
            self.due_at = None;
        }
    }

    /// How long a push service that has not taken the last knock is left alone.
    fn pause(&self) -> Millis {
        let longer = 3_i64.saturating_pow(self.tries.saturating_sub(1));
        FIRST_PAUSE.saturating_mul(longer).min(LONGEST_PAUSE)
    }

    /// When its push service may be asked next. A clock that was set back does not keep it waiting for longer.
    fn may_be_knocked_at(&self, now: Millis) -> Millis {
        self.not_before.min(now + LONGEST_RETRY_AFTER).max(now)
    }

    /// A knock is due as soon as the push service may be asked, and [`QUIET`] after the last one: a subscription that is
    /// new may have been knocked later than the others.
    fn knock(&mut self, now: Millis) {
        // Given up: after a pause it is tried as often again.
        if self.tries > RETRIES {
            self.tries = 0;
        }
        let sent_at = self.sent_at.filter(|at| is_recent(*at, now));
        let quiet_until = sent_at.map_or(now, |at| at + QUIET);
        self.due_at = Some(self.may_be_knocked_at(now).max(quiet_until));
    }
}

/// The state of the wake-ups of a device that has subscriptions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// Oldest first.
    pub(super) subscriptions: Vec<Known>,
    /// Where the device reaches the service.
    pub(super) origin: String,
    /// The number of the last knock.
    pub(super) last: i64,
    /// The last knock, until the device fetches messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) knock: Option<Knock>,
    /// The knock that comes after [`QUIET`], for messages that the last one is not good enough for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    later: Option<Wanted>,
}

impl State {
    /// A message waits for the device. Returns whether anything changed.
    pub(super) fn wait(&mut self, wanted: Wanted, now: Millis) -> bool {
        match self.knock.filter(|knock| is_recent(knock.at, now)) {
            Some(knock) if knock.wanted.covers(wanted) => false,
            Some(_) if self.later.is_some_and(|later| later.covers(wanted)) => false,
            Some(_) => {
                self.later = Some(self.later.map_or(wanted, |later| later.with(wanted)));
                true
            }
            None => {
                self.knock(wanted, now);
                true
            }
        }
    }

    /// A knock is due at each push service.
    fn knock(&mut self, wanted: Wanted, now: Millis) {
        let before = self.knock.map(|knock| knock.wanted).into_iter();
        let before = before.filter(|wanted| wanted.expires_at > now);
        let all = before.chain(self.later.take());
        self.last += 1;
        self.knock = Some(Knock {
            at: now,
            wanted: all.fold(wanted, Wanted::with),
        });
        for known in &mut self.subscriptions {
            known.knock(now);
        }
    }

    /// Adds a subscription. If a knock has not brought the device yet, it is for this one, too.
    pub(super) fn add(&mut self, id: SubscriptionId, host: String, now: Millis) {
        let mut known = Known::new(id, host);
        if self.knock.is_some() {
            known.knock(now);
        }
        self.subscriptions.push(known);
    }

    /// The device is here, and fetches what waits. Returns whether anything changed.
    pub(super) fn fetch(&mut self) -> bool {
        let knocked = self
            .subscriptions
            .iter()
            .any(|known| known.sent_at.is_some());
        let was_knocked = self.knock.is_some() || knocked;
        self.drop_due();
        for known in &mut self.subscriptions {
            known.sent_at = None;
        }
        self.knock = None;
        was_knocked
    }

    /// Starts the knock that had to wait, if its time has come.
    pub(super) fn knock_later(&mut self, now: Millis) {
        let is_quiet = self.knock.is_some_and(|knock| is_recent(knock.at, now));
        if let Some(later) = self.later.filter(|_| !is_quiet) {
            self.knock(later, now);
        }
    }

    /// Takes the subscriptions that are to be knocked now. Each is counted as tried, and is due again in case no answer
    /// comes. Those that were tried often enough are given up.
    pub(super) fn take_due(&mut self, now: Millis) -> Vec<SubscriptionId> {
        let due = |known: &&mut Known| known.due_at.is_some_and(|at| at <= now);
        let due = self.subscriptions.iter_mut().filter(due);
        let taken = due.filter_map(|known| {
            if known.tries > RETRIES {
                known.due_at = None;
                return None;
            }
            known.tries += 1;
            known.sent_at = Some(now);
            known.due_at = Some(now + ANSWER_TIME);
            Some(known.id)
        });
        taken.collect()
    }

    /// Drops what is due: the messages that it was for are there no more.
    pub(super) fn drop_due(&mut self) {
        self.later = None;
        let due = self.subscriptions.iter_mut();
        let dropped = due.filter_map(|known| known.due_at.take()).count();
        // What was not taken everywhere is no knock for the next message.
        if dropped > 0 {
            self.knock = None;
        }
    }

    /// The messages of the last knock have expired. Those that came within [`QUIET`] of it may wait still: a knock for
    /// them is due now.
    pub(super) fn expire(&mut self, now: Millis) {
        let later = self.later.filter(|later| later.expires_at > now);
        self.drop_due();
        self.knock = None;
        self.later = later;
    }

    /// A push service has answered the knock of this number. Returns whether there is such a subscription.
    pub(super) fn answered(
        &mut self,
        id: SubscriptionId,
        number: i64,
        answer: KnockAnswer,
        now: Millis,
    ) -> bool {
        let is_last = number == self.last;
        let mut all = self.subscriptions.iter_mut();
        let known = all.find(|known| known.id == id);
        known
            .map(|known| known.answered(answer, is_last, now))
            .is_some()
    }

    /// Whether something is due now.
    pub(super) fn is_due(&self, now: Millis) -> bool {
        self.all_due().any(|at| at <= now)
    }

    /// When something is due next, after now.
    pub(super) fn next_due(&self, now: Millis) -> Option<Millis> {
        self.all_due().filter(|at| *at > now).min()
    }

    fn all_due(&self) -> impl Iterator<Item = Millis> {
        let quiet_until = self.knock.map_or(0, |knock| knock.at + QUIET);
        let later = self.later.map(|_| quiet_until);
        let due = self.subscriptions.iter().filter_map(|known| known.due_at);
        due.chain(later)
    }

    /// The last knock that each push service has taken.
    pub(super) fn woken(&self) -> Vec<Woken> {
        let all = self.subscriptions.iter();
        let woken = all.filter_map(|known| {
            known.knocked_at.map(|at| Woken {
                at,
                host: known.host.clone(),
            })
        });
        woken.collect()
    }
}

/// Whether a knock at this time was within [`QUIET`]. A clock that was set back does not keep it quiet for longer.
fn is_recent(at: Millis, now: Millis) -> bool {
    (at..at + QUIET).contains(&now)
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
