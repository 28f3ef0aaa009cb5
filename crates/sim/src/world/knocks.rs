//! Push services of other companies, which wake devices, and the phones behind them.
//!
//! A push service takes a knock, asks to be left alone, fails, has forgotten the subscription, or says nothing. What it
//! has taken it passes on, late or never. A device that is knocked wakes, and connects or polls.

use tagpost_core::call::Call;
use tagpost_core::mailbox::Input;
use tagpost_core::time::Millis;
use tagpost_core::wake::{Destination, Endpoint, KnockAnswer, Subscription, SubscriptionId};

use super::client::Ask;
use super::push::ORIGIN;
use super::sockets::End;
use super::{Event, World};
use crate::chance::{chance, happens};
use crate::claims::{Checked, broken};

/// How long an answer takes at most. After that the Worker gives up.
const LATEST_ANSWER: Millis = 10_000;
/// How late a knock reaches its device at most.
const LATEST_KNOCK: Millis = 90_000;
/// What push services say in `Retry-After`, in seconds.
const RETRY_AFTER: [u32; 6] = [1, 5, 29, 60, 600, 7_200];

/// A knock on its way to a push service.
#[derive(Debug)]
pub(super) struct Knock {
    pub(super) subscription: SubscriptionId,
    pub(super) number: i64,
    pub(super) endpoint: Endpoint,
}

impl World<'_> {
    /// A device stores where it can be knocked.
    pub(super) fn subscribe(&mut self, device: usize, phone: u32) -> Checked {
        let url = format!("https://push{phone}.example/{device}/{phone}");
        let body = serde_json::json!({"endpoint": url, "label": format!("phone {phone}")});
        let subscription = Subscription::read(body.to_string().as_bytes(), ORIGIN, ORIGIN);
        let subscription = subscription.map_err(broken)?;
        let ask = Ask::Subscribe { phone };
        self.ask(device, ask, Call::Subscribe(subscription))
    }

    /// A device removes a subscription, or all.
    pub(super) fn unsubscribe(&mut self, device: usize, phone: Option<u32>) -> Checked {
        let ids = &self.clients[device].subscriptions;
        let id = phone.and_then(|phone| ids.get(&phone).copied());
        if phone.is_some() && id.is_none() {
            return Ok(());
        }
        self.ask(device, Ask::Settle, Call::Unsubscribe { id })
    }

    /// A mailbox knocks.
    pub(super) fn knock(&mut self, object: usize, knock: &Knock) -> Checked {
        let Knock {
            subscription,
            number,
            ref endpoint,
        } = *knock;
        let here = self.live_connection(object);
        let here = here.filter(|connection| {
            let socket = &self.sockets[*connection as usize];
            // The mailbox is just being told of one that the device has left.
            !socket.is_agent && socket.client != End::Gone
        });
        self.ledger.knocks_at_nobody_who_is_here(object, here)?;
        let url = match endpoint.destination() {
            Destination::Elsewhere { url, .. } => url.to_owned(),
            Destination::Own(_) => return Err(broken("no phone has a channel of the service")),
        };
        let host = &mut self.objects[object];
        host.under_way += 1;
        let life = host.life;
        let subject = url
            .bytes()
            .fold(0, |sum: u64, byte| sum.wrapping_mul(31) + u64::from(byte));
        let rng = &mut chance(
            self.plan.seed,
            &[35, subject, number.unsigned_abs(), self.next],
        );
        let fails = happens(rng, self.weather().knocks);
        let latency = self.weather().latency;
        let (soon, later) = (rng.i64(1..=latency + 1), rng.i64(1..=LATEST_ANSWER));
        let mut passed = Some(rng.i64(1..=latency + 1));
        let (answer, way_back) = match rng.u32(0..12) {
            _ if self.gone.contains(&url) => (Some(KnockAnswer::Gone), soon),
            _ if !fails => (Some(KnockAnswer::Accepted), soon),
            0 => {
                self.gone.insert(url.clone());
                (Some(KnockAnswer::Gone), soon)
            }
            1..=3 => {
                let seconds = RETRY_AFTER[rng.usize(0..RETRY_AFTER.len())];
                (Some(KnockAnswer::Later(Some(seconds))), soon)
            }
            4..=6 => (Some(KnockAnswer::Later(None)), later),
            7 => (Some(KnockAnswer::Refused), soon),
            8 => {
                passed = None;
                (Some(KnockAnswer::Accepted), soon)
            }
            9 => (Some(KnockAnswer::Accepted), later),
            10 => (None, later),
            _ => {
                passed = Some(rng.i64(1..=LATEST_KNOCK));
                (Some(KnockAnswer::Accepted), soon)
            }
        };
        self.note(|names| {
            format!(
                "{} knocks with {number} at {url}: {answer:?} in {way_back} ms",
                names[object]
            )
        });
        // The Worker takes a push service that says nothing for one that cannot be reached.
        let (answer, way_back) = match answer {
            Some(answer) => (answer, way_back),
            None => (KnockAnswer::Later(None), LATEST_ANSWER),
        };
        if answer == KnockAnswer::Accepted
            && let Some(delay) = passed
        {
            self.after(delay, Event::KnockedAt { device: object });
        }
        let answered = Event::Knocked {
            object,
            life,
            subscription,
            number,
            answer,
        };
        self.after(way_back, answered);
        Ok(())
    }

    /// A push service has answered a knock.
    pub(super) fn knocked(
        &mut self,
        object: usize,
        life: u32,
        subscription: SubscriptionId,
        number: i64,
        answer: KnockAnswer,
    ) -> Checked {
        if !self.is_answered(object, life) {
            return Ok(());
        }
        self.ledger
            .knock_answered(object, subscription, number, answer);
        let input = Input::Knocked {
            subscription,
            number,
            answer,
        };
        match self.event(object, input)? {
            Some(()) => self
                .ledger
                .knock_is_settled(object, subscription, number, answer),
            None => Ok(()),
        }
    }

    /// A knock reaches a device. It wakes, and fetches what waits.
    pub(super) fn knocked_at(&mut self, device: usize) -> Checked {
        self.note(|names| format!("{} is knocked", names[device]));
        self.wake(device)?;
        if self.is_connected(device) || self.clients[device].agent.is_on {
            return Ok(());
        }
        if chance(self.plan.seed, &[36, device as u64, self.next]).bool() {
            self.connect(device, None);
            return Ok(());
        }
        self.ask(device, Ask::Poll, Call::Inbox { limit: 4, wait: 0 })
    }
}
