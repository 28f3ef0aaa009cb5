//! Be a device: print each message, and answer it.
//!
//!     TAGPOST_URL=http://127.0.0.1:8787 TAGPOST_TOKEN=... cargo run -p tagpost-client --example listen

use std::env;
use std::error::Error;

use serde_json::json;
use tagpost_client::Client;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::new(&env::var("TAGPOST_URL")?, &env::var("TAGPOST_TOKEN")?)?;
    // It connects again whenever the connection is lost. An error says that this makes no sense any more:
    // the token is no longer valid, or another connection of the same device took over.
    let mut inbox = client.connect();
    while let Some(message) = inbox.next().await {
        let message = message?;
        match message.text() {
            Ok(text) => {
                println!("{} says {text}", message.from);
                message.reply(&json!({ "opened": true }))?;
            }
            Err(error) => message.nack(&error.to_string())?,
        }
    }
    Ok(())
}
