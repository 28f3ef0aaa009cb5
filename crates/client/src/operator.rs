//! What an operator does, with the admin key: devices, tags, tokens. A device may ask for itself, and bind itself.

use std::fmt::Display;

use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use tagpost_core::id::{DeviceId, Tag};
use tagpost_core::pattern::Pattern;
use tagpost_core::time::Millis;
use tagpost_core::token::TokenId;

use crate::client::{Client, Request};
use crate::error::Error;

/// What the service says of itself.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// `ok`.
    pub status: String,
    /// The version of the service.
    pub version: String,
}

/// What a new token is to allow.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Grant {
    /// What its bearer may publish to; `None` for everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish: Option<Vec<Pattern>>,
    /// The tags that its bearer may bind its own device to; empty for none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Pattern>,
    /// Whether its bearer may set a webhook for its own device.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub webhook: bool,
    /// Seconds for which it is valid; `None` for until it is revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u32>,
}

/// A device with a new token, which is shown only once.
#[derive(Clone, Deserialize, Serialize)]
#[non_exhaustive]
pub struct DeviceToken {
    /// The device.
    pub device: DeviceId,
    /// A secret.
    pub token: String,
    /// The token's id, with which it can be revoked alone; `None` from a service that gives tokens no ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<TokenId>,
    /// When the token expires; `None` if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Millis>,
    /// When the device was created.
    pub created_at: Millis,
    /// Whether the device existed before, so that earlier tokens of it are valid, too.
    #[serde(skip)]
    pub existed: bool,
}

/// A pairing code: whoever exchanges it first gets a token of its device.
#[derive(Clone, Deserialize, Serialize)]
#[non_exhaustive]
pub struct PairingCode {
    /// A secret until it was used or has expired.
    pub code: String,
    /// The page for a phone, with the code in its fragment, which browsers do not send.
    pub url: String,
    /// When it expires.
    pub expires_at: Millis,
}

/// A device in a list.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Device {
    /// Its name.
    pub device: DeviceId,
    /// When it was created.
    pub created_at: Millis,
}

/// How a device is.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[non_exhaustive]
pub struct DeviceStatus {
    /// Its name.
    pub device: DeviceId,
    /// Whether it is connected and has shown life lately.
    pub online: bool,
    /// Since when it is connected.
    pub connected_at: Option<Millis>,
    /// When it last showed life.
    pub last_seen_at: Option<Millis>,
    /// Messages that wait for it.
    pub held: u32,
    /// Messages that it has not acknowledged yet.
    pub in_flight: u32,
    /// How many messages it works on.
    #[serde(default)]
    pub in_progress: u32,
    /// The bytes of all three.
    pub held_bytes: u64,
    /// When the oldest of these messages was accepted.
    #[serde(default)]
    pub held_since: Option<Millis>,
    /// The tags it is bound to.
    pub tags: Vec<Tag>,
}

/// A tag in a list.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[non_exhaustive]
pub struct TagSize {
    /// Its name.
    pub tag: Tag,
    /// How many devices are bound to it.
    pub devices: u64,
}

/// A device of a tag.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Member {
    /// Its name.
    pub device: DeviceId,
    /// Whether it is connected and has shown life lately.
    pub online: bool,
}

/// A page of a list.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Page<T, N> {
    /// The entries, by name.
    pub entries: Vec<T>,
    /// Where the next page starts; `None` on the last.
    pub next: Option<N>,
}

impl Client {
    /// Asks whether the service runs. Needs no valid credential.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Unreachable`], [`Error::NotUnderstood`]: something else answers there.
    pub async fn health(&self) -> Result<Health, Error> {
        self.send(&Request::get("/health")).await?.json()
    }

    /// Creates a device if it does not exist, and mints a token for it. Tokens minted before stay valid.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Unreachable`].
    pub async fn put_device(&self, device: &DeviceId, grant: &Grant) -> Result<DeviceToken, Error> {
        let body = serde_json::to_vec(grant)?;
        let request = Request {
            body,
            ..Request::new(Method::PUT, format!("/v1/devices/{device}"))
        };
        let answer = self.send(&request).await?;
        let existed = answer.status() != StatusCode::CREATED;
        Ok(DeviceToken {
            existed,
            ..answer.json()?
        })
    }

    /// Issues a pairing code for a device: a phone that opens its link within ten minutes, before anybody else, becomes
    /// the device. The time of the token that it gets begins then. A new code ends the one before.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Unreachable`].
    pub async fn pairing_code(
        &self,
        device: &DeviceId,
        grant: &Grant,
    ) -> Result<PairingCode, Error> {
        let body = serde_json::to_vec(grant)?;
        let request = Request {
            body,
            ..Request::new(Method::POST, format!("/v1/devices/{device}/pair"))
        };
        self.send(&request).await?.json()
    }

