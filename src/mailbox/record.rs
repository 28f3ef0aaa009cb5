//! Listing failures in the directory.

use std::rc::Rc;

use tagpost_core::failure::FailedDelivery;
use tagpost_core::mailbox::Input;

use super::Object;
use crate::config::Config;
use crate::respond::{Error, cause};
use crate::{clock, directory, log};

impl Object {
    /// Adds failures to the directory, and tells the mailbox whether they are there. `dropped` others were not kept for
    /// it.
    pub(super) fn record(
        self: &Rc<Self>,
        number: u64,
        failures: Vec<FailedDelivery>,
        dropped: u32,
    ) {
        if dropped > 0 {
            let device = self.state.id().name().unwrap_or_default();
            let count = dropped.to_string();
            log::info(
                "failures_dropped",
                &[("device", &device), ("count", &count)],
            );
        }
        let object = Rc::clone(self);
        self.spawn(async move {
            let listed = object.list(&failures).await;
            if let Err(error) = &listed {
                Error::internal("failures_not_listed", cause(error)).log();
            }
            let taken = listed.is_ok();
            object.event(Input::Recorded { number, taken })
        });
    }

    async fn list(&self, failures: &[FailedDelivery]) -> worker::Result<()> {
        let config = Config::checked(&self.env)?;
        let kept_from = clock() - config.limits.retention_ms();
        let db = directory::database(&self.env)?;
        directory::failures::add(&db, failures, kept_from).await
    }
}
