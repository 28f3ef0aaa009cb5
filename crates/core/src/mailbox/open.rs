//! Opening a mailbox, and what it is told then.

use std::rc::Rc;

use super::account::Account;
use super::connection::{Chain, Connection};
use super::context::{Context, OPENING_PAUSE};
use super::pending::Pending;
use super::timer::Timers;
use super::{
    Mailbox, channels, failures, hooks, inbox, operator_events, outbox, pairing, wake, watchers,
    webhook,
};
use crate::limits::Limits;
use crate::operator_event::Settings;
use crate::protocol::Codecs;
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};
use crate::wake::Knocks;
use crate::watch::Watching;
use crate::web_push::seal::Keys;

impl<S: Store> Mailbox<S> {
    /// Opens the mailbox over its rows and the attachments of its open sockets. `codecs` are the protocols that
    /// these may speak; `alarm` is the time that the alarm is set to.
    ///
    /// # Errors
    /// The store failed.
    pub fn open(
        store: S,
        limits: Limits,
        codecs: &Codecs,
        attachments: &[String],
        alarm: Option<Millis>,
        now: Now,
    ) -> Result<Self, StoreError> {
        let account = Account::load(&store)?;
        let connections = attachments.iter();
        let connections = connections.filter_map(|text| Connection::from_attachment(text, codecs));
        // An alarm that should have gone off by now may have been lost in a crash.
        let to_come = alarm.filter(|at| *at > now.at);
        let mut mailbox = Self {
            cx: Context {
                store,
                limits,
                account,
                rows: None,
                recounted_at: 0,
                ended: None,
                timers: Timers::with_alarm(to_come),
                effects: Vec::new(),
                push_keys: None,
                knocks: Knocks::Off,
                records_failures: false,
                events: None,
                watching: Watching::Nobody,
                woken: Vec::new(),
            },
            connection: connections.max_by_key(|connection| connection.connected_at),
            frames: Vec::new(),
            inbox: inbox::Memory::default(),
            outbox: outbox::Memory::default(),
            channels: channels::Memory::default(),
            pairing: pairing::Memory::default(),
            hooks: hooks::Memory::default(),
            wake: wake::Memory::default(),
            failures: failures::Memory::default(),
            operator_events: operator_events::Memory::default(),
            watchers: watchers::Memory::default(),
            webhook: webhook::Memory::default(),
            chain: Chain::default(),
            is_new: true,
            pending: Pending::default(),
        };
        mailbox.watchers().open(attachments);
        if mailbox.cx.account.is_some() {
            // A future alarm was set no later than what the inbox has due; one that kept failing, no later than two
            // minutes after the failure.
            let inbox_due = to_come.is_none();
            mailbox.inbox().open(now)?;
            mailbox.outbox().open(alarm, now)?;
            mailbox.wake().open()?;
            mailbox.failures().open()?;
            mailbox.webhook().open()?;
            mailbox.connect_address(now)?;
            mailbox.wake_for(inbox_due, now)?;
            if inbox_due {
                mailbox.wake_to_post(now)?;
            }
            mailbox.cx.timers.put_off(now.at + OPENING_PAUSE);
        }
        Ok(mailbox)
    }

    /// The same mailbox with the keys that seal the endpoints of its channels. Without them it registers none.
    pub fn with_push_keys(mut self, keys: Option<Rc<Keys>>) -> Self {
        self.cx.push_keys = keys;
        self
    }

    /// The same mailbox, which knocks for these messages. Without this it knocks for none.
    pub fn with_knocks(mut self, knocks: Knocks) -> Self {
        self.cx.knocks = knocks;
        self
    }

    /// The same mailbox, which tells the directory of failures. Without this it tells it of none.
    pub fn with_failures(mut self, are_recorded: bool) -> Self {
        self.cx.records_failures = are_recorded;
        self
    }

    /// The same mailbox, which tells of events like this. Without this it tells of none.
    pub fn with_events(mut self, events: Option<Settings>) -> Self {
        self.cx.events = events;
        self
    }
}
