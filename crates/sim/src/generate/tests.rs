//! Claims about the plans that are drawn.

use super::*;

#[test]
fn a_seed_gives_the_same_plan_every_time() {
    for seed in 0..50 {
        assert_eq!(
            format!("{:?}", Plan::of(seed)),
            format!("{:?}", Plan::of(seed))
        );
    }
    assert_ne!(format!("{:?}", Plan::of(1)), format!("{:?}", Plan::of(2)));
}

#[test]
fn some_plans_have_a_tag_of_more_devices_than_fit_one_row() {
    let crowded = (0..2_000)
        .filter(|seed| Plan::of(*seed).tags[1].len() > 100)
        .count();
    assert!((1..40).contains(&crowded), "{crowded}");
}
