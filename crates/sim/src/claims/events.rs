//! The operator's events: each that has happened is published once or counted in a summary, and no other is, once the
//! world has come to rest. A device is away and back in turns.
//!
//! What has happened is what the mailboxes have committed: failures, as the directory lists them, registrations and
//! revocations. What is published is what the mailbox of the service has accepted. Its tag has no devices: how a message
//! is delivered is what all other claims are about.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;
use tagpost_core::delivery::State;
use tagpost_core::id::MessageId;
use tagpost_core::operator_event::Settings;
use tagpost_core::store::Row;
use tagpost_core::time::Millis;

use super::rows::{Account, all};
use super::{Checked, Ledger, broken, claim};
use crate::chance::chance;
use crate::store::{Sqlite, Written};

/// What a mailbox has committed that the operator is told of.
#[derive(Debug, Default)]
pub(super) struct Happened {
    registrations: usize,
    revocations: usize,
    /// How many tokens were revoked one by one.
    pub(super) tokens: usize,
    /// How often an address has said that it is gone.
    disablings: usize,
    /// How many events are not taken yet.
    waiting: i64,
    /// When they are told next, if there are any.
    due_at: Option<Millis>,
}

impl Happened {
    /// When something is due.
    pub(super) fn due(&self) -> impl Iterator<Item = Millis> {
        self.due_at.into_iter()
    }
}

/// What the service has published.
#[derive(Debug)]
pub(super) struct Told {
    is_on: bool,
    /// The place of its mailbox.
    publisher: usize,
    events: BTreeMap<MessageId, Event>,
}

#[derive(Debug, Deserialize)]
struct Event {
    r#type: String,
    data: Value,
}

impl Event {
    fn text(&self, name: &str) -> &str {
        self.data[name].as_str().unwrap_or_default()
    }

    /// Whose mailbox has told it.
    fn source(&self) -> &str {
        match self.r#type.as_str() {
            "delivery.failed" => self.text("sender"),
            _ => self.text("device"),
        }
    }

    /// For how many events of this type it stands.
    fn count(&self, of: &str) -> usize {
        match self.r#type.strip_prefix(of) {
            Some("") => 1,
            Some(".summary") => self.data["count"]
                .as_u64()
                .map_or(0, |count| count as usize),
            _ => 0,
        }
    }
}

impl Told {
    pub(super) fn of(seed: u64, mailboxes: usize) -> Self {
        Self {
            is_on: events_of(seed).is_some(),
            publisher: mailboxes.saturating_sub(1),
            events: BTreeMap::new(),
        }
    }

    /// Whether the service publishes from this mailbox.
    pub(super) fn is_publisher(&self, place: usize) -> bool {
        place == self.publisher
    }
}

impl Ledger {
    /// A device's row in `account` is committed: it was registered, or its tokens were revoked.
    pub(super) fn has_happened(&mut self, place: usize, account: Option<Account>) {
        let before = self.tables[place].account;
        let Some(account) = account.filter(|it| it.created_at > 0) else {
            return;
        };
        let happened = &mut self.happened[place];
        let before = before.filter(|it| it.created_at > 0);
        match before {
            None => happened.registrations += 1,
            Some(before) if before.revocations < account.revocations => happened.revocations += 1,
            Some(_) => {}
        }
    }

    /// The webhook of a device is disabled.
    pub(super) fn is_disabled(&mut self, place: usize) {
        self.happened[place].disablings += 1;
    }

    /// Reads how far a mailbox has come with its events.
    pub(super) fn read_events(
        &mut self,
        place: usize,
        store: &Sqlite,
        written: Written,
    ) -> Checked {
        #[derive(Debug, Default, Deserialize)]
        struct Progress {
            n: i64,
            due_at: Millis,
        }
        if !written.operator_events {
            return Ok(());
        }
        let sql = "SELECT count(*), (SELECT json_extract(event, '$[0]') FROM operator_events \
            WHERE seq = 0) FROM operator_events WHERE seq > 0";
        let read = |mut row: Row| Ok((row.int()?, row.opt_text()?));
        let (waiting, text) = all(store, sql, read)?.pop().unwrap_or_default();
        let progress = text.map(|text| serde_json::from_str::<Progress>(&text));
        let progress = progress.transpose().map_err(broken)?.unwrap_or_default();
        let happened = &mut self.happened[place];
        happened.waiting = waiting;
        happened.due_at = Some(progress.due_at).filter(|_| waiting > 0);
        claim(
            "row 0 knows of each event that is not taken",
            progress.n == waiting,
            || format!("device {place}: {progress:?}, and {waiting} rows"),
        )
    }

