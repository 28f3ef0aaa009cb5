//! Connections of registered devices, one after the other.

use anyhow::Result;

use crate::arena::{Arena, Contender};
use crate::device::{Acknowledged, Device};
use crate::figure::CONNECT;
use crate::plan::Plan;
use crate::results::{Results, median};

pub(crate) async fn connect(arena: &Arena, plan: &Plan, results: &mut Results) -> Result<()> {
    for contender in &arena.workers {
        // It makes them known.
        welcomes(contender, plan).await?;
    }
    for _ in 0..plan.turns {
        for contender in &arena.workers {
            let times = welcomes(contender, plan).await?;
            results.add(CONNECT, contender.system, median(&times));
        }
    }
    Ok(())
}

/// Milliseconds from each connect to its welcome.
async fn welcomes(contender: &Contender, plan: &Plan) -> Result<Vec<f64>> {
    let acknowledged = Acknowledged::new();
    let mut times = Vec::new();
    for number in 0..plan.connections {
        let bearer = contender.relay.bearer(&format!("caller-{number}"))?;
        let device = Device::connect(contender.relay.address(), &bearer, &acknowledged).await?;
        times.push(device.welcomed_after.as_secs_f64() * 1000.0);
    }
    Ok(times)
}
