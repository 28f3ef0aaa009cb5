//! The secrets that credentials are judged by: the keys of the operator and of viewers, and what signs tokens.
//!
//! None of them leaves this module: it answers whether a credential is good. Not here: which tokens are revoked, which
//! the mailbox of each device knows.

use tagpost_core::secrets::SECRETS;
use tagpost_core::time::Millis;
use tagpost_core::token::{self, Claims, TokenError};
use tagpost_core::web_push::seal::Keys;

use super::{SHORTEST_SECRET, optional_secret, remedy};

/// The secrets that credentials are judged by.
pub(crate) struct Credentials {
    admin_key: String,
    /// `ADMIN_KEY_OLD`: it permits the same, until it is removed.
    admin_key_old: Option<String>,
    /// `VIEWER_KEY`: it reads what the admin key reads, but no payload and no secret.
    viewer_key: Option<String>,
    token_key: String,
    /// `TOKEN_KEY_OLD`: what it has signed is valid, until it is removed. It signs nothing.
    token_key_old: Option<String>,
}

impl Credentials {
    pub(super) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let another = |name| optional_secret(&variable, name, SHORTEST_SECRET);
        let keys = Self {
            admin_key: secret(&variable, "ADMIN_KEY")?,
            admin_key_old: another("ADMIN_KEY_OLD")?,
            viewer_key: another("VIEWER_KEY")?,
            token_key: secret(&variable, "TOKEN_KEY")?,
            token_key_old: another("TOKEN_KEY_OLD")?,
        };
        // Whoever may only read would have everything that the other key permits.
        let is_same = |name: &&str| keys.viewer_key.is_some() && variable(name) == keys.viewer_key;
        if let Some(name) = other_secrets().find(is_same) {
            let remedy = remedy("VIEWER_KEY");
            return Err(format!(
                "the secrets VIEWER_KEY and {name} are the same: {remedy}"
            ));
        }
        Ok(keys)
    }

    /// Whether this is the admin key, or the one before it, in constant time.
    pub(crate) fn is_admin_key(&self, credential: &str) -> bool {
        let keys = [Some(&self.admin_key), self.admin_key_old.as_ref()];
        Self::is_one_of(credential, keys)
    }

    /// Whether this is the viewer key, in constant time.
    pub(crate) fn is_viewer_key(&self, credential: &str) -> bool {
        Self::is_one_of(credential, [self.viewer_key.as_ref()])
    }

    /// The claims of a device token that is valid at `now`.
    pub(crate) fn verify(&self, credential: &str, now: Millis) -> Result<Claims, TokenError> {
        let old = self.token_key_old.as_deref().map(str::as_bytes);
        token::verify_with_either(credential, self.token_key.as_bytes(), old, now)
    }

    /// Makes a device token with these claims.
    pub(crate) fn mint(&self, claims: &Claims) -> Result<String, TokenError> {
        token::mint(claims, self.token_key.as_bytes())
    }

    /// What seals pairing codes, and opens those that were sealed with the key before.
    pub(super) fn pairing_keys(&self) -> Keys {
        Keys::new(self.token_key.clone(), self.token_key_old.clone())
    }

    /// Whether this is one of the keys, in constant time: each is compared, whatever the others are.
    fn is_one_of<const N: usize>(credential: &str, keys: [Option<&String>; N]) -> bool {
        keys.into_iter().flatten().fold(false, |is_one, key| {
            token::same_secret(credential.as_bytes(), key.as_bytes()) | is_one
        })
    }
}

/// What `VIEWER_KEY` must differ from: each of these permits more than to read.
fn other_secrets() -> impl Iterator<Item = &'static str> {
    SECRETS.into_iter().filter(|name| *name != "VIEWER_KEY")
}

