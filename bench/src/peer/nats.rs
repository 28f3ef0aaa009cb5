//! NATS with JetStream: messages and receipts in streams on disk, each acknowledged.
//!
//! Over TCP, its fastest transport. A publish is answered once it is stored. The application confirms a delivery with
//! a receipt, a second publish, which is stored as well. JetStream syncs its files at intervals, not before it
//! answers.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use async_nats::jetstream::{self, consumer, stream};
use futures_util::StreamExt;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{DIGITS, MESSAGE_TIMEOUT, Server, installed, numbered, version};
use crate::load::Step;
use crate::port;

const MESSAGES: &str = "message";
const RECEIPTS: &str = "receipt";

/// A running server, with a receiver for each pair that confirms what it gets.
pub(crate) struct Nats {
    server: Server,
    /// The program's own words.
    pub(crate) version: String,
    receivers: Vec<JoinHandle<Result<()>>>,
    _state: TempDir,
}

impl Nats {
    /// Starts it with this many receivers; `None` if it is not installed.
    pub(crate) async fn start(pairs: usize) -> Result<Option<Self>> {
        let Some(program) = installed("nats-server") else {
            return Ok(None);
        };
        let state = tempfile::tempdir()?;
        let port = port::free()?;
        let configuration = state.path().join("nats.conf");
        let folder = state.path().join("jetstream");
        let text = format!(
            "host: 127.0.0.1\nport: {port}\njetstream {{ store_dir: {:?} }}\n",
            folder.display().to_string(),
        );
        fs::write(&configuration, text)?;
        let file = configuration.to_str().context("the path of a file")?;
        let server = Server::start(&program, &["-c", file], port)?;
        let context = connect(&server).await?;
        for name in [MESSAGES, RECEIPTS] {
            let settings = stream::Config {
                name: name.to_owned(),
                subjects: vec![format!("{name}.*")],
                // What was acknowledged is gone, as from a mailbox.
                retention: stream::RetentionPolicy::WorkQueue,
                ..stream::Config::default()
            };
            context.create_stream(settings).await?;
        }
        let mut receivers = Vec::new();
        for pair in 0..pairs {
            receivers.push(receiver(&server, pair).await?);
        }
        Ok(Some(Self {
            server,
            version: version(&program, "--version").unwrap_or_default(),
            receivers,
            _state: state,
        }))
    }

    /// A sender for each pair.
    pub(crate) async fn senders(&self) -> Result<Vec<Sender>> {
        let mut senders = Vec::new();
        for pair in 0..self.receivers.len() {
            let context = connect(&self.server).await?;
            let receipts = messages(&context, RECEIPTS, pair).await?;
            senders.push(Sender {
                context,
                subject: format!("{MESSAGES}.{pair}"),
                receipts,
                number: 0,
            });
        }
        Ok(senders)
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.receivers.iter().for_each(JoinHandle::abort);
    }
}

/// A device that publishes and waits for the receipt.
pub(crate) struct Sender {
    context: jetstream::Context,
    subject: String,
    receipts: consumer::pull::Stream,
    number: u64,
}

impl Step for Sender {
    async fn step(&mut self) -> Result<()> {
        self.number += 1;
        let message = numbered(self.number);
        let stored = self
            .context
            .publish(self.subject.clone(), message.clone().into())
            .await?;
        stored.await?;
        loop {
            let receipt = timeout(MESSAGE_TIMEOUT, self.receipts.next())
                .await
                .context("no receipt")?
                .context("the connection ended")??;
            acknowledge(&receipt).await?;
            // One of an earlier turn may come late.
            if message.as_bytes().starts_with(&receipt.payload) {
                return Ok(());
            }
        }
    }
}

async fn receiver(server: &Server, pair: usize) -> Result<JoinHandle<Result<()>>> {
    let context = connect(server).await?;
    let mut messages = messages(&context, MESSAGES, pair).await?;
    Ok(tokio::spawn(async move {
        while let Some(message) = messages.next().await {
            let message = message?;
            let receipt = message.payload.slice(..DIGITS.min(message.payload.len()));
            let stored = context
                .publish(format!("{RECEIPTS}.{pair}"), receipt)
                .await?;
            stored.await?;
            acknowledge(&message).await?;
        }
        Ok(())
    }))
}

async fn acknowledge(message: &jetstream::Message) -> Result<()> {
    message
        .ack()
        .await
        .map_err(|error| anyhow!("not acknowledged: {error}"))
}

async fn connect(server: &Server) -> Result<jetstream::Context> {
    let client = async_nats::connect(server.address.to_string()).await?;
    Ok(jetstream::new(client))
}

async fn messages(
    context: &jetstream::Context,
    stream: &str,
    pair: usize,
) -> Result<consumer::pull::Stream> {
    let settings = consumer::pull::Config {
        durable_name: Some(format!("{stream}-{pair}")),
        filter_subject: format!("{stream}.{pair}"),
        ack_wait: Duration::from_secs(30),
        ..consumer::pull::Config::default()
    };
    let stream = context.get_stream(stream).await?;
    let consumer = stream.create_consumer(settings).await?;
    Ok(consumer.messages().await?)
}
