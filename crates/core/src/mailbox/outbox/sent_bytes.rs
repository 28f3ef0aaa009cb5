//! The limit on the stored bytes of a sender (`MAX_SENT_BYTES`), and what is dropped when they exceed it.
//!
//! They are measured as the database's size less the inbox's messages: a counter would cost rows.
//! Beyond the limit, the retention of the oldest settled messages ends early, some in each event; the account's
//! `truncated_before` shows it. A publish is refused only if no message can be dropped. An unsettled message is never
//! dropped, so replies may exceed the limit: beyond twice the limit a reply is not kept, and its delivery says so.

use super::account::Account;
use super::{Outbox, group_rows, rows};
use crate::delivery::Delivery;
use crate::id::MessageId;
use crate::problem::{Code, Problem};
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};

/// How often small publishes check the size.
const CHECK_INTERVAL: Millis = 1_000;

/// How many rows are dropped in one event at most.
const BATCH: u32 = 100;

/// After this many dropped rows the size is checked again.
const RECHECK_AFTER: usize = 10;

/// The `Retry-After` of a full outbox, in seconds.
const FULL_RETRY_AFTER: u32 = 60;

/// The reason of a delivery whose reply was not kept.
const REPLY_DROPPED: &str = "reply_not_kept";

/// When the stored bytes were last checked.
#[derive(Debug, Default)]
pub(super) struct Size {
    /// There was room.
    checked_at: Millis,
    /// There was no room, and no row that could be dropped.
    refused_at: Option<Millis>,
}

/// A row that can be dropped: its message, or the first of its messages.
#[derive(Debug)]
struct Old {
    id: MessageId,
    /// When the newest message in it was accepted.
    accepted_at: Millis,
    key: Option<String>,
    grouped: bool,
}

impl<S: Store> Outbox<'_, S> {
    /// Whether more than `most` bytes are stored. The inbox is counted only if that makes a difference.
    fn keeps_more_than(&mut self, most: u64) -> Result<bool, StoreError> {
        let size = self.cx.store.size()?;
        if size <= most {
            return Ok(false);
        }
        let received = self.cx.rows()?.bytes + self.cx.kept_bytes()?;
        Ok(size.saturating_sub(received) > most)
    }

    /// Makes room for one more publish. Returns the problem if there is no room. A `large` publish always checks.
    pub(super) fn make_room(
        &mut self,
        large: bool,
        now: Now,
    ) -> Result<Option<Problem>, StoreError> {
        let recently = |at: Millis| (at..at + CHECK_INTERVAL).contains(&now.at);
        let most = self.cx.limits.max_sent_bytes;
        // Finding that no message is settled may read every message.
        if self.memory.size.refused_at.is_some_and(recently) {
            return Ok(Some(no_room(most)));
        }
        if recently(self.memory.size.checked_at) && !large {
            return Ok(None);
        }
        if !self.keeps_more_than(most)? {
            self.memory.size.checked_at = now.at;
            return Ok(None);
        }
        // Every further publish checks again until there is room.
        if self.relieve()? {
            return Ok(None);
        }
        self.memory.size.refused_at = Some(now.at);
        Ok(Some(no_room(most)))
    }

    /// Ends the retention of the oldest settled messages. Returns whether there were any.
    fn relieve(&mut self) -> Result<bool, StoreError> {
        let old = self.oldest_settled()?;
        let mut newest = None;
        for batch in old.chunks(RECHECK_AFTER) {
            for row in batch {
                match row.grouped {
                    true => group_rows::delete(&self.cx.store, row.id)?,
                    false => {
                        rows::delete(&self.cx.store, row.id, row.key.as_deref())?;
                        self.forget_job(row.id);
                    }
                }
                newest = newest.max(Some(row.accepted_at));
            }
            if !self.keeps_more_than(self.cx.limits.max_sent_bytes)? {
                break;
            }
        }
        let Some(account) = self.cx.account.as_mut().filter(|_| newest.is_some()) else {
            return Ok(false);
        };
        account.truncated_before = account.truncated_before.max(newest);
        Account::save(account, &self.cx.store)?;
        Ok(true)
    }

    fn oldest_settled(&self) -> Result<Vec<Old>, StoreError> {
        let alone = rows::settled_in_order(&self.cx.store, BATCH)?;
        let alone = alone.into_iter().map(|row| Old {
            id: row.id,
            accepted_at: row.accepted_at,
            key: row.key,
            grouped: false,
        });
        let mut old: Vec<Old> = alone.collect();
        let groups = group_rows::in_order(&self.cx.store, BATCH)?;
        old.extend(groups.into_iter().map(|(first, last)| Old {
            id: first,
            accepted_at: last.time(),
            key: None,
            grouped: true,
        }));
        old.sort_unstable_by_key(|row| row.id);
        old.truncate(BATCH as usize);
        Ok(old)
    }

    /// Drops the replies of deliveries that are about to be recorded, if there is no room for them.
    pub(super) fn without_replies(
        &mut self,
        mut deliveries: Vec<Delivery>,
    ) -> Result<Vec<Delivery>, StoreError> {
        let replied = |delivery: &Delivery| delivery.reply.is_some();
        let most = self.cx.limits.max_sent_bytes.saturating_mul(2);
        if deliveries.iter().any(replied) && self.keeps_more_than(most)? {
            for delivery in deliveries.iter_mut().filter(|it| it.reply.is_some()) {
                delivery.reply = None;
                delivery.reason = Some(REPLY_DROPPED.to_owned());
            }
        }
        Ok(deliveries)
    }
}

/// The problem of a full outbox.
fn no_room(most: u64) -> Problem {
    let detail =
        format!("this device's sent messages take more than {most} bytes, and none is settled");
    let mut problem = Problem::new(Code::OutboxFull, detail);
    problem.retry_after = Some(FULL_RETRY_AFTER);
    problem
}
