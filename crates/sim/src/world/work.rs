//! Devices that work on a message for a while, and say so.

use fastrand::Rng;
use tagpost_core::call::Call;
use tagpost_core::id::MessageId;
use tagpost_core::time::Millis;

use super::client::Ask;
use super::{Event, World};
use crate::claims::Checked;

/// How many seconds a device says that it needs.
const SECONDS: [u32; 5] = [1, 1, 3, 20, 60];

/// A device says that it works on a message.
#[derive(Debug)]
pub(super) struct Work {
    id: MessageId,
    seconds: u32,
    /// Over HTTP, even if there is a socket.
    http: bool,
}

impl World<'_> {
    /// A device begins to work on a message, which takes `lasts` milliseconds. It says so once or a few times, perhaps
    /// too late, and perhaps for longer than it takes.
    pub(super) fn work(&mut self, device: usize, id: MessageId, rng: &mut Rng, lasts: Millis) {
        let http = rng.u32(0..6) == 0;
        let mut at = rng.i64(1..=20);
        for _ in 0..rng.u32(1..=3) {
            let seconds = SECONDS[rng.usize(0..SECONDS.len())];
            let work = Work { id, seconds, http };
            self.after(at, Event::Progress { device, work });
            at += rng.i64(1..=lasts);
        }
    }

    /// A device says that it works on a message, if it can.
    pub(super) fn say_progress(&mut self, device: usize, work: &Work) -> Checked {
        let Work { id, seconds, http } = *work;
        match self.speaking(device) {
            Some(connection) if !http => {
                let frame = format!(r#"{{"type":"progress","id":"{id}","for":{seconds}}}"#);
                self.client_says(connection, frame);
            }
            _ if http => {
                let call = Call::Progress {
                    id,
                    seconds: Some(seconds),
                    note: Some(format!("for {seconds} s")),
                };
                self.ask(device, Ask::Settle, call)?;
            }
            _ => {}
        }
        Ok(())
    }
}
