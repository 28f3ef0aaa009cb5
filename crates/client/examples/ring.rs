//! Ring at a tag or an @device, and say what became of it at every device.
//!
//!     TAGPOST_URL=http://127.0.0.1:8787 TAGPOST_TOKEN=... cargo run -p tagpost-client --example ring -- hallway

use std::env;
use std::error::Error;

use serde_json::json;
use tagpost_client::Client;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::new(&env::var("TAGPOST_URL")?, &env::var("TAGPOST_TOKEN")?)?;
    let target = env::args().nth(1).ok_or("usage: ring TARGET")?.parse()?;
    let ring = client.publish(target).json(&json!({ "ring": true }))?;
    // Who is not there within a minute need not hear it any more.
    let mut published = ring.ttl(60).wait(5).send().await?;
    while !published.is_settled() {
        published = client.trace_within(published.id, 30).await?;
    }
    for delivery in &published.deliveries {
        let reply = delivery.reply.as_ref().map_or("", |reply| reply.get());
        println!("{}: {} {reply}", delivery.device, delivery.state);
    }
    Ok(())
}
