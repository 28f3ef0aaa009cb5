//! Failures: the directory lists each failed delivery of an answered publish once, and no other, once the world has come
//! to rest. Payloads of failed deliveries are kept within bounds, and not for ever.

use std::collections::BTreeMap;

use serde::Deserialize;
use tagpost_core::failure::FailedDelivery;
use tagpost_core::id::MessageId;
use tagpost_core::store::Row;
use tagpost_core::time::Millis;

use super::rows::all;
use super::{Checked, Ledger, broken, claim};
use crate::store::{Sqlite, Written};

/// The most payloads that a mailbox keeps.
const MOST_KEPT: usize = 100;

/// What the directory lists, by the delivery and the time of its end.
pub(super) type Listed = BTreeMap<(MessageId, usize), BTreeMap<Millis, FailedDelivery>>;

/// What a mailbox has committed of failures.
#[derive(Debug, Default)]
pub(super) struct Failing {
    /// The account's column.
    state: Option<State>,
    /// How many failures wait for the directory.
    rows: i64,
    /// How many payloads are kept.
    kept: usize,
    /// When the first of them is past its retention, as the account says.
    kept_until: Option<Millis>,
}

#[derive(Debug, Deserialize)]
struct State {
    n: i64,
    due_at: Millis,
}

impl Failing {
    /// Whether nothing is left.
    pub(super) fn is_over(&self) -> bool {
        self.state.is_none() && self.rows == 0
    }

    /// Whether nothing is left, and no payload is kept.
    pub(super) fn is_empty(&self) -> bool {
        self.is_over() && self.kept == 0 && self.kept_until.is_none()
    }

    /// When something is due.
    pub(super) fn due(&self) -> impl Iterator<Item = Millis> {
        self.state.iter().map(|state| state.due_at)
    }

    /// When payloads are past their retention.
    pub(super) fn kept_until(&self) -> Option<Millis> {
        self.kept_until
    }
}

impl Ledger {
    /// The directory adds a failure to its list, unless it is there.
    pub(crate) fn lists(&mut self, sender: usize, failure: &FailedDelivery) {
        debug_assert_eq!(self.places.get(&failure.sender), Some(&sender));
        let Some(device) = self.places.get(&failure.device) else {
            return;
        };
        let of = self.listed.entry((failure.id, *device)).or_default();
        of.entry(failure.at).or_insert_with(|| failure.clone());
    }

    /// Reads what a mailbox has committed about failures.
    pub(super) fn read_failures(
        &mut self,
        place: usize,
        store: &Sqlite,
        written: Written,
    ) -> Checked {
        if written.account {
            let sql = "SELECT failures, kept_until FROM account";
            let read = |mut row: Row| Ok((row.opt_text()?, row.opt_int()?));
            let (text, until) = all(store, sql, read)?.pop().unwrap_or_default();
            let state = text.map(|text| serde_json::from_str(&text));
            let failing = &mut self.failing[place];
            failing.state = state.transpose().map_err(broken)?;
            failing.kept_until = until;
        }
        if written.failures {
            let sql = "SELECT count(*) FROM failures";
            let rows = all(store, sql, |mut row: Row| row.int())?.pop();
            self.failing[place].rows = rows.unwrap_or_default();
        }
        let mut first = None;
        if written.inbox {
            let sql = "SELECT expires_at FROM inbox WHERE rank = -2 ORDER BY 1";
            let kept = all(store, sql, |mut row: Row| row.int())?;
            self.failing[place].kept = kept.len();
            first = kept.first().copied();
        }
        let failing = &self.failing[place];
        let known = failing.state.as_ref().map_or(0, |state| state.n);
        claim(
            "the account's row knows of each failure that is not listed",
            known == failing.rows,
            || format!("device {place}: {failing:?}"),
        )?;
        claim(
            "no more payloads are kept than allowed",
            failing.kept <= MOST_KEPT,
            || format!("device {place}: {failing:?}"),
        )?;
        claim(
            "the account's row knows when payloads are past their retention",
            first.is_none_or(|first| failing.kept_until.is_some_and(|until| until <= first)),
            || format!("device {place}: {failing:?}, and the first until {first:?}"),
        )
    }

    /// The world has come to rest.
    pub(super) fn failures_are_listed(&self) -> Checked {
        for ((id, device), track) in &self.deliveries {
            let message = self.messages.get(id);
            let Some(message) = message.filter(|it| it.answered && !it.void) else {
                continue;
            };
            let Some(end) = &track.end else {
                continue;
            };
            let listed = self.listed.get(&(*id, *device));
            let states = listed.into_iter().flat_map(BTreeMap::values);
            let states: Vec<_> = states.map(|failure| failure.state).collect();
            let expected = match end.state.is_failure() {
                true => vec![end.state],
                false => vec![],
            };
            claim(
                "the directory lists each failed delivery once, and no other",
                states == expected && self.names(listed, message.sender),
                || format!("{id} to device {device}: {end:?}, and it lists {listed:?}"),
            )?;
        }
        Ok(())
    }

    /// Whether what is listed names this sender.
    fn names(&self, listed: Option<&BTreeMap<Millis, FailedDelivery>>, sender: usize) -> bool {
        let mut listed = listed.into_iter().flat_map(BTreeMap::values);
        listed.all(|failure| self.places.get(&failure.sender) == Some(&sender))
    }
}
