//! The operations of a plan, its start and its end.

use tagpost_core::call::Call;
use tagpost_core::time::Millis;
use tagpost_core::token::TokenId;
use tagpost_core::trace;

use super::client::Ask;
use super::{Event, RECOVERY, World};
use crate::chance::chance;
use crate::claims::Checked;
use crate::plan::{Action, Aftermath, MAX_TTL, Manner, Op};

/// How long after the last fault a call of before it may arrive.
const LAST_CALLS: Millis = 60_000;

impl World<'_> {
    /// Creates the devices, and queues the operations.
    pub(super) fn begin(&mut self) -> Checked {
        for device in 0..self.clients.len() {
            let mut rng = chance(self.plan.seed, &[9, device as u64]);
            let off = self.plan.weather.clocks;
            if rng.bool() {
                self.objects[device].skew = rng.i64(-off..=off);
            }
            let in_crowd = device >= self.plan.devices;
            if in_crowd && rng.u32(0..10) == 0 {
                continue;
            }
            self.create(device)?;
            if in_crowd && rng.bool() {
                self.connect(device, None);
            }
        }
        let mut at = self.now;
        for (op, place) in self.plan.ops.iter().zip(0..) {
            at += op.gap;
            self.at(at, Event::Op(place));
        }
        self.at(at + 100, Event::Heal);
        let recovery = RECOVERY + 4 * self.plan.weather.clocks;
        // If devices do not answer, the remaining messages expire.
        let longest = match self.plan.aftermath {
            Aftermath::Lively => 0,
            Aftermath::Quiet | Aftermath::Poisoned => MAX_TTL,
        };
        // What an address has failed pauses for up to an hour.
        let is_hooked = |op: &Op| matches!(op.action, Action::Webhook(_));
        let longest = match self.plan.ops.iter().any(is_hooked) {
            true => {
                // By then every call of before has arrived, and no device is an address any more that ceases to be one.
                self.at(at + 100 + LAST_CALLS, Event::Return);
                MAX_TTL
            }
            false => longest,
        };
        // User agents have their time first, and then their devices.
        let has_agents = self
            .plan
            .ops
            .iter()
            .any(|op| matches!(op.action, Action::WebPush(_)));
        let longest = if has_agents {
            self.at(at + 100 + recovery, Event::Return);
            longest.max(recovery)
        } else {
            longest
        };
        for after in (recovery..=longest + recovery).step_by(600_000) {
            self.at(at + 100 + after, Event::Check);
        }
        self.at(at + 100 + longest + recovery, Event::Recovered);
        Ok(())
    }

    /// There have been no faults for a while.
    pub(super) fn check(&self) -> Checked {
        let patience = RECOVERY + 4 * self.plan.weather.clocks;
        self.ledger
            .nothing_is_stuck(self.healed_at, self.now, patience)
    }

    /// From now on there are no faults, and every device is awake, connects and answers.
    pub(super) fn heal(&mut self) -> Checked {
        (0..self.clients.len()).try_for_each(|device| self.wake(device))?;
        (self.healed, self.healed_at) = (true, self.now);
        self.note(|_| "no more faults from now on".to_owned());
        self.repair();
        self.end_lingering();
        if self.plan.aftermath == Aftermath::Quiet {
            self.everyone_leaves();
            return Ok(());
        }
        for device in 0..self.clients.len() {
            self.behave(device, Manner::GOOD);
            if self.ledger.is_address(device) {
                self.ends_its_sockets(device);
            } else if self.is_connected(device) {
                self.say_seen(device)?;
            } else if self.ledger.is_bound(device) {
                self.connect(device, None);
            }
        }
        Ok(())
    }

    fn everyone_leaves(&mut self) {
        for device in 0..self.clients.len() {
            if let Some(connection) = self.clients[device].connection.take() {
                self.client_leaves(connection, true);
            }
        }
    }

    /// Everything has had enough time. If absences are told, mailboxes look for signs of life as long as a device is
    /// connected, so that the world would never come to rest.
    pub(super) fn recovered(&mut self) -> Checked {
        self.ledger.nothing_is_left_undone(self.plan.aftermath)?;
        if self
            .publishes
            .as_ref()
            .is_some_and(|it| it.away_after.is_some())
        {
            self.is_over = true;
            (0..self.clients.len()).for_each(|device| self.ends_its_sockets(device));
        }
        Ok(())
    }

    /// Carries out an operation.
    pub(super) fn operate(&mut self, place: usize) -> Checked {
        let op = &self.plan.ops[place];
        self.note(|_| format!("* {}: {:?}", op.number, op.action));
        match &op.action {
            Action::Connect { device, expires_in } => self.connect(*device, *expires_in),
            Action::Leave { device, close } => {
                if let Some(connection) = self.clients[*device].connection.take() {
                    self.client_leaves(connection, *close);
                }
            }
            Action::Manner { device, manner } => self.behave(*device, *manner),
            Action::Publish(publication) => {
                self.publish(op.number, publication, publication.repeats)?
            }
            Action::Repeat { of } => self.publish_again(*of, 0)?,
            Action::Poll {
                device,
                limit,
                wait,
            } => {
                self.ask(
                    *device,
                    Ask::Poll,
                    Call::Inbox {
                        limit: *limit,
                        wait: *wait,
                    },
                )?;
            }
            Action::Cancel { of } => {
                if let Some((device, id)) = self.published(*of) {
                    self.ledger.cancelling(id);
                    self.ask(device, Ask::Trace, Call::Cancel { id })?;
                }
            }
            Action::Trace { of, wait } => {
                if let Some((device, id)) = self.published(*of) {
                    self.ask(
                        device,
                        Ask::Trace,
                        Call::Trace {
                            id,
                            wait: *wait,
                            after: None,
                            limit: trace::MAX_PAGE_DELIVERIES,
                        },
                    )?;
                }
            }
            Action::List { device } => {
                self.ask(
                    *device,
                    Ask::List,
                    Call::Messages {
                        state: None,
                        limit: 3,
                        before: None,
                    },
                )?;
            }
            Action::Status { device } => {
                self.ask(*device, Ask::Operator, Call::Status)?;
                self.watch(*device, op.number)?;
            }
            Action::Look { device, limit } => {
                let call = Call::Waiting {
                    limit: *limit,
                    after: None,
                    payload: false,
                };
                self.ask(*device, Ask::Operator, call)?;
            }
            Action::BadFrames { device, count } => {
                if let Some(connection) = self.clients[*device].connection {
                    for _ in 0..*count {
                        self.ledger.bad_frame(connection);
                        self.client_says(connection, "no frame".to_owned());
                    }
                }
            }
            Action::Flap {
                device,
                times,
                pace,
            } => self.flap(*device, *times, *pace),
            Action::Nap {
                device,
                lasts,
                catches_up,
            } => self.nap(*device, *lasts, *catches_up),
            Action::TakeOver { device } => self.take_over(*device),
            Action::Crash { device, moment } => self.order_crash(*device, *moment),
            Action::Isolate {
                device,
                keep_sockets,
            } => self.crash_isolate(*device, *keep_sockets),
            Action::Full { device, lasts } => {
                self.objects[*device].full_until = self.now + lasts;
            }
            Action::Misconfigure { lasts } => self.misconfigure(*lasts),
            Action::Mix { lasts } => self.mixed_until = self.now + lasts,
            Action::Deploy => (0..self.objects.len()).for_each(|object| self.crash(object, false)),
            Action::Evict { device } => self.evict(*device),
            Action::Skew { device, by } => self.set_clock(*device, *by),
            Action::Remove { device } => self.ask(*device, Ask::Operator, Call::Remove)?,
            Action::Register { device, foreign } => {
                self.renew(*device, *foreign);
                self.ask(*device, Ask::Operator, Call::Register)?;
            }
            Action::Subscribe { device, phone } => self.subscribe(*device, *phone)?,
            Action::Unsubscribe { device, phone } => self.unsubscribe(*device, *phone)?,
            Action::Bind { device, tag, bind } => {
                let (tag, bind) = (*tag, *bind);
                // The Worker asks the device's mailbox whether it may.
                let ask = Ask::Bind { tag, bind };
                self.ask(*device, ask, Call::MayAsk { mailboxes: 1 })?;
            }
            Action::Revoke { device } => self.ask(*device, Ask::Operator, Call::Revoke)?,
            Action::RevokeToken { device, ends_in } => self.revoke_token(*device, *ends_in)?,
            Action::WebPush(what) => self.web_push(op.number, what)?,
            Action::Webhook(what) => self.webhook(op.number, what)?,
        }
        Ok(())
    }

    /// The operator revokes the token that a device has, once: each revocation is an event of its own.
    fn revoke_token(&mut self, device: usize, ends_in: Option<Millis>) -> Checked {
        let client = &mut self.clients[device];
        let Some(id) = client.claims.id.clone().filter(|_| !client.is_revoked) else {
            return Ok(());
        };
        client.is_revoked = true;
        let expires_at = ends_in.map(|after| self.now + after);
        let call = Call::RevokeToken { id, expires_at };
        self.ask(device, Ask::Operator, call)
    }

    /// A device gets a valid token, minted by the service or elsewhere.
    pub(super) fn renew(&mut self, device: usize, foreign: bool) {
        let client = &mut self.clients[device];
        client.earlier += 1;
        client.is_revoked = false;
        let claims = &mut client.claims;
        claims.id = Some(TokenId::from_random(client.earlier));
        if foreign {
            claims.revocations = None;
            claims.issued_at = self.now.div_euclid(1000) + 2;
        } else {
            claims.revocations = Some(self.ledger.revocations(device));
        }
    }
}
