//! Random choices that depend on their subject, not on earlier draws.
//!
//! So a history without one of its operations runs much as before: the same message has the same fate. This makes a
//! failing history easy to shorten.

use fastrand::Rng;

/// The generator for the subject `about` in the run of `seed`. Equal arguments give equal generators.
pub(crate) fn chance(seed: u64, about: &[u64]) -> Rng {
    let mixed = about
        .iter()
        .fold(mix(seed), |state, part| mix(state ^ mix(*part)));
    Rng::with_seed(mixed)
}

/// Whether something with a probability of `per_mille` happens.
pub(crate) fn happens(rng: &mut Rng, per_mille: u32) -> bool {
    rng.u32(0..1000) < per_mille
}

/// SplitMix64's finalizer, by Sebastiano Vigna.
fn mix(state: u64) -> u64 {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_subjects_have_equal_chances_and_others_have_their_own() {
        let draw = |seed, about: &[u64]| chance(seed, about).u64(..);
        assert_eq!(draw(1, &[2, 3]), draw(1, &[2, 3]));
        for other in [
            draw(2, &[2, 3]),
            draw(1, &[3, 2]),
            draw(1, &[2]),
            draw(1, &[2, 3, 0]),
        ] {
            assert_ne!(draw(1, &[2, 3]), other);
        }
    }
}
