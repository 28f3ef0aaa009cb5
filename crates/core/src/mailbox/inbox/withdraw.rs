//! Telling the device that a message it has ended without its answer.
//!
//! It is a courtesy: it costs no row, is not repeated, and a device that is not connected is not told. So no guarantee
//! may depend on it.

use super::Inbox;
use crate::call::DeliveryStatus;
use crate::delivery::{Delivery, Withdrawal};
use crate::id::MessageId;
use crate::message::Lane;
use crate::protocol::ToDevice;
use crate::store::{Store, StoreError};
use crate::time::Now;

impl<S: Store> Inbox<'_, S> {
    /// A delivery of this lane was settled: tells the device, if it has had the message and something else ended it.
    pub(super) fn withdraw(&mut self, lane: Lane, id: MessageId, delivery: &Delivery) {
        if let Some(connection) = &*self.connection
            && connection.lane() == lane
            && let Some(reason) = Withdrawal::of(delivery).filter(|_| delivery.was_sent())
            && let Some((output, _)) = connection.say(&ToDevice::Withdrawn { id, reason })
        {
            self.cx.push(output);
        }
    }

    /// The device answers a message that is not here, or is settled: tells the device again how it ended, as long as
    /// that is known. For messages of channels it is not.
    pub(super) fn tell_late(&mut self, id: MessageId, now: Now) -> Result<(), StoreError> {
        if let DeliveryStatus::Known(delivery) = self.find_delivery(id, true, now)? {
            self.withdraw(Lane::Devices, id, &delivery);
        }
        Ok(())
    }
}
