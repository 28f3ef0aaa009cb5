//! How many bytes are kept of what this device sent, and what goes first when that is too much.
//!
//! The database's own size is what counts, less what waits in the inbox: a counter of its own would cost rows.
//! Too much is relieved by ending the retention of the oldest messages that are settled, some in an event;
//! [`crate::mailbox::Mailbox::truncated_before`] tells it. Only where none can go is a publish refused. A message that is not
//! settled always stays, so what its devices reply may exceed the limit: beyond twice the limit a reply is not
//! kept, and its delivery says so.

use super::account::Account;
use super::{Outbox, group_rows, rows};
use crate::delivery::Delivery;
use crate::id::MessageId;
use crate::problem::{Code, Problem};
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};

/// How often small publishes look at the size.
const LOOKED_AT_EVERY: Millis = 1_000;

/// How many rows go in one event at most.
const BATCH: u32 = 100;

/// After this many the size is looked at again.
const SOME: usize = 10;

/// Seconds after which something may be settled.
const ROOM_IN: u32 = 60;

/// Where a reply was not kept.
const REPLY_DROPPED: &str = "reply_not_kept";

/// What is known of the size.
#[derive(Debug, Default)]
pub(super) struct Size {
    looked_at: Millis,
    /// There was no room, and nothing that could go.
    refused_at: Option<Millis>,
}

/// A row that can go: its message, or the first of its messages.
#[derive(Debug)]
struct Old {
    id: MessageId,
    /// When the newest message in it was accepted.
    accepted_at: Millis,
    key: Option<String>,
    grouped: bool,
}

impl<S: Store> Outbox<'_, S> {
    /// Whether more than `most` bytes are kept. The inbox is counted only where that decides.
    fn keeps_more_than(&mut self, most: u64) -> Result<bool, StoreError> {
        let size = self.cx.store.size()?;
        Ok(size > most && size.saturating_sub(self.cx.rows()?.bytes) > most)
    }

    /// Makes room for one more publish, which is large or not. Answers why there is none, if there is none.
    pub(super) fn make_room(
        &mut self,
        large: bool,
        now: Now,
    ) -> Result<Option<Problem>, StoreError> {
        let recently = |at: Millis| (at..at + LOOKED_AT_EVERY).contains(&now.at);
        let most = self.cx.limits.max_sent_bytes;
        // To find that nothing is settled may take a look at every message.
        if self.memory.size.refused_at.is_some_and(recently) {
            return Ok(Some(no_room(most)));
        }
        if recently(self.memory.size.looked_at) && !large {
            return Ok(None);
        }
        if !self.keeps_more_than(most)? {
            self.memory.size.looked_at = now.at;
            return Ok(None);
        }
        // Each further publish looks again until there is room.
        if self.relieve()? {
            return Ok(None);
        }
        self.memory.size.refused_at = Some(now.at);
        Ok(Some(no_room(most)))
    }

    /// Ends the retention of the oldest settled messages; whether there were any.
    fn relieve(&mut self) -> Result<bool, StoreError> {
        let old = self.oldest_settled()?;
        let mut newest = None;
        for some in old.chunks(SOME) {
            for row in some {
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

    /// Takes the replies out of deliveries that are to be recorded, where there is no room for them at all.
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

/// There is no room.
fn no_room(most: u64) -> Problem {
    let detail =
        format!("what is kept of this device's messages exceeds {most} bytes, and none is settled");
    let mut problem = Problem::new(Code::OutboxFull, detail);
    problem.retry_after = Some(ROOM_IN);
    problem
}