    /// Reads what the mailbox of the service has accepted.
    pub(super) fn read_published(&mut self, store: &Sqlite, written: Written) -> Checked {
        if !written.outbox {
            return Ok(());
        }
        let sql =
            "SELECT substr(id, 2), json_extract(draft, '$.payload') FROM outbox WHERE id >= x'ff'";
        let read = |mut row: Row| Ok((row.id()?, row.text()?));
        for (id, payload) in all(store, sql, read)? {
            let event = serde_json::from_str(&payload).map_err(broken)?;
            self.told.events.insert(id, event);
        }
        Ok(())
    }

    /// There have been no faults for a while.
    pub(super) fn events_are_taken(&self, device: usize) -> Checked {
        let happened = &self.happened[device];
        claim("every event is taken", happened.waiting == 0, || {
            format!("device {device}: {happened:?}")
        })
    }

    /// The world has come to rest.
    pub(super) fn events_are_published_once(&self) -> Checked {
        let events = self.told.events.values();
        let mut failed = BTreeSet::new();
        for event in events.filter(|event| event.r#type == "delivery.failed") {
            let of = (event.text("id"), event.text("device"));
            claim(
                "the failure of a delivery is one event",
                failed.insert(of),
                || format!("{event:?}"),
            )?;
        }
        for (device, place) in &self.places {
            if self.told.is_publisher(*place) {
                continue;
            }
            let events = self.told.events.values();
            let own: Vec<&Event> = events
                .filter(|event| event.source() == device.as_str())
                .collect();
            let happened = &self.happened[*place];
            for (kind, happened) in [
                ("delivery.failed", self.failures_of(*place)),
                ("device.registered", happened.registrations),
                ("tokens.revoked", happened.revocations),
                ("token.revoked", happened.tokens),
                ("webhook.disabled", happened.disablings),
            ] {
                let told: usize = own.iter().map(|event| event.count(kind)).sum();
                let happened = happened * usize::from(self.told.is_on);
                claim(
                    "an event is published once, or counted in a summary",
                    told == happened,
                    || format!("{kind} of {device}: {happened}, and told {told}: {own:?}"),
                )?;
            }
            self.in_turns(&own)?;
        }
        Ok(())
    }

    /// How many failures of a sender's messages are events: what the directory lists, but rejections.
    fn failures_of(&self, sender: usize) -> usize {
        let failures = self.listed.values().flat_map(BTreeMap::values);
        let own = failures.filter(|it| self.places.get(&it.sender) == Some(&sender));
        own.filter(|it| it.state != State::Rejected).count()
    }

    /// A device is away, then back. One that was removed while it was away is another when it is back.
    fn in_turns(&self, own: &[&Event]) -> Checked {
        let (mut since, mut is_another) = (None, false);
        for event in own {
            let at = event.data["since"].as_i64();
            let is_right = match event.r#type.as_str() {
                "device.registered" | "device.registered.summary" => {
                    is_another = true;
                    true
                }
                "device.away" => since.replace(at).is_none() | std::mem::take(&mut is_another),
                "device.back" => since.take() == Some(at),
                // Those that it counts are not known one by one.
                "device.away.summary" | "device.back.summary" => return Ok(()),
                _ => true,
            };
            claim(
                "a device is away once an absence, and back after that",
                is_right,
                || format!("{event:?} in {own:?}"),
            )?;
        }
        Ok(())
    }
}

/// Whether the service of a run publishes events, and how.
pub(crate) fn events_of(seed: u64) -> Option<Settings> {
    let rng = &mut chance(seed, &[40]);
    let away_after = rng.bool().then(|| rng.u32(5..=300));
    let tag = "ops".parse().ok().filter(|_| rng.u32(0..3) > 0)?;
    Some(Settings { tag, away_after })
}
