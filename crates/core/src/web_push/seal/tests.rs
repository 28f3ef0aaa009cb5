//! What a sealed URL keeps, and what it does not open.

use proptest::prelude::*;

use super::*;

const KEY: &str = "0123456789abcdef0123456789abcdef";

fn keys() -> Keys {
    Keys::new(KEY.to_owned(), None)
}

fn push() -> PushUrl {
    PushUrl {
        device: "phone-1".parse().unwrap(),
        channel: "24cf03b3-f215-489e-8a5b-f3a5ec97785d".parse().unwrap(),
        since: 1_795_882_167_723,
        key: None,
    }
}

#[test]
fn a_capability_opens_only_as_the_kind_that_it_was_sealed_as() {
    let (keys, device) = (keys(), push().device);
    let id = "01M84WQ58TFYHWCCN22Z0FBG54".parse().unwrap();
    let sealed = keys.seal(&MessageUrl { device, id });
    assert!(keys.open::<MessageUrl>(&sealed).is_some());
    assert_eq!(keys.open::<PushUrl>(&sealed), None);
    // The lengths of the kinds differ. Even a text of the right length does not open as another kind.
    let longer = format!("{sealed}AAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    assert_eq!(longer.len(), keys.seal(&push()).len());
    assert_eq!(keys.open::<PushUrl>(&longer), None);
}

/// This text with one character changed, for each of its characters.
pub(crate) fn each_character_changed(sealed: &str) -> impl Iterator<Item = String> {
    let other = |character| if character == 'A' { 'B' } else { 'A' };
    sealed.char_indices().map(move |(place, character)| {
        let (before, after) = (&sealed[..place], &sealed[place + 1..]);
        format!("{before}{}{after}", other(character))
    })
}

#[test]
fn every_changed_character_is_noticed() {
    let (keys, sealed) = (keys(), keys().seal(&push()));
    assert_eq!(keys.open(&sealed), Some(push()));
    for changed in each_character_changed(&sealed) {
        assert_eq!(keys.open::<PushUrl>(&changed), None, "{changed}");
    }
    for other in [
        &sealed[1..],
        &sealed[..159],
        &format!("{sealed}A"),
        &format!("{sealed}="),
        "",
    ] {
        assert_eq!(keys.open::<PushUrl>(other), None, "{other}");
    }
}

#[test]
fn the_bits_that_the_last_character_has_to_spare_are_zero() {
    let keys = keys();
    let device = push().device;
    let id = "01M84WQ58TFYHWCCN22Z0FBG54".parse().unwrap();
    let sealed = keys.seal(&MessageUrl { device, id });
    let opening = ('A'..='Z')
        .chain('a'..='z')
        .chain('0'..='9')
        .chain(['-', '_'])
        .filter(|last| {
            let other = format!("{}{last}", &sealed[..sealed.len() - 1]);
            keys.open::<MessageUrl>(&other).is_some()
        });
    assert_eq!(opening.count(), 1);
}

#[test]
fn an_old_key_opens_and_does_not_seal() {
    let old = keys().seal(&push());
    let changed = |old| Keys::new("another key of thirty-two bytes!".to_owned(), old);
    assert_eq!(changed(None).open::<PushUrl>(&old), None);
    let both = changed(Some(KEY.to_owned()));
    assert_eq!(both.open(&old), Some(push()));
    assert_ne!(both.seal(&push()), old);
    assert_eq!(keys().open::<PushUrl>(&both.seal(&push())), None);
}

#[test]
fn two_urls_of_one_device_have_nothing_in_common() {
    let other = PushUrl {
        since: push().since + 1,
        ..push()
    };
    let (one, other) = (keys().seal(&push()), keys().seal(&other));
    let same = one
        .bytes()
        .zip(other.bytes())
        .filter(|(a, b)| a == b)
        .count();
    assert!(
        same < 20,
        "{same} of 160 characters are the same:\n{one}\n{other}"
    );
}

proptest! {
    #[test]
    fn a_capability_opens_as_it_was_sealed(
        name in "[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
        channel in any::<[u8; 16]>(),
        since in 0..1_i64 << 48,
        key in prop::option::of(any::<[u8; 16]>().prop_filter("no key", |key| *key != [0; 16])),
        secret in ".{32,100}",
    ) {
        let keys = Keys::new(secret, None);
        let device: DeviceId = name.parse().unwrap();
        let channel = Channel::from_bytes(&channel).unwrap();
        let push = PushUrl { device: device.clone(), channel, since, key };
        prop_assert_eq!(keys.open(&keys.seal(&push)), Some(push));
        let receipts = ReceiptsUrl { device: device.clone(), channel, since };
        prop_assert_eq!(keys.open(&keys.seal(&receipts)), Some(receipts));
        let connect = ConnectUrl { device, issued_at: since >> 8, expires_at: None, revocations: 7 };
        prop_assert_eq!(keys.open(&keys.seal(&connect)), Some(connect));
    }

    #[test]
    fn no_text_is_a_capability_by_accident(text in ".{0,200}", letters in "[A-Za-z0-9_-]{128,160}") {
        for text in [text, letters] {
            prop_assert_eq!(keys().open::<ConnectUrl>(&text), None);
            prop_assert_eq!(keys().open::<PushUrl>(&text), None);
        }
    }
}
