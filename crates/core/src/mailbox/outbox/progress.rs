//! Progress of a recipient: the sender's device is told if it is connected.
//!
//! Nothing is stored, and nothing is told twice. The trace has the progress from the recipient's mailbox.

use super::{Outbox, part_rows, rows};
use crate::call::Progress;
use crate::delivery::Delivery;
use crate::id::{DeviceId, MessageId};
use crate::protocol::ToDevice;
use crate::store::{Store, StoreError};

impl<S: Store> Outbox<'_, S> {
    /// Tells the device, unless the delivery is settled: a report may overtake this.
    ///
    /// # Errors
    /// The store failed.
    pub(in crate::mailbox) fn tell_progress(
        &mut self,
        progress: &Progress,
    ) -> Result<(), StoreError> {
        if let Some(connection) = &*self.connection
            && self.is_open(progress.id, &progress.device)?
            && let Some((output, _)) = connection.say(&ToDevice::Progress(progress))
        {
            self.cx.push(output);
        }
        Ok(())
    }

    /// Whether this device sent the message, and its delivery to that one is not settled.
    fn is_open(&self, id: MessageId, device: &DeviceId) -> Result<bool, StoreError> {
        let open = |deliveries: &[Delivery]| {
            let mut deliveries = deliveries.iter();
            deliveries.any(|delivery| delivery.device == *device && !delivery.is_settled())
        };
        if let Some(publishing) = self.memory.publishing.get(&id) {
            return Ok(open(&publishing.deliveries));
        }
        if self.cx.device().is_none() {
            return Ok(false);
        }
        let deliveries = match rows::load(&self.cx.store, id)? {
            Some(sent) if sent.deliveries.is_none() => part_rows::with(&self.cx.store, id, device)?,
            sent => sent.and_then(|sent| sent.deliveries),
        };
        Ok(deliveries.is_some_and(|deliveries| open(&deliveries)))
    }
}
