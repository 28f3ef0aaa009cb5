//! Telling of failed deliveries, and of those that are sent again.
//!
//! A failure is told in the event that stores it with its message: what a crash takes back was not told. It is told
//! once, or once for each time that it is stored anew. Not here: who hears it.

use super::publish::Publishing;
use super::{Context, News, Outbox};
use crate::delivery::Delivery;
use crate::failure::FailedDelivery;
use crate::id::{DeviceId, MessageId};
use crate::message::Target;
use crate::store::Store;

/// Tells which of these deliveries of a message have failed. They are stored in this event.
pub(super) fn tell_failed<'a, S: Store>(
    cx: &mut Context<S>,
    id: MessageId,
    to: &Target,
    deliveries: impl IntoIterator<Item = &'a Delivery>,
) {
    for delivery in deliveries {
        tell(cx, id, to, delivery, None);
    }
}

/// Tells that a failed delivery was sent again with this message.
pub(super) fn tell_resent<S: Store>(
    cx: &mut Context<S>,
    id: MessageId,
    to: &Target,
    delivery: &Delivery,
    resent_as: MessageId,
) {
    tell(cx, id, to, delivery, Some(resent_as));
}

fn tell<S: Store>(
    cx: &mut Context<S>,
    id: MessageId,
    to: &Target,
    delivery: &Delivery,
    resent_as: Option<MessageId>,
) {
    let Some(sender) = cx.device() else {
        return;
    };
    if let Some(failure) = FailedDelivery::of(id, sender, to, delivery) {
        let failure = FailedDelivery {
            resent_as,
            ..failure
        };
        cx.push(News::Failed(Box::new(failure)));
    }
}

impl<S: Store> Outbox<'_, S> {
    /// The deliveries of a publish that is not answered are stored: tells which have failed since they were stored
    /// last.
    pub(super) fn tell_failed_of(&mut self, id: MessageId) {
        if let Some(publishing) = self.memory.publishing.get_mut(&id) {
            publishing.tell_failed(self.cx);
        }
    }
}

impl Publishing {
    /// Tells which of its deliveries have failed since they were stored last.
    pub(super) fn tell_failed<S: Store>(&mut self, cx: &mut Context<S>) {
        let Self {
            message,
            deliveries,
            told,
            ..
        } = self;
        for delivery in deliveries.iter().filter(|it| it.state.is_failure()) {
            if !told.contains(&delivery.device) {
                tell(cx, message.id, &message.to, delivery, None);
                told.push(delivery.device.clone());
            }
        }
    }
}

/// The devices of deliveries that have failed.
pub(super) fn failed_devices(deliveries: &[Delivery]) -> Vec<DeviceId> {
    let failed = deliveries.iter().filter(|it| it.state.is_failure());
    failed.map(|delivery| delivery.device.clone()).collect()
}
