//! What was posted to a hook, as the draft of a publish.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64_URL;
use sha2::{Digest, Sha256};

use super::{Hook, Template};
use crate::id::IdempotencyKey;
use crate::limits::Limits;
use crate::payload::{self, Payload};
use crate::problem::Problem;
use crate::publish::{self, Draft, Options};
use crate::web_push::seal::Capability;

/// The longest body that a template reads, in bytes. Little of it is published, and deliveries of GitHub are often
/// larger than a payload may be.
const LONGEST_READ: usize = 1_048_576;

impl Hook {
    /// The longest body that may be posted, in bytes.
    pub fn longest_body(&self, limits: &Limits) -> usize {
        match self.terms.template {
            Template::Raw => limits.max_payload_bytes as usize,
            Template::Text | Template::Github | Template::Grafana => LONGEST_READ,
        }
    }

    /// The draft of what was posted. Of the headers only `Content-Type`, `Idempotency-Key` and those that its template
    /// names are read: a service that calls a URL did not write its other headers for tagpost.
    ///
    /// # Errors
    /// [`crate::problem::Code::BadRequest`] names the header or the body;
    /// [`crate::problem::Code::PayloadTooLarge`].
    pub fn draft(
        &self,
        header: impl Fn(&str) -> Option<String>,
        body: &[u8],
        limits: &Limits,
    ) -> Result<Draft, Problem> {
        let terms = &self.terms;
        let key = header("Idempotency-Key");
        let options = Options {
            ttl: Some(terms.ttl),
            topic: terms.topic.clone(),
            urgency: Some(terms.urgency),
            key: key.map(|key| self.key(&key)).transpose()?,
            ..Options::default()
        };
        let notification = terms
            .template
            .apply(terms.name.as_ref(), &header, body)
            .map(|notification| crate::json::text(&notification));
        let (content_type, body) = match &notification {
            Some(text) => (Some(payload::JSON.to_owned()), text.as_bytes()),
            None => (header("Content-Type"), body),
        };
        let payload = Payload::of_request(content_type, body, limits)?;
        Ok(Draft::new(options, payload))
    }

    /// The key under which the mailbox knows a key of a request: a hash, so that whoever posts to a hook can neither
    /// use a key of the device or of another hook, nor find one out.
    fn key(&self, key: &str) -> Result<IdempotencyKey, Problem> {
        let key = publish::key(key)?;
        let mut plaintext = Vec::with_capacity(Self::LENGTH);
        self.write(&mut plaintext);
        let mut hash = Sha256::new();
        hash.update(b"tagpost hook key ");
        // Its length is the same for every hook, so no two pairs of hook and key have the same bytes.
        hash.update(plaintext);
        hash.update(key.as_str());
        publish::key(&BASE64_URL.encode(hash.finalize()))
    }
}
