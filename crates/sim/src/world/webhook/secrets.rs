//! The secrets of addresses, as their owners are told them. Each request is signed by the newest, and by those that it
//! has replaced: a run is shorter than the day for which these sign.

use tagpost_core::mailbox::Reply;
use tagpost_core::webhook::Post;

use super::header;
use crate::claims::{Checked, broken, claim};
use crate::world::World;

/// How many secrets sign at most.
const MOST: usize = 5;

impl World<'_> {
    /// A mailbox has committed this answer, whether it arrives or not.
    pub(in crate::world) fn may_tell_secret(&mut self, object: usize, reply: &Reply) {
        match reply {
            Reply::Webhook { secret, .. } => {
                self.ledger.webhook_is_set(object);
                if let Some(secret) = secret {
                    self.secrets.insert(object, vec![secret.clone()]);
                }
            }
            Reply::WebhookSecret(secret) => {
                let secrets = self.secrets.entry(object).or_default();
                secrets.insert(0, secret.clone());
                secrets.truncate(MOST);
            }
            _ => {}
        }
    }

    /// A request is signed, and at this time.
    pub(super) fn is_signed(&self, object: usize, post: &Post) -> Checked {
        let now = self.now + self.objects[object].skew;
        let id = header(post, "webhook-id");
        let seconds: i64 = header(post, "webhook-timestamp").parse().map_err(broken)?;
        let secrets = self.secrets.get(&object).into_iter().flatten();
        let known = secrets.map(|secret| secret.sign(id, seconds, &post.body));
        let known: Vec<String> = known.collect();
        let signatures = header(post, "webhook-signature").split(' ');
        let signatures: Vec<&str> = signatures.collect();
        claim(
            "a request is signed by the secret of its address, and by those that it has replaced",
            signatures == known && seconds == now.div_euclid(1000),
            || {
                format!(
                    "device {object} at {now}: {:?}, not {known:?}",
                    post.headers
                )
            },
        )
    }
}
