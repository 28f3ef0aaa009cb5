//! Sealed capabilities: URLs that say what they permit, and that only the holder of `PUSH_KEY` can make or read.
//!
//! The plaintext of each kind has a fixed length, so that the length of a URL says nothing about it. A capability is
//! deterministic: the same plaintext always gives the same URL, so no URL has to be stored. (The plaintext of a
//! [hook](crate::hook) has random bytes, so each hook has a URL of its own.) RFC 8030, section 8.2, forbids that two push
//! URLs can be correlated by their contents. So the plaintext is encrypted, not only signed:
//!
//! ```text
//! K1 = HMAC-SHA256(PUSH_KEY, "tagpost push tag "    kind)
//! K2 = HMAC-SHA256(PUSH_KEY, "tagpost push stream " kind)
//! tag    = the first 16 bytes of HMAC-SHA256(K1, plaintext)
//! stream = HMAC-SHA256(K2, tag 0) HMAC-SHA256(K2, tag 1) …
//! sealed = base64url(tag (plaintext XOR stream)), without padding
//! ```
//!
//! A name is its length in one byte, and 64 bytes filled up with zeros. Numbers are big-endian. Not here: whether
//! what a capability permits still exists, which the device's mailbox knows. A [hook](crate::hook) is sealed in the
//! same way, and so is a [pairing code](crate::pairing), with `TOKEN_KEY` instead of `PUSH_KEY`.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64_URL;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::channel::{Channel, KeyHash};
use crate::id::{DeviceId, MessageId};
use crate::time::Millis;

/// The first byte of every plaintext.
const VERSION: u8 = 1;
/// The bytes of a tag.
const TAG: usize = 16;
/// The bytes of an HMAC-SHA256.
const MAC: usize = 32;
/// The bytes of a name, without its length.
pub(crate) const NAME: usize = 64;

/// What a URL permits.
pub trait Capability: Sized {
    /// The letter of its kind.
    const KIND: char;
    /// The length of its plaintext, in bytes.
    const LENGTH: usize;

    /// Writes the plaintext after its version.
    fn write(&self, plaintext: &mut Vec<u8>);

    /// Reads the plaintext after its version.
    fn read(plaintext: &mut Reader<'_>) -> Option<Self>;
}

/// To connect as a device, over the WebSocket of the standard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectUrl {
    /// The device.
    pub device: DeviceId,
    /// When the URL was issued, in seconds.
    pub issued_at: i64,
    /// When it expires, in seconds; `None` is never.
    pub expires_at: Option<i64>,
    /// How often the device's tokens had been revoked by then.
    pub revocations: u32,
}

/// To publish to a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushUrl {
    /// The device.
    pub device: DeviceId,
    /// The channel.
    pub channel: Channel,
    /// When the channel was registered: it may have been removed and registered again since.
    pub since: Millis,
    /// The hash of the key that has to sign for the sender; `None` if the channel is not bound to a key.
    pub key: Option<KeyHash>,
}

/// To cancel a message, and to ask for its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageUrl {
    /// The device that the message is for.
    pub device: DeviceId,
    /// The message.
    pub id: MessageId,
}

/// To read the receipts of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptsUrl {
    /// The device.
    pub device: DeviceId,
    /// The channel.
    pub channel: Channel,
    /// When the channel was registered.
    pub since: Millis,
}

impl Capability for ConnectUrl {
    const KIND: char = 'c';
    const LENGTH: usize = 1 + 1 + NAME + 5 + 5 + 4;

    fn write(&self, plaintext: &mut Vec<u8>) {
        name(plaintext, &self.device);
        number(plaintext, self.issued_at, 5);
        number(plaintext, self.expires_at.unwrap_or(0), 5);
        number(plaintext, self.revocations.into(), 4);
    }

    fn read(plaintext: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            device: plaintext.name()?,
            issued_at: plaintext.number(5)?,
            expires_at: Some(plaintext.number(5)?).filter(|at| *at > 0),
            revocations: plaintext.number(4)?.try_into().ok()?,
        })
    }
}

impl Capability for PushUrl {
    const KIND: char = 'p';
    const LENGTH: usize = 1 + 1 + NAME + 16 + 6 + 16;

    fn write(&self, plaintext: &mut Vec<u8>) {
        name(plaintext, &self.device);
        plaintext.extend(self.channel.to_bytes());
        number(plaintext, self.since, 6);
        plaintext.extend(self.key.unwrap_or_default());
    }

    fn read(plaintext: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            device: plaintext.name()?,
            channel: Channel::from_bytes(plaintext.take(16)?)?,
            since: plaintext.number(6)?,
            key: Some(plaintext.take(16)?.try_into().ok()?).filter(|key| *key != [0; 16]),
        })
    }
}

impl Capability for MessageUrl {
    const KIND: char = 'm';
    const LENGTH: usize = 1 + 1 + NAME + 16;

    fn write(&self, plaintext: &mut Vec<u8>) {
        name(plaintext, &self.device);
        plaintext.extend(self.id.to_bytes());
    }

    fn read(plaintext: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            device: plaintext.name()?,
            id: MessageId::from_bytes(plaintext.take(16)?)?,
        })
    }
}

impl Capability for ReceiptsUrl {
    const KIND: char = 'r';
    const LENGTH: usize = 1 + 1 + NAME + 16 + 6;

    fn write(&self, plaintext: &mut Vec<u8>) {
        name(plaintext, &self.device);
        plaintext.extend(self.channel.to_bytes());
        number(plaintext, self.since, 6);
    }

