//! Wake-ups: a device that is not here is knocked when a message waits for it.

mod costs;
mod knocks;
mod retries;
mod subscriptions;
mod traces;

use tagpost_core::call::{Call, Subscribed, SubscriptionStatus};
use tagpost_core::mailbox::{Input, Reply};
use tagpost_core::wake::{KnockAnswer, Subscription, SubscriptionId};

use super::harness::{Harness, message};

/// The origin of the service.
const OWN: &str = "https://tagpost.example";

/// The endpoint of this name.
fn subscription(name: &str, label: Option<&str>) -> Subscription {
    let body = serde_json::json!({
        "endpoint": format!("https://push.example/{name}"), "expirationTime": null,
        "keys": {"p256dh": "BA", "auth": "AA"}, "label": label,
    });
    Subscription::read(body.to_string().as_bytes(), OWN, OWN).unwrap()
}

impl Harness {
    /// One whose device can be knocked at these endpoints. Their ids are in order.
    fn knockable(names: &[&str]) -> (Self, Vec<SubscriptionId>) {
        let mut harness = Self::new();
        let ids = names.iter().map(|name| harness.subscribe_at(name).unwrap());
        let ids = ids.map(|subscribed| subscribed.subscription.id).collect();
        (harness, ids)
    }

    fn subscribe_at(&mut self, name: &str) -> Result<Subscribed, String> {
        self.subscribe_as(subscription(name, None))
    }

    fn subscribe_as(&mut self, subscription: Subscription) -> Result<Subscribed, String> {
        match self.ask(Call::Subscribe(subscription)).0? {
            Reply::Subscribed(subscribed) => Ok(subscribed),
            other => panic!("{other:?}"),
        }
    }

    fn subscriptions(&mut self) -> Vec<SubscriptionStatus> {
        match self.ask(Call::Subscriptions).0 {
            Ok(Reply::Subscriptions(subscriptions)) => subscriptions,
            other => panic!("{other:?}"),
        }
    }

    /// A push service answers the knock of this number.
    fn knocked(
        &mut self,
        subscription: SubscriptionId,
        number: i64,
        answer: KnockAnswer,
    ) -> Vec<String> {
        self.handle(Input::Knocked {
            subscription,
            number,
            answer,
        })
    }

    /// The `n`th message comes, at this time. Returns the knocks for it.
    fn comes(&mut self, at: i64, n: u64, headers: &[(&str, &str)]) -> Vec<String> {
        knocks(self.at(at).deliver(&message(n, headers), 0))
    }
}

/// The knocks among these outputs.
fn knocks(words: Vec<String>) -> Vec<String> {
    let mut words = words;
    words.retain(|word| word.starts_with("knock"));
    words
}
