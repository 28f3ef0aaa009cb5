//! Devices that sleep: the radio is off, and nothing runs.
//!
//! A sleeping device sends nothing, no pings either, and reads nothing. What is on its way, to it or from it, waits.
//! When it wakes, all of that arrives in its order, and the device goes on over the connection that it had. The service
//! may have taken that for dead meanwhile, or not.
//!
//! Not asleep: its mailbox, the operator, and the application servers of its channels.

use tagpost_core::mailbox::ConnectionId;
use tagpost_core::time::Millis;

use super::calls::Caller;
use super::client::Ask;
use super::sockets::{End, Socket};
use super::{Event, World};
use crate::claims::Checked;
use crate::plan::{Action, PushOp};

/// A device's sleep.
#[derive(Debug)]
pub(super) struct Nap {
    /// Tells it from others.
    number: u64,
    began: Millis,
    /// A ping that fell due meanwhile is sent when it wakes. Else its timers stand still.
    catches_up: bool,
    /// What waits for it to wake, in order.
    held: Vec<Event>,
}

impl Socket {
    /// The device falls asleep.
    pub(super) fn falls_asleep(&mut self, now: Millis, keepalive: Millis) {
        self.pong_at = self.beat(now, keepalive);
        self.spoke_at += (now - self.spoke_at).div_euclid(keepalive).max(0) * keepalive;
        self.asleep_from = Some(now);
    }

    /// The device has woken.
    fn wakes(&mut self, now: Millis, keepalive: Millis, catches_up: bool) {
        let Some(from) = self.asleep_from.take() else {
            return;
        };
        if !catches_up {
            self.spoke_at += now - from;
        } else if now - self.spoke_at >= keepalive {
            self.spoke_at = now - keepalive;
        }
    }
}

impl World<'_> {
    /// A device falls asleep, for a while.
    pub(super) fn nap(&mut self, device: usize, lasts: Millis, catches_up: bool) {
        self.next += 1;
        let number = self.next;
        self.clients[device].nap = Some(Nap {
            number,
            began: self.now,
            catches_up,
            held: Vec::new(),
        });
        let (now, keepalive) = (self.now, self.keepalive());
        for connection in self.ends_of(device) {
            self.sockets[connection as usize].falls_asleep(now, keepalive);
            let now = now + self.objects[device].skew;
            self.ledger.falls_silent(connection, now);
        }
        self.after(lasts, Event::Wakes { device, number });
    }

    /// The time for which a device sleeps is over.
    pub(super) fn wakes(&mut self, device: usize, number: u64) -> Checked {
        match &self.clients[device].nap {
            Some(nap) if nap.number == number => self.wake(device),
            _ => Ok(()),
        }
    }

    /// A device wakes, if it sleeps: what has waited for that happens.
    pub(super) fn wake(&mut self, device: usize) -> Checked {
        let Some(nap) = self.clients[device].nap.take() else {
            return Ok(());
        };
        let (now, keepalive) = (self.now, self.keepalive());
        self.note(|names| {
            let slept = now - nap.began;
            format!("{} wakes after {slept} ms", names[device])
        });
        for connection in self.ends_of(device) {
            self.sockets[connection as usize].wakes(now, keepalive, nap.catches_up);
            let now = now + self.objects[device].skew;
            self.ledger.shows_life(connection, now);
        }
        // What is queued for this moment comes after it.
        nap.held.into_iter().try_for_each(|event| self.step(event))
    }

    /// The connections of a device that are not over at its end.
    fn ends_of(&self, device: usize) -> Vec<ConnectionId> {
        let sockets = self.sockets.iter().zip(0..);
        let of =
            sockets.filter(|(socket, _)| socket.device == device && socket.client != End::Gone);
        of.map(|(_, connection)| connection).collect()
    }

    /// An event that has to happen now. One of a sleeping device waits.
    pub(super) fn unless_asleep(&mut self, event: Event) -> Option<Event> {
        let nap = self.device_of(&event);
        let nap = nap.and_then(|device| self.clients[device].nap.as_mut());
        let Some(nap) = nap else {
            return Some(event);
        };
        // It does nothing of its own.
        if !matches!(event, Event::Op(_)) {
            nap.held.push(event);
        }
        None
    }

    /// The device that an event concerns, if that has to be awake for it.
    fn device_of(&self, event: &Event) -> Option<usize> {
        match event {
            Event::Op(place) => self.actor(&self.plan.ops[*place].action),
            Event::ToClient { connection, .. } | Event::ToMailbox { connection, .. } => {
                Some(self.sockets[*connection as usize].device)
            }
            Event::Returns { call, .. } => match self.calls.get(call)?.caller {
                Caller::Client {
                    device,
                    ask:
                        Ask::Publish { .. }
                        | Ask::Poll
                        | Ask::Trace
                        | Ask::List
                        | Ask::Settle
                        | Ask::Subscribe { .. },
                } => Some(device),
                Caller::Client { .. } | Caller::Mailbox { .. } => None,
            },
            Event::Verdict { device, .. }
            | Event::Progress { device, .. }
            | Event::Answer { device, .. }
            | Event::Seen { device }
            | Event::Flap { device, .. }
            | Event::Reconnect { device } => Some(*device),
            Event::Unanswered { op, .. } => self.sender_of(*op),
            _ => None,
        }
    }

    /// The device that carries out an operation.
    fn actor(&self, action: &Action) -> Option<usize> {
        match action {
            Action::Connect { device, .. }
            | Action::Leave { device, .. }
            | Action::Manner { device, .. }
            | Action::Poll { device, .. }
            | Action::List { device }
            | Action::BadFrames { device, .. }
            | Action::Bind { device, .. }
            | Action::Subscribe { device, .. }
            | Action::Unsubscribe { device, .. }
            | Action::Flap { device, .. }
            | Action::Nap { device, .. } => Some(*device),
            Action::Publish(publication) => Some(publication.sender),
            Action::Repeat { of } | Action::Cancel { of } | Action::Trace { of, .. } => {
                self.sender_of(*of)
            }
            Action::WebPush(
                PushOp::Connect { device, .. }
                | PushOp::Return { device }
                | PushOp::Register { device, .. }
                | PushOp::Unregister { device, .. }
                | PushOp::Say { device, .. }
                | PushOp::Meddle { device },
            ) => Some(*device),
            _ => None,
        }
    }
}
