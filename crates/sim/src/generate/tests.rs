//! Claims about the generated plans.

use super::*;
use crate::claims::is_tight;
use crate::plan::WebhookOp;

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

#[test]
fn a_device_that_is_an_address_has_no_phone_and_no_user_agent() {
    let of = |action: &Action| match action {
        Action::Webhook(WebhookOp::Set { device, .. }) => Some(*device),
        _ => None,
    };
    let mut hooked = 0;
    for plan in (0..2_000).map(Plan::of) {
        let Some(address) = plan.ops.iter().find_map(|op| of(&op.action)) else {
            continue;
        };
        hooked += 1;
        let others = plan.ops.iter().filter(|op| match op.action {
            Action::Subscribe { device, .. } => device == address,
            Action::WebPush(_) => true,
            _ => false,
        });
        assert_eq!(others.count(), 0, "{plan:?}");
    }
    assert!((100..600).contains(&hooked), "{hooked}");
}

#[test]
fn what_is_hard_is_rare_and_present() {
    let plans: Vec<Plan> = (0..5_000).map(Plan::of).collect();
    let has = |kind: fn(&Action) -> bool| {
        let with = |plan: &&Plan| plan.ops.iter().any(|op| kind(&op.action));
        plans.iter().filter(with).count()
    };
    let rare = [
        has(|it| matches!(it, Action::Flap { .. })),
        has(|it| matches!(it, Action::Misconfigure { .. })),
        plans.iter().filter(|it| it.pile.is_some()).count(),
        plans
            .iter()
            .filter(|it| it.aftermath == Aftermath::Poisoned)
            .count(),
    ];
    assert!(
        rare.iter().all(|count| (1..500).contains(count)),
        "{rare:?}"
    );
    let usual = [
        has(|it| matches!(it, Action::Nap { .. })),
        has(|it| matches!(it, Action::Subscribe { .. })),
        has(|it| matches!(it, Action::Isolate { .. })),
        has(|it| matches!(it, Action::Full { .. })),
        has(|it| matches!(it, Action::Mix { .. })),
        has(|it| matches!(it, Action::Webhook(_))),
        has(|it| matches!(it, Action::Look { .. })),
        plans.iter().filter(|it| is_tight(&it.limits)).count(),
        plans
            .iter()
            .filter(|it| it.aftermath == Aftermath::Quiet)
            .count(),
    ];
    assert!(usual.iter().all(|count| *count > 200), "{usual:?}");
}
