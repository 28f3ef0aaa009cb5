//! Running plans, one after the other, in one thread.

use std::fmt::{self, Display};
use std::panic::{AssertUnwindSafe, catch_unwind};

use tagpost_core::schema;
use tagpost_core::store::StoreError;

use crate::claims::{Violation, broken};
use crate::pile;
use crate::plan::Plan;
use crate::shrink::shrink;
use crate::store::Sqlite;
use crate::world::World;

/// How often a failing history is run again to shorten it.
const TRIES: u32 = 3_000;

/// A database that takes more bytes than this is not kept.
const LARGEST_KEPT: u64 = 1 << 20;

/// Runs plans. It keeps its databases: to make the tables of a new one takes longer than most runs.
#[derive(Debug, Default)]
pub struct Runner {
    stores: Vec<Sqlite>,
    /// How many of them, from the first, were used last.
    used: usize,
}

/// A run in which everything held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// How many events it had.
    pub events: u64,
}

/// A run in which something did not hold, shortened.
#[derive(Debug)]
pub struct Failure {
    /// The broken claim.
    pub violation: Violation,
    seed: u64,
    /// The shortest plan found that shows it.
    plan: Plan,
    /// Its log, a line per event.
    history: Vec<String>,
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan {
            limits, weather, ..
        } = &self.plan;
        writeln!(f, "seed {} breaks a claim", self.seed)?;
        writeln!(f, "{}\n", self.violation)?;
        if let Some(pile) = self.plan.pile {
            return write!(f, "a mailbox with much in it: {pile:?}");
        }
        writeln!(f, "{weather:?}\n{limits:?}\n")?;
        writeln!(f, "   seconds")?;
        self.history
            .iter()
            .try_for_each(|line| writeln!(f, "{line}"))?;
        write!(f, "\n{}", self.violation)
    }
}

impl Runner {
    /// Runs the plan of a seed.
    ///
    /// # Errors
    /// A claim that does not hold.
    pub fn run(&mut self, seed: u64) -> Result<Summary, Violation> {
        let (outcome, _) = self.outcome(&Plan::of(seed), false);
        outcome.map(|events| Summary { events })
    }

    /// Runs the plan of a seed that breaks a claim, and looks for a shorter plan that breaks the same claim.
    /// `None` if it breaks none.
    pub fn explain(&mut self, seed: u64) -> Option<Failure> {
        let plan = Plan::of(seed);
        let first = self.outcome(&plan, false).0.err()?;
        let same = |violation: Violation| violation.claim == first.claim;
        let plan = shrink(&plan, TRIES, |plan| {
            self.outcome(plan, false).0.is_err_and(same)
        });
        let (outcome, history) = self.outcome(&plan, true);
        let violation = outcome.err().unwrap_or(first);
        Some(Failure {
            seed,
            violation,
            plan,
            history,
        })
    }

    /// Runs a plan. Its history is empty unless it is wanted.
    fn outcome(
        &mut self,
        plan: &Plan,
        keep_history: bool,
    ) -> (Result<u64, Violation>, Vec<String>) {
        let stores = match self.stores(plan) {
            Ok(stores) => stores,
            Err(error) => return (Err(broken(error)), Vec::new()),
        };
        let run = || match (plan.pile, stores.first()) {
            (Some(pile), Some(store)) => (pile::run(plan, pile, store), Vec::new()),
            _ => World::new(plan, stores, keep_history).run(),
        };
        catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
            // What a panicking thread held is not used again.
            self.stores.clear();
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text
                .or(panic.downcast_ref::<&str>().copied())
                .unwrap_or_default();
            let claim = "nothing panics";
            (
                Err(Violation {
                    claim,
                    detail: text.to_owned(),
                }),
                Vec::new(),
            )
        })
    }

    /// An empty store for each mailbox.
    fn stores(&mut self, plan: &Plan) -> Result<Vec<Sqlite>, StoreError> {
        // The last is that of the service.
        let count = plan.devices + plan.crowd + 1;
        if plan.bare {
            return (0..count).map(|_| Sqlite::new()).collect();
        }
        let unused = self.stores.split_off(self.used.min(self.stores.len()));
        let mut kept = Vec::new();
        for store in self.stores.drain(..) {
            if store.footprint()? <= LARGEST_KEPT {
                kept.push(store);
            }
        }
        kept.extend(unused);
        self.stores = kept;
        self.used = count;
        while self.stores.len() < count {
            let store = Sqlite::new()?;
            schema::upgrade(&store, 0)?;
            schema::create_channels(&store)?;
            schema::create_subscriptions(&store)?;
            schema::create_failures(&store)?;
            schema::create_operator_events(&store)?;
            schema::create_event_sources(&store)?;
            schema::create_revoked_tokens(&store)?;
            self.stores.push(store);
        }
        let stores = &self.stores[..count];
        stores.iter().try_for_each(Sqlite::clear)?;
        Ok(stores.to_vec())
    }
}
