//! Performing the outputs of a mailbox, as the Worker's `src/mailbox/perform.rs` does.

use tagpost_core::mailbox::Output;

use super::World;
use super::calls::Caller;
use super::knocks::Knock;
use crate::claims::{Checked, broken};

impl World<'_> {
    pub(super) fn perform(&mut self, object: usize, outputs: Vec<Output>) -> Checked {
        for output in outputs {
            match output {
                Output::Accept(connection) => self.accept(connection),
                Output::Send { connection, frame } => {
                    let text = frame
                        .text()
                        .ok_or_else(|| broken("a frame that is not text"))?;
                    self.send(object, connection, text)?;
                }
                Output::Close {
                    connection,
                    code,
                    reason,
                } => self.hang_up(object, connection, code, reason)?,
                Output::Attach {
                    connection,
                    attachment,
                } => self.attach(connection, attachment)?,
                Output::Call {
                    to,
                    purpose,
                    call,
                    enclosed,
                } => {
                    let host = &mut self.objects[object];
                    host.under_way += 1;
                    let life = host.life;
                    let caller = Caller::Mailbox {
                        object,
                        life,
                        purpose,
                    };
                    let to = self.places[&to];
                    self.call(caller, to, None, call, enclosed)?;
                }
                Output::Resolve(targets) => self.look_up(object, targets),
                Output::Register(_) => self.enter(object),
                Output::Reply(call, reply) => self.replied(object, call, reply)?,
                Output::Knock {
                    subscription,
                    number,
                    endpoint,
                    ..
                } => {
                    let knock = Knock {
                        subscription,
                        number,
                        endpoint,
                    };
                    self.knock(object, &knock)?;
                }
                Output::Record {
                    number, failures, ..
                } => self.record(object, number, &failures),
                Output::Post {
                    purpose,
                    chain,
                    post,
                } => self.post(object, purpose, chain, &post)?,
                // It is noted in the Worker's log; and the alarm was set when the event was committed.
                Output::AddressGone | Output::Alarm(_) => {}
            }
        }
        Ok(())
    }
}
