//! A shorter history that fails in the same way.
//!
//! Operations are removed in ever smaller groups while the failure remains (delta debugging, Zeller and Hildebrandt
//! 2002), then faults and limits that do not matter.

use tagpost_core::limits::Limits;

use crate::plan::{Plan, Weather};

/// The shortest plan found that still `fails`, in at most this many `tries`.
pub(crate) fn shrink(plan: &Plan, mut tries: u32, mut fails: impl FnMut(&Plan) -> bool) -> Plan {
    let mut least = plan.clone();
    let mut attempt = |candidate: Plan, least: &mut Plan| {
        if tries == 0 {
            return false;
        }
        tries -= 1;
        let failed = fails(&candidate);
        if failed {
            *least = candidate;
        }
        failed
    };
    loop {
        let before = size(&least);
        let mut group = least.ops.len().div_ceil(2).max(1);
        loop {
            let mut start = 0;
            while start < least.ops.len() {
                let candidate = without(&least, start, group);
                if !attempt(candidate, &mut least) {
                    start += group;
                }
            }
            if group == 1 {
                break;
            }
            group = group.div_ceil(2);
        }
        for candidate in calmer(&least) {
            attempt(candidate, &mut least);
        }
        if size(&least) == before {
            return least;
        }
    }
}

/// The plan without some of its operations; those after them keep their time.
fn without(plan: &Plan, start: usize, count: usize) -> Plan {
    let mut plan = plan.clone();
    let end = (start + count).min(plan.ops.len());
    let removed = plan.ops.drain(start..end);
    let gap: i64 = removed.map(|op| op.gap).sum();
    if let Some(next) = plan.ops.get_mut(start) {
        next.gap += gap;
    }
    plan
}

/// Plans with one fault less, or with one limit at its default.
fn calmer(plan: &Plan) -> Vec<Plan> {
    let fair = Weather::FAIR;
    let usual = Limits::default();
    let weathers = [
        Weather {
            slow: 0,
            slow_by: 0,
            ..plan.weather
        },
        Weather {
            lost_requests: 0,
            ..plan.weather
        },
        Weather {
            lost_answers: 0,
            ..plan.weather
        },
        Weather {
            late_alarms: 0,
            late_by: 0,
            ..plan.weather
        },
        Weather {
            twice: 0,
            ..plan.weather
        },
        Weather {
            repeated: 0,
            ..plan.weather
        },
        Weather {
            clocks: 0,
            ..plan.weather
        },
        Weather {
            stale: 0,
            ..plan.weather
        },
        Weather {
            lingering: 0,
            ..plan.weather
        },
        Weather {
            knocks: 0,
            ..plan.weather
        },
        Weather {
            latency: fair.latency,
            ..plan.weather
        },
    ];
    let limits = [
        Limits {
            max_held_messages: usual.max_held_messages,
            ..plan.limits.clone()
        },
        Limits {
            max_held_bytes: usual.max_held_bytes,
            ..plan.limits.clone()
        },
        Limits {
            publish_rate: usual.publish_rate,
            publish_burst: usual.publish_burst,
            ..plan.limits.clone()
        },
        Limits {
            max_queued_messages: usual.max_queued_messages,
            max_queued_bytes: usual.max_queued_bytes,
            ..plan.limits.clone()
        },
        Limits {
            max_sent_bytes: usual.max_sent_bytes,
            ..plan.limits.clone()
        },
        Limits {
            max_attempts: usual.max_attempts,
            ..plan.limits.clone()
        },
        Limits {
            max_webhook_attempts: usual.max_webhook_attempts,
            ..plan.limits.clone()
        },
        Limits {
            max_in_flight: usual.max_in_flight,
            ..plan.limits.clone()
        },
    ];
    let gapless = (0..plan.ops.len())
        .filter(|place| plan.ops[*place].gap > 0)
        .map(|place| {
            let mut plan = plan.clone();
            plan.ops[place].gap = 0;
            plan
        });
    let weathers = weathers.into_iter().map(|weather| Plan {
        weather,
        ..plan.clone()
    });
    let limits = limits.into_iter().map(|limits| Plan {
        limits,
        ..plan.clone()
    });
    let fewer = (plan.crowd > 0).then(|| Plan {
        crowd: 0,
        ..plan.clone()
    });
    let candidates = weathers.chain(limits).chain(fewer).chain(gapless);
    candidates
        .filter(|candidate| size(candidate) != size(plan))
        .collect()
}

/// What shrinking makes smaller, for telling when nothing is left to take away.
fn size(plan: &Plan) -> (usize, usize, Weather, Limits, i64) {
    let gaps = plan.ops.iter().map(|op| op.gap).sum();
    (
        plan.ops.len(),
        plan.crowd,
        plan.weather,
        plan.limits.clone(),
        gaps,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Action;

    #[test]
    fn what_does_not_matter_is_taken_away() {
        let plan = (0..).map(Plan::of).find(|plan| {
            let evictions = plan
                .ops
                .iter()
                .filter(|op| matches!(op.action, Action::Evict { .. }));
            plan.ops.len() > 20 && evictions.count() >= 2
        });
        let fails = |plan: &Plan| {
            let evictions = plan
                .ops
                .iter()
                .filter(|op| matches!(op.action, Action::Evict { .. }));
            evictions.count() >= 2
        };
        let least = shrink(&plan.unwrap(), 10_000, fails);
        assert!(fails(&least));
        assert_eq!(
            (least.ops.len(), least.weather, least.crowd),
            (2, Weather::FAIR, 0),
            "{least:?}"
        );
        assert_eq!(least.ops.iter().map(|op| op.gap).sum::<i64>(), 0);
    }

    #[test]
    fn it_ends_when_it_has_tried_as_often_as_allowed() {
        let mut tries = 0;
        shrink(&Plan::of(1), 7, |_| {
            tries += 1;
            true
        });
        assert_eq!(tries, 7);
    }
}
