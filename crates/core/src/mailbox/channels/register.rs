//! Registering channels and removing them.

use super::rows::{self, ChannelRow};
use super::{Channels, Known};
use crate::protocol::ToAgent;
use crate::schema;
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};
use crate::web_push::agent::AgentId;
use crate::web_push::channel::{Channel, SenderKey};
use crate::web_push::seal::PushUrl;

/// The most channels of a device.
const MAX_CHANNELS: u32 = 1_000;

/// The channel's id or the key is malformed.
const MALFORMED: u16 = 400;
/// There are too many channels, they are registered too fast, or the service has lost its `PUSH_KEY`.
const IMPOSSIBLE: u16 = 500;

impl<S: Store> Channels<'_, S> {
    /// The user agent registers a channel. `name` is the channel's id as it was sent; `subscription` is `None` if it is
    /// malformed.
    pub(in crate::mailbox) fn register(
        &mut self,
        name: &str,
        subscription: Option<(Channel, Option<SenderKey>)>,
        now: Now,
    ) -> Result<(), StoreError> {
        let endpoint = match subscription {
            Some((channel, key)) => self.endpoint(channel, key, now)?,
            None => Err(MALFORMED),
        };
        let endpoint = endpoint.as_deref().map_err(|status| *status);
        self.say(ToAgent::Registered { name, endpoint });
        Ok(())
    }

    /// A user agent registers and removes channels too fast: this one is not registered.
    pub(in crate::mailbox) fn refuse(&mut self, name: &str) {
        let endpoint = Err(IMPOSSIBLE);
        self.say(ToAgent::Registered { name, endpoint });
    }

    /// A user agent registers and removes channels too fast: this one stays. The protocol has no other answer.
    pub(in crate::mailbox) fn ignore(&mut self, name: &str) {
        self.say(ToAgent::Unregistered { name });
    }

    /// The endpoint of a channel, which exists from now on; or the status of the refusal.
    fn endpoint(
        &mut self,
        channel: Channel,
        key: Option<SenderKey>,
        now: Now,
    ) -> Result<Result<String, u16>, StoreError> {
        let agent = self.connection.as_ref().and_then(|it| it.agent.clone());
        let sealed_by = self.cx.push_keys.clone();
        let (Some(agent), Some(keys), Some(device)) = (agent, sealed_by, self.cx.device().cloned())
        else {
            return Ok(Err(IMPOSSIBLE));
        };
        if let Some(id) = agent.id.filter(|_| !agent.holds_channels) {
            self.take_channels(id)?;
        }
        let key = key.map(|key| key.hash());
        let Some(since) = self.since(channel, key, now)? else {
            return Ok(Err(IMPOSSIBLE));
        };
        let sealed = keys.seal(&PushUrl {
            device,
            channel,
            since,
            key,
        });
        Ok(Ok(format!("{}/wpush/{sealed}", agent.origin)))
    }

    /// When a channel was registered with this key: now, or before. `None` if there are too many.
    fn since(
        &mut self,
        channel: Channel,
        key: Option<[u8; 16]>,
        now: Now,
    ) -> Result<Option<Millis>, StoreError> {
        // The rows are counted before they change.
        let is_full = self.known()?.channels >= MAX_CHANNELS;
        let row = rows::find(&self.cx.store, channel)?;
        match &row {
            Some(row) if row.key == key => return Ok(Some(row.since)),
            // Its messages were sent to an endpoint that is gone, and the receipts are not for the new sender.
            Some(_) => {
                rows::delete(&self.cx.store, channel)?;
                self.memory.ended.push(channel);
            }
            None if is_full => return Ok(None),
            None => self.known()?.channels += 1,
        }
        let known = self.known()?;
        let since = now.at.max(known.last_since + 1);
        known.last_since = since;
        let row = ChannelRow {
            channel,
            since,
            key,
        };
        rows::save(&self.cx.store, &row)?;
        Ok(Some(since))
    }

    /// Another user agent holds the channels from now on: all former ones end.
    fn take_channels(&mut self, agent: AgentId) -> Result<(), StoreError> {
        if !self.known()?.has_tables {
            schema::create_channels(&self.cx.store)?;
            self.known()?.has_tables = true;
        }
        for former in self.list()? {
            self.end(former.channel)?;
        }
        let known = self.known()?;
        known.agent = Some(agent);
        let last_since = known.last_since;
        rows::save_agent(&self.cx.store, Some(agent), last_since)?;
        if let Some(connection) = self.connection.as_mut() {
            connection.stale = true;
            if let Some(agent) = connection.agent.as_mut() {
                agent.holds_channels = true;
            }
        }
        Ok(())
    }

    /// The user agent removes a channel. It may have got another id since it registered the channel.
    pub(in crate::mailbox) fn unregister(&mut self, name: &str) -> Result<(), StoreError> {
        if let Ok(channel) = name.parse() {
            self.remove(channel)?;
        }
        self.say(ToAgent::Unregistered { name });
        Ok(())
    }

    /// The operator, or the device itself, removes a channel. The user agent is told.
    pub(in crate::mailbox) fn revoke(&mut self, channel: Channel) -> Result<(), StoreError> {
        if self.remove(channel)? {
            let name = channel.to_string();
            self.say(ToAgent::Unregistered { name: &name });
        }
        Ok(())
    }

    /// All channels are removed. The user agent gets another id when it says hello again, and so learns of it.
    pub(in crate::mailbox) fn revoke_all(&mut self) -> Result<(), StoreError> {
        if !self.known()?.has_tables {
            return Ok(());
        }
        for channel in self.list()? {
            self.end(channel.channel)?;
        }
        let known = self.known()?;
        known.agent = None;
        let last_since = known.last_since;
        rows::save_agent(&self.cx.store, None, last_since)
    }

    /// Removes a channel. Returns whether there was one.
    fn remove(&mut self, channel: Channel) -> Result<bool, StoreError> {
        if self.known()?.channels == 0 || rows::find(&self.cx.store, channel)?.is_none() {
            return Ok(false);
        }
        self.end(channel)?;
        // The row that had it is gone, and `since` must not be used again.
        let Known {
            agent, last_since, ..
        } = *self.known()?;
        rows::save_agent(&self.cx.store, agent, last_since)?;
        Ok(true)
    }

    /// Deletes the row of a channel, whose messages end with it.
    fn end(&mut self, channel: Channel) -> Result<(), StoreError> {
        rows::delete(&self.cx.store, channel)?;
        let known = self.known()?;
        known.channels -= 1;
        self.memory.ended.push(channel);
        Ok(())
    }
}
