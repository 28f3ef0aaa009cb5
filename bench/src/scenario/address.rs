//! A long queue of a device that becomes an address: how fast it is posted.

use std::time::Instant;

use anyhow::Result;
use hyper::Method;
use serde_json::json;

use crate::arena::Arena;
use crate::device::Acknowledged;
use crate::figure::{ADDRESS_MANY, ADDRESS_ONE, System};
use crate::http::Connection;
use crate::load::in_turn;
use crate::plan::Plan;
use crate::receiver::Receiver;
use crate::relay::ADMIN_KEY;
use crate::results::Results;

/// A fresh device each time: filled, then given an address; from then until the last request is answered.
pub(crate) async fn address(arena: &Arena, plan: &Plan, results: &mut Results) -> Result<()> {
    let tagpost = arena.tagpost()?;
    for turn in 0..plan.long_turns {
        for (max_in_flight, figure) in [(1, ADDRESS_ONE), (16, ADDRESS_MANY)] {
            let device = format!("address-{turn}-{max_in_flight}");
            let tag = format!("posted-{turn}-{max_in_flight}");
            let mut http = Connection::open(tagpost.relay.address()).await?;
            tagpost.relay.register(&mut http, &device).await?;
            tagpost.relay.bind(&mut http, &tag, &device).await?;
            let senders = tagpost.senders_to(&tag, plan.pairs).await?;
            in_turn(senders, plan.pile).await?;

            let answered = Acknowledged::new();
            let receiver = Receiver::start(&answered).await?;
            let setting = json!({ "url": receiver.url(), "max_in_flight": max_in_flight });
            let path = format!("/v1/devices/{device}/webhook");
            // The first connection may have been closed as idle meanwhile.
            let mut http = Connection::open(tagpost.relay.address()).await?;
            let started = Instant::now();
            http.send(Method::PUT, &path, ADMIN_KEY, setting.to_string().into())
                .await?
                .is(201)?;
            answered.until(u64::try_from(plan.pile)?).await?;
            let rate = plan.pile as f64 / started.elapsed().as_secs_f64();
            results.add(figure, System::Tagpost, rate);
        }
    }
    Ok(())
}
