//! Pairing codes: each is exchanged once, within ten minutes, for a token of its device.
//!
//! A code names its device and is sealed with `TOKEN_KEY` (see [`crate::web_push::seal`]): a guess is refused before
//! any mailbox is called, and a code says nothing to its bearer. What the token will permit is not in it. Not here:
//! whether a code was used or has ended, which the device's mailbox knows.

use crate::id::DeviceId;
use crate::problem::{Code, Problem};
use crate::time::Millis;
use crate::web_push::seal::{Capability, Keys, NAME, Reader, name, number};

/// How long a code is valid, in milliseconds.
pub const LIFE: Millis = 600_000;

/// A pairing code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairingCode {
    /// The device.
    pub device: DeviceId,
    /// Tells the codes of the device apart; at most 53 bits.
    pub number: i64,
    /// When it expires.
    pub expires_at: Millis,
}

impl Capability for PairingCode {
    const KIND: char = 'd';
    const LENGTH: usize = 1 + 1 + NAME + 7 + 6;

    fn write(&self, plaintext: &mut Vec<u8>) {
        name(plaintext, &self.device);
        number(plaintext, self.number, 7);
        number(plaintext, self.expires_at, 6);
    }

    fn read(plaintext: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            device: plaintext.name()?,
            number: plaintext.number(7)?,
            expires_at: plaintext.number(6)?,
        })
    }
}

impl PairingCode {
    /// Reads a code that is valid at the time `now`, as far as the code itself tells.
    ///
    /// # Errors
    /// `unknown_code`. Only the holder of a sealed code is told more.
    pub fn read(text: &str, keys: &Keys, now: Millis) -> Result<Self, Problem> {
        let code: Self = keys.open(text).ok_or_else(|| {
            refused("this is not a pairing code of this service, or not the whole of it")
        })?;
        match code.expires_at > now {
            true => Ok(code),
            false => Err(expired()),
        }
    }
}

/// The problem of a code that is past its time.
pub(crate) fn expired() -> Problem {
    refused("the pairing code has expired; the operator can make a new one")
}

/// The problem of a code that was used. A holder who has not used it must learn of it.
pub(crate) fn used() -> Problem {
    refused(
        "the pairing code was used already; if that was not you, the operator should revoke the device's tokens",
    )
}

/// The problem of a code that another one has replaced, or that was revoked.
pub(crate) fn ended() -> Problem {
    refused(
        "the pairing code has ended: there is a newer one, or the device was removed or its tokens revoked",
    )
}

fn refused(why: &str) -> Problem {
    Problem::new(Code::UnknownCode, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_800_000_000_000;

    fn keys() -> Keys {
        Keys::new("fedcba9876543210".to_owned(), None)
    }

    fn code() -> PairingCode {
        PairingCode {
            device: "phone-1".parse().unwrap(),
            number: (1 << 53) - 1,
            expires_at: NOW + LIFE,
        }
    }

    #[test]
    fn a_code_is_read_as_it_was_sealed_until_it_expires() {
        let sealed = keys().seal(&code());
        for now in [NOW, NOW + LIFE - 1] {
            assert_eq!(PairingCode::read(&sealed, &keys(), now), Ok(code()));
        }
        let late = PairingCode::read(&sealed, &keys(), NOW + LIFE);
        assert_eq!(late, Err(expired()));
    }

    #[test]
    fn a_code_fits_into_a_fragment_and_does_not_show_its_device() {
        let sealed = keys().seal(&code());
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        assert!(sealed.chars().all(is_allowed), "{sealed}");
        let longest = PairingCode {
            device: "a".repeat(64).parse().unwrap(),
            ..code()
        };
        assert_eq!(sealed.len(), keys().seal(&longest).len());
    }

    #[test]
    fn a_code_that_is_changed_by_a_bit_is_refused_like_a_guess() {
        let guess = PairingCode::read("guess", &keys(), NOW).unwrap_err();
        assert_eq!(guess.code, Code::UnknownCode);
        let sealed = keys().seal(&code());
        for position in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[position] ^= 1;
            let changed = String::from_utf8(changed).unwrap();
            // An expired one is refused in the same way, so that nothing is learnt from a change of the time.
            for now in [NOW, NOW + LIFE] {
                let refused = PairingCode::read(&changed, &keys(), now);
                assert_eq!(refused.as_ref(), Err(&guess), "{changed}");
            }
        }
    }

    #[test]
    fn a_code_of_another_service_is_refused_like_a_guess() {
        let other = Keys::new("0123456789abcdef".to_owned(), None);
        let refused = PairingCode::read(&other.seal(&code()), &keys(), NOW);
        assert_eq!(refused, PairingCode::read("", &keys(), NOW));
    }
}