    fn read(plaintext: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            device: plaintext.name()?,
            channel: Channel::from_bytes(plaintext.take(16)?)?,
            since: plaintext.number(6)?,
        })
    }
}

/// A key that seals and opens, and perhaps an old one that only opens: `PUSH_KEY` and `PUSH_KEY_OLD`.
pub struct Keys {
    key: String,
    old: Option<String>,
}

/// Without the keys.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// With `old`, capabilities that an earlier key has sealed can still be opened.
    pub fn new(key: String, old: Option<String>) -> Self {
        Self { key, old }
    }

    /// The text of a capability, for a path.
    pub fn seal<C: Capability>(&self, capability: &C) -> String {
        let mut plaintext = Vec::with_capacity(C::LENGTH);
        plaintext.push(VERSION);
        capability.write(&mut plaintext);
        debug_assert_eq!(
            plaintext.len(),
            C::LENGTH,
            "a plaintext of kind {}",
            C::KIND
        );
        let mut sealed = tag(&self.key, C::KIND, &plaintext).to_vec();
        let combined = combine(&self.key, C::KIND, &sealed, &plaintext);
        sealed.extend(combined);
        BASE64_URL.encode(sealed)
    }

    /// The capability with this text; `None` if neither key has sealed it.
    pub fn open<C: Capability>(&self, text: &str) -> Option<C> {
        let plaintext = self.plaintext(C::KIND, C::LENGTH, text)?;
        let mut reader = Reader(&plaintext);
        (reader.take(1)? == [VERSION]).then_some(())?;
        C::read(&mut reader)
    }

    fn plaintext(&self, kind: char, length: usize, text: &str) -> Option<Vec<u8>> {
        // Any other length, and a last character with bits to spare, is another text of the same bytes, or none.
        let sealed = BASE64_URL.decode(text).ok()?;
        let (found, secret) = sealed.split_at_checked(TAG)?;
        if secret.len() != length {
            return None;
        }
        let keys = [Some(&self.key), self.old.as_ref()];
        keys.into_iter().flatten().find_map(|key| {
            let plaintext = combine(key, kind, found, secret);
            bool::from(tag(key, kind, &plaintext).ct_eq(found)).then_some(plaintext)
        })
    }
}

fn tag(key: &str, kind: char, plaintext: &[u8]) -> [u8; TAG] {
    let key = mac(key.as_bytes(), &[b"tagpost push tag ", &[kind as u8]]);
    let whole = mac(&key, &[plaintext]);
    let mut tag = [0; TAG];
    tag.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
    tag
}

/// A plaintext combined with the stream of its tag, or what is sealed turned back into its plaintext.
fn combine(key: &str, kind: char, tag: &[u8], text: &[u8]) -> Vec<u8> {
    let key = mac(key.as_bytes(), &[b"tagpost push stream ", &[kind as u8]]);
    let mut combined = Vec::with_capacity(text.len());
    for (number, block) in (0_u8..).zip(text.chunks(MAC)) {
        let stream = mac(&key, &[tag, &[number]]);
        combined.extend(block.iter().zip(stream).map(|(byte, key)| byte ^ key));
    }
    combined
}

/// The HMAC-SHA256 (RFC 2104) of all these parts.
fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; MAC] {
    // A key that is longer than a block is hashed, a shorter one filled up with zeros: section 2.
    let mut block = [0; 64];
    let long = (key.len() > block.len()).then(|| Sha256::digest(key));
    let key = long.as_ref().map_or(key, |hash| hash.as_slice());
    block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

pub(crate) fn name(plaintext: &mut Vec<u8>, device: &DeviceId) {
    text(plaintext, device.as_str(), NAME);
}

/// A text of at most `longest` bytes: its length in one byte, or in two if it may be longer than 255, and that many
/// bytes, filled up with zeros.
pub(crate) fn text(plaintext: &mut Vec<u8>, text: &str, longest: usize) {
    let text = text.as_bytes();
    number(plaintext, text.len() as i64, length_bytes(longest));
    plaintext.extend(text);
    plaintext.extend(std::iter::repeat_n(0, longest.saturating_sub(text.len())));
}

/// The bytes of the length of a text.
fn length_bytes(longest: usize) -> usize {
    if longest > u8::MAX.into() { 2 } else { 1 }
}

/// The last `bytes` bytes of a number, which are all of it: no time of this millennium is longer.
pub(crate) fn number(plaintext: &mut Vec<u8>, number: i64, bytes: usize) {
    let whole = number.to_be_bytes();
    plaintext.extend(whole.iter().skip(whole.len().saturating_sub(bytes)));
}

/// What is left of a plaintext.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, left) = self.0.split_at_checked(bytes)?;
        self.0 = left;
        Some(taken)
    }

    pub(crate) fn name(&mut self) -> Option<DeviceId> {
        self.text(NAME)?.parse().ok()
    }

    pub(crate) fn text(&mut self, longest: usize) -> Option<&'a str> {
        let length = usize::try_from(self.number(length_bytes(longest))?).ok()?;
        let text = self.take(longest)?.get(..length)?;
        std::str::from_utf8(text).ok()
    }

    pub(crate) fn number(&mut self, bytes: usize) -> Option<i64> {
        let digits = self.take(bytes)?.iter();
        Some(digits.fold(0, |number, byte| (number << 8) | i64::from(*byte)))
    }
}

#[cfg(test)]
pub(crate) mod tests;