fn secret(variable: impl Fn(&str) -> Option<String>, name: &str) -> Result<String, String> {
    let secret = optional_secret(variable, name, SHORTEST_SECRET)?;
    secret.ok_or_else(|| format!("the secret {name} is missing: {}", remedy(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [(&str, &str); 2] = [
        ("ADMIN_KEY", "0123456789abcdef"),
        ("TOKEN_KEY", "fedcba9876543210"),
    ];

    fn read(variables: &[(&str, &str)]) -> Result<Credentials, String> {
        Credentials::read(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    /// These beside the two that there have to be.
    fn with(variables: &[(&str, &str)]) -> Result<Credentials, String> {
        read(&[&KEYS[..], variables].concat())
    }

    #[test]
    fn a_missing_secret_is_named_with_the_way_to_set_it() {
        let error = read(&KEYS[..1]).err().expect("no TOKEN_KEY");
        assert!(error.contains("TOKEN_KEY is missing"), "{error}");
        assert!(error.contains("wrangler secret put TOKEN_KEY"), "{error}");
    }

    #[test]
    fn a_short_secret_is_named_and_not_shown() {
        let error = read(&[KEYS[1], ("ADMIN_KEY", "only-15-bytes-x")])
            .err()
            .expect("too short");
        assert!(error.contains("ADMIN_KEY is shorter than 16"), "{error}");
        assert!(
            !error.contains("only-15"),
            "the secret is in the message: {error}"
        );
    }

    #[test]
    fn only_the_admin_key_is_the_admin_key() {
        let keys = read(&KEYS).unwrap_or_else(|error| panic!("{error}"));
        assert!(keys.is_admin_key("0123456789abcdef"));
        assert!(!keys.is_admin_key("fedcba9876543210"));
        assert!(!keys.is_admin_key(""));
        assert!(!keys.is_viewer_key("") && !keys.is_viewer_key("0123456789abcdef"));
    }

    #[test]
    fn the_admin_key_before_is_one_until_it_is_removed() {
        let old = ("ADMIN_KEY_OLD", "an-older-admin-key");
        let keys = with(&[old]).unwrap_or_else(|error| panic!("{error}"));
        assert!(keys.is_admin_key("0123456789abcdef") && keys.is_admin_key(old.1));
        assert!(!keys.is_admin_key("an-older-admin-ke") && !keys.is_viewer_key(old.1));
        assert!(with(&[]).is_ok_and(|keys| !keys.is_admin_key(old.1)));
    }

    #[test]
    fn the_token_key_before_verifies_and_never_signs() {
        let old = ("TOKEN_KEY_OLD", "an-older-token-key");
        let claims = serde_json::from_value(serde_json::json!({ "sub": "cam", "iat": 0 }));
        let claims: Claims = claims.unwrap_or_else(|error| panic!("{error}"));
        let of_old = token::mint(&claims, old.1.as_bytes()).unwrap();
        let keys = with(&[old]).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(keys.verify(&of_old, 0), Ok(claims.clone()));
        let minted = keys.mint(&claims).unwrap();
        assert_eq!(
            token::mint(&claims, KEYS[1].1.as_bytes()),
            Ok(minted.clone())
        );
        let without = with(&[]).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(without.verify(&of_old, 0), Err(TokenError::Signature));
        assert_eq!(without.verify(&minted, 0), Ok(claims));
    }

    #[test]
    fn a_pairing_code_of_the_token_key_before_can_be_exchanged() {
        let old = ("TOKEN_KEY_OLD", "an-older-token-key");
        let code = tagpost_core::pairing::PairingCode {
            device: "cam".parse().unwrap(),
            number: 7,
            expires_at: 1_000,
        };
        let sealed = Keys::new(old.1.to_owned(), None).seal(&code);
        let opens = |keys: Credentials| {
            keys.pairing_keys()
                .open::<tagpost_core::pairing::PairingCode>(&sealed)
                .is_some()
        };
        assert!(with(&[old]).is_ok_and(opens));
        assert!(!with(&[]).is_ok_and(opens));
    }

    #[test]
    fn the_viewer_key_is_no_other_key() {
        let viewer = ("VIEWER_KEY", "a-key-for-dashboards");
        let keys = with(&[viewer]).unwrap_or_else(|error| panic!("{error}"));
        assert!(keys.is_viewer_key(viewer.1) && !keys.is_admin_key(viewer.1));
        assert!(!keys.is_viewer_key("0123456789abcdef") && !keys.is_viewer_key(""));
        for name in other_secrets() {
            let known = KEYS.iter().find(|(known, _)| *known == name);
            let key = known.map_or("a secret that is long enough for each", |(_, key)| key);
            let error = with(&[("VIEWER_KEY", key), (name, key)]).err();
            let error = error.unwrap_or_default();
            let told = format!("the secrets VIEWER_KEY and {name} are the same");
            assert!(error.starts_with(&told), "{error}");
            assert!(
                !error.contains(key),
                "the secret is in the message: {error}"
            );
        }
    }

    #[test]
    fn a_short_key_beside_the_two_is_named_and_not_shown() {
        for name in ["ADMIN_KEY_OLD", "TOKEN_KEY_OLD", "VIEWER_KEY"] {
            let error = with(&[(name, "only-15-bytes-x")]).err().unwrap_or_default();
            let told = format!("the secret {name} is shorter than 16 bytes");
            assert!(error.starts_with(&told), "{error}");
            assert!(!error.contains("only-15"), "{error}");
        }
    }
}