    /// How a device is. For the admin, and the device itself.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Unreachable`].
    pub async fn device(&self, device: &DeviceId) -> Result<DeviceStatus, Error> {
        self.send(&Request::get(format!("/v1/devices/{device}")))
            .await?
            .json()
    }

    /// A page of the devices; `after` is the `next` of the page before.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Unreachable`].
    pub async fn devices(&self, after: Option<&DeviceId>) -> Result<Page<Device, DeviceId>, Error> {
        #[derive(Deserialize)]
        struct Devices {
            devices: Vec<Device>,
            next: Option<DeviceId>,
        }
        let Devices { devices, next } = self.send(&page("/v1/devices", after)).await?.json()?;
        Ok(Page {
            entries: devices,
            next,
        })
    }

    /// Forgets a device, with its tags, tokens and messages.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Unreachable`].
    pub async fn delete_device(&self, device: &DeviceId) -> Result<(), Error> {
        self.delete(format!("/v1/devices/{device}")).await
    }

    /// Revokes all tokens of a device issued so far; its connection is closed.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Unreachable`].
    pub async fn revoke_tokens(&self, device: &DeviceId) -> Result<(), Error> {
        self.delete(format!("/v1/devices/{device}/tokens")).await
    }

    /// Revokes one token of a device, by its id; a connection that was opened with it is closed. The device's other
    /// tokens stay valid. `expires_at` is when the token expires: until then the service remembers the id, and without
    /// it until all tokens of the device are revoked. An earlier time would let the token come back.
    ///
    /// # Errors
    /// [`Error::Refused`]: `too_many_revoked` if 100 of the device are remembered. [`Error::Unreachable`].
    pub async fn revoke_token(
        &self,
        device: &DeviceId,
        id: &TokenId,
        expires_at: Option<Millis>,
    ) -> Result<(), Error> {
        let until = expires_at.map_or(String::new(), |at| format!("?expires_at={at}"));
        self.delete(format!("/v1/devices/{device}/tokens/{id}{until}"))
            .await
    }

    /// Binds a device to a tag. For the admin, and for the device itself if its token has a pattern of the tag.
    ///
    /// # Errors
    /// [`Error::Refused`]: `too_many_tags` if the device, which binds itself, has 100 already.
    /// [`Error::Unreachable`].
    pub async fn bind(&self, tag: &Tag, device: &DeviceId) -> Result<(), Error> {
        let path = format!("/v1/tags/{tag}/devices/{device}");
        self.send(&Request::new(Method::PUT, path)).await.map(drop)
    }

    /// Unbinds a device from a tag. For the same callers as [`Client::bind`].
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Unreachable`].
    pub async fn unbind(&self, tag: &Tag, device: &DeviceId) -> Result<(), Error> {
        self.delete(format!("/v1/tags/{tag}/devices/{device}"))
            .await
    }

    /// A page of the tags; `after` is the `next` of the page before.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Unreachable`].
    pub async fn tags(&self, after: Option<&Tag>) -> Result<Page<TagSize, Tag>, Error> {
        #[derive(Deserialize)]
        struct Tags {
            tags: Vec<TagSize>,
            next: Option<Tag>,
        }
        let Tags { tags, next } = self.send(&page("/v1/tags", after)).await?.json()?;
        Ok(Page {
            entries: tags,
            next,
        })
    }

    /// A page of the devices of a tag, with their presence; `after` is the `next` of the page
    /// before. A page has at most 50 devices, since the presence of each is looked up. For the admin, and a
    /// device that may publish to the tag.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Unreachable`].
    pub async fn members(
        &self,
        tag: &Tag,
        after: Option<&DeviceId>,
    ) -> Result<Page<Member, DeviceId>, Error> {
        #[derive(Deserialize)]
        struct Members {
            devices: Vec<Member>,
            next: Option<DeviceId>,
        }
        let cursor = after.map_or(String::new(), |after| format!("&cursor={after}"));
        let request = Request::get(format!("/v1/tags/{tag}?presence=true{cursor}"));
        let Members { devices, next } = self.send(&request).await?.json()?;
        Ok(Page {
            entries: devices,
            next,
        })
    }

    pub(crate) async fn delete(&self, path: String) -> Result<(), Error> {
        self.send(&Request::new(Method::DELETE, path))
            .await
            .map(drop)
    }
}

/// A request of the page after this name. Names hold nothing that a query would have to escape.
fn page(path: &str, after: Option<&impl Display>) -> Request {
    Request::get(after.map_or(path.to_owned(), |after| format!("{path}?cursor={after}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_asks_for_nothing_that_was_not_said() {
        let said = |grant: &Grant| serde_json::to_string(grant).unwrap();
        assert_eq!(said(&Grant::default()), "{}");
        let grant = Grant {
            webhook: true,
            ..Grant::default()
        };
        assert_eq!(said(&grant), r#"{"webhook":true}"#);
    }
}
