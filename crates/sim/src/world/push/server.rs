//! Application servers: they publish to channels, cancel, and ask what became of their messages.

use tagpost_core::call::{Call, Pushed};
use tagpost_core::web_push::request::Options;

use super::super::World;
use super::super::calls::Reply;
use super::super::client::Ask;
use super::frames;
use crate::claims::{Checked, broken};
use crate::plan::Push;

impl World<'_> {
    /// An application server publishes to a channel, if it has its endpoint.
    pub(super) fn push(&mut self, number: u32, push: &Push) -> Checked {
        let endpoints = self.servers.endpoints.get(&(push.device, push.channel));
        let mut newest = endpoints.into_iter().flatten().rev();
        let Some(url) = (match push.former {
            true => newest.nth(1),
            false => newest.next(),
        }) else {
            return Ok(());
        };
        let url = url.clone();
        let urgency = serde_json::to_value(push.urgency).map_err(broken)?;
        let mut prefer = Vec::new();
        prefer.extend((push.wait > 0).then(|| format!("wait={}", push.wait)));
        prefer.extend(push.receipt.then(|| "respond-async".to_owned()));
        let header = |name: &str| match name {
            "TTL" => Some(push.ttl.to_string()),
            "Topic" => push.topic.map(|topic| format!("topic{topic}")),
            "Urgency" => urgency.as_str().map(str::to_owned),
            "Prefer" => Some(prefer.join(", ")),
            "Content-Encoding" => Some("aes128gcm".to_owned()),
            _ => None,
        };
        let refused = |_| broken(format!("a publish is refused before it is made: {push:?}"));
        let options = Options::read(header, &self.plan.limits).map_err(refused)?;
        let wait = options.wait;
        let draft = options
            .draft(header, &frames::body(number), None)
            .map_err(refused)?;
        let enclosed = serde_json::to_string(&draft).map_err(broken)?;
        self.ledger.pushing(number, &url);
        let call = Call::Push {
            channel: url.channel,
            since: url.since,
            wait,
        };
        self.server_asks(push.device, Ask::Push(number), call, Some(enclosed))
    }

    pub(super) fn cancel_push(&mut self, of: u32) -> Checked {
        let Some((device, id)) = self.servers.taken.get(&of).copied() else {
            return Ok(());
        };
        self.ledger.cancelling_push(id);
        self.server_asks(device, Ask::Settle, Call::CancelPush { id }, None)
    }

    pub(super) fn ask_of_push(&mut self, of: u32, wait: u32) -> Checked {
        match self.servers.taken.get(&of).copied() {
            Some((device, id)) => {
                self.server_asks(device, Ask::Settle, Call::PushState { id, wait }, None)
            }
            None => Ok(()),
        }
    }

    /// An application server reads the receipts of a channel, and says up to which it has seen them.
    pub(super) fn read_receipts(&mut self, device: usize, channel: usize, wait: u32) -> Checked {
        let place = (device, channel);
        let endpoints = self.servers.endpoints.get(&place);
        let Some(url) = endpoints.and_then(|endpoints| endpoints.last()).cloned() else {
            return Ok(());
        };
        let seen = self.servers.seen.get(&place).copied();
        let call = Call::PushReceipts {
            channel: url.channel,
            since: url.since,
            seen,
            after: None,
            wait,
        };
        self.server_asks(device, Ask::Receipts(channel), call, None)
    }

    /// An application server gets an answer.
    pub(in crate::world) fn server_returned(&mut self, device: usize, ask: &Ask, reply: &Reply) {
        match (ask, reply) {
            (Ask::Push(op), Reply::Pushed(Pushed::Taken(id))) => {
                self.servers.taken.insert(*op, (device, *id));
            }
            (Ask::Receipts(channel), Reply::PushReceipts(Some(receipts))) => {
                let last = receipts.iter().map(|receipt| receipt.seq).max();
                let seen = self.servers.seen.entry((device, *channel)).or_default();
                *seen = last.map_or(*seen, |last| last.max(*seen));
            }
            _ => {}
        }
    }
}
