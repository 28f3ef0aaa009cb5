//! Lending each component, for one event, its memory and what all of them share.

use super::Mailbox;
use super::channels::Channels;
use super::failures::Failures;
use super::inbox::Inbox;
use super::operator_events::OperatorEvents;
use super::outbox::Outbox;
use super::wake::Wake;
use super::watchers::Watchers;
use super::webhook::Webhook;
use crate::store::{Store, StoreError};

impl<S: Store> Mailbox<S> {
    pub(super) fn inbox(&mut self) -> Inbox<'_, S> {
        Inbox {
            cx: &mut self.cx,
            connection: &mut self.connection,
            memory: &mut self.inbox,
        }
    }

    pub(super) fn outbox(&mut self) -> Outbox<'_, S> {
        Outbox {
            cx: &mut self.cx,
            connection: &mut self.connection,
            memory: &mut self.outbox,
        }
    }

    pub(super) fn channels(&mut self) -> Channels<'_, S> {
        Channels {
            cx: &mut self.cx,
            connection: &mut self.connection,
            memory: &mut self.channels,
        }
    }

    pub(super) fn wake(&mut self) -> Wake<'_, S> {
        Wake {
            cx: &mut self.cx,
            memory: &mut self.wake,
        }
    }

    pub(super) fn failures(&mut self) -> Failures<'_, S> {
        Failures {
            cx: &mut self.cx,
            memory: &mut self.failures,
        }
    }

    pub(super) fn operator_events(&mut self) -> OperatorEvents<'_, S> {
        OperatorEvents {
            cx: &mut self.cx,
            memory: &mut self.operator_events,
        }
    }

    pub(super) fn watchers(&mut self) -> Watchers<'_, S> {
        Watchers {
            cx: &mut self.cx,
            memory: &mut self.watchers,
        }
    }

    pub(super) fn webhook(&mut self) -> Webhook<'_, S> {
        Webhook {
            cx: &mut self.cx,
            memory: &mut self.webhook,
        }
    }

    /// Runs the inbox, which may end the connection; the outbox is then informed.
    pub(super) fn receive<T>(
        &mut self,
        work: impl FnOnce(&mut Inbox<'_, S>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let outcome = work(&mut self.inbox())?;
        if let Some(ended) = self.cx.ended.take() {
            self.outbox().disconnected(&ended)?;
        }
        Ok(outcome)
    }
}
