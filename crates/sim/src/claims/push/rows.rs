//! The rows of channels, of their messages and of their receipts, and the changes that are allowed.

use std::collections::BTreeMap;

use tagpost_core::id::MessageId;
use tagpost_core::message;
use tagpost_core::store::Row;
use tagpost_core::time::Millis;
use tagpost_core::web_push::channel::Channel;

use super::super::rows::all;
use super::super::{Checked, Ledger, claim};
use super::{Held, Receipt, broken};
use crate::store::{Sqlite, Written};
use crate::world::op_of_payload;

impl Ledger {
    /// A mailbox committed an event that wrote to these tables.
    pub(in crate::claims) fn read_channels(
        &mut self,
        place: usize,
        store: &Sqlite,
        now: Millis,
        written: Written,
    ) -> Checked {
        self.push.ended.retain(|(device, _)| *device != place);
        if written.channels {
            self.read_registrations(place, store)?;
            self.read_receipts(place, store)?;
        }
        if written.inbox {
            self.read_pushes(place, store, now)?;
        }
        if written.channels || written.inbox {
            self.ends_with_channel(place)?;
        }
        Ok(())
    }

    fn read_registrations(&mut self, place: usize, store: &Sqlite) -> Checked {
        let read = |mut row: Row| Ok((row.blob()?, row.int()?));
        let rows: Vec<(Vec<u8>, Millis)> = all(store, "SELECT channel, since FROM channels", read)?;
        let channels = rows.into_iter().map(|(bytes, since)| {
            let channel = Channel::from_bytes(&bytes);
            Ok((channel.ok_or_else(|| broken("not a channel"))?, since))
        });
        let channels = channels.collect::<Checked<BTreeMap<_, _>>>()?;
        let agent = all(store, "SELECT id FROM user_agent", |mut row: Row| {
            row.opt_text()
        })?;
        let mailbox = self.push.mailboxes.entry(place).or_default();
        let before = std::mem::replace(&mut mailbox.channels, channels.clone());
        mailbox.agent = agent.into_iter().flatten().next();
        let holds = mailbox.channels.is_empty() || mailbox.agent.is_some();
        claim("channels are held by a user agent", holds, || {
            format!("device {place}")
        })?;
        let gone = before
            .into_iter()
            .filter(|(channel, since)| channels.get(channel) != Some(since));
        let gone: Vec<_> = gone.map(|registration| (place, registration)).collect();
        self.push.gone.extend(gone.iter().copied());
        self.push.ended.extend(gone);
        let mut here = channels.into_iter();
        let again = here.find(|registration| self.push.gone.contains(&(place, *registration)));
        claim(
            "an endpoint that is gone stays gone",
            again.is_none(),
            || format!("{again:?} of device {place}"),
        )
    }

    fn read_receipts(&mut self, place: usize, store: &Sqlite) -> Checked {
        let sql = "SELECT message, channel, seq, status, at FROM push_receipts";
        let read = |mut row: Row| {
            let (id, channel) = (row.id()?, row.blob()?);
            Ok((id, channel, row.int()?, row.count()?, row.int()?))
        };
        let mut receipts = BTreeMap::new();
        let rows: Vec<(MessageId, Vec<u8>, i64, u16, Millis)> = all(store, sql, read)?;
        for (id, channel, seq, status, at) in rows {
            let is_gone = channel.is_empty();
            let channel = Channel::from_bytes(&channel);
            if channel.is_none() && !is_gone {
                return Err(broken("not a channel"));
            }
            let receipt = Receipt {
                channel,
                seq,
                status,
                at,
            };
            receipts.insert(id, receipt);
        }
        let mailbox = self.push.mailboxes.entry(place).or_default();
        let before = std::mem::replace(&mut mailbox.receipts, receipts.clone());
        for (id, receipt) in &receipts {
            // It has outlived its channel.
            let unbound = before.get(id).map(|known| Receipt {
                channel: None,
                ..*known
            });
            if before.get(id) != Some(receipt) && unbound != Some(*receipt) {
                self.has_receipt(place, *id, *receipt)?;
            }
            self.receipt_has_channel(place, *id, *receipt)?;
        }
        for (id, receipt) in before {
            if !receipts.contains_key(&id) {
                self.receipt_is_gone(place, id, receipt)?;
            }
        }
        Ok(())
    }

    fn read_pushes(&mut self, place: usize, store: &Sqlite, now: Millis) -> Checked {
        let sql = "SELECT id, size, expires_at, body FROM inbox WHERE sender LIKE '~%'";
        let read = |mut row: Row| Ok((row.id()?, row.count()?, row.int()?, row.text()?));
        let rows: Vec<(MessageId, u64, Millis, String)> = all(store, sql, read)?;
        let mut held = BTreeMap::new();
        for (id, size, expires_at, body) in rows {
            if !self.push.has(id) {
                let message: message::Message = serde_json::from_str(&body).map_err(broken)?;
                let op = op_of_payload(message.payload.get())?;
                self.push.learn(place, id, op, now);
            }
            let is_kept = self.push.push(id).is_none_or(|push| push.ttl > 0);
            claim("a push with TTL 0 is never stored", is_kept, || {
                format!("{id} to device {place}")
            })?;
            held.insert(id, Held { size, expires_at });
        }
        let mailbox = self.push.mailboxes.entry(place).or_default();
        let before = std::mem::replace(&mut mailbox.held, held);
        for (id, held) in before {
            if !self.push.is_stored(place, id) {
                self.push_is_gone(place, id, held.expires_at)?;
            }
        }
        self.one_push_of_a_topic(place)
    }

    /// A topic has one message in a channel.
    fn one_push_of_a_topic(&self, place: usize) -> Checked {
        let mailbox = self.push.mailboxes.get(&place);
        let held = mailbox.into_iter().flat_map(|mailbox| mailbox.held.keys());
        let mut topics = BTreeMap::new();
        for id in held {
            let topic = self.push.push(*id).and_then(|push| push.topic);
            let Some((topic, endpoint)) = topic.zip(self.push.endpoint(*id)) else {
                continue;
            };
            let other = topics.insert((endpoint, topic), id);
            claim("one push of a topic is held", other.is_none(), || {
                format!("{id} and {other:?} of device {place}")
            })?;
        }
        Ok(())
    }
}
