//! Mosquitto, an MQTT broker: QoS 1 over WebSocket, with persistence, and the receipt as a second publish.
//!
//! It confirms only that the broker has a message. So the receiver publishes a receipt, as MQTT applications do that
//! need one. Its persistence writes to disk at intervals, not before it confirms.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS, Transport};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{DIGITS, MESSAGE_TIMEOUT, Server, installed, numbered, version};
use crate::load::Step;
use crate::port;

/// A running broker, with a receiver for each pair that confirms what it gets.
pub(crate) struct Mosquitto {
    server: Server,
    /// The program's own words.
    pub(crate) version: String,
    receivers: Vec<JoinHandle<()>>,
    _state: TempDir,
}

impl Mosquitto {
    /// Starts it with this many receivers; `None` if it is not installed.
    pub(crate) async fn start(pairs: usize) -> Result<Option<Self>> {
        let Some(program) = installed("mosquitto") else {
            return Ok(None);
        };
        let state = tempfile::tempdir()?;
        let port = port::free()?;
        let configuration = state.path().join("mosquitto.conf");
        let folder = state.path().display();
        // With a listener for WebSockets alone some versions do not start.
        let text = format!(
            "listener 0 {folder}/socket\nlistener {port} 127.0.0.1\nprotocol websockets\n\
             allow_anonymous true\npersistence true\npersistence_location {folder}/\n\
             set_tcp_nodelay true\nmax_queued_messages 0\nuser root\n",
        );
        fs::write(&configuration, text)?;
        let file = configuration.to_str().context("the path of a file")?;
        let server = Server::start(&program, &["-c", file], port)?;
        let mut receivers = Vec::new();
        for pair in 0..pairs {
            receivers.push(receiver(server.address.port(), pair).await?);
        }
        Ok(Some(Self {
            server,
            version: version(&program, "-h").unwrap_or_default(),
            receivers,
            _state: state,
        }))
    }

    /// A sender for each pair.
    pub(crate) async fn senders(&self) -> Result<Vec<Sender>> {
        let mut senders = Vec::new();
        for pair in 0..self.receivers.len() {
            senders.push(Sender::new(self.server.address.port(), pair).await?);
        }
        Ok(senders)
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.receivers.iter().for_each(JoinHandle::abort);
    }
}

/// A device that publishes and waits for the receipt.
pub(crate) struct Sender {
    client: AsyncClient,
    topic: String,
    receipts: mpsc::UnboundedReceiver<Vec<u8>>,
    task: JoinHandle<()>,
    number: u64,
}

impl Sender {
    async fn new(port: u16, pair: usize) -> Result<Self> {
        let (client, mut events) = connect(port, &format!("sender-{pair}"));
        subscribe(&client, &mut events, &format!("receipt/{pair}")).await?;
        let (came, receipts) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            while let Ok(event) = events.poll().await {
                if let Event::Incoming(Packet::Publish(publish)) = event {
                    // Nobody waits any more once the load is over.
                    let _ = came.send(publish.payload.to_vec());
                }
            }
        });
        Ok(Self {
            client,
            topic: format!("message/{pair}"),
            receipts,
            task,
            number: 0,
        })
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Step for Sender {
    async fn step(&mut self) -> Result<()> {
        self.number += 1;
        let message = numbered(self.number);
        self.client
            .publish(&self.topic, QoS::AtLeastOnce, false, message.as_bytes())
            .await?;
        loop {
            let receipt = timeout(MESSAGE_TIMEOUT, self.receipts.recv())
                .await
                .context("no receipt")?
                .context("the connection ended")?;
            // One of an earlier turn may come late.
            if message.as_bytes().starts_with(&receipt) {
                return Ok(());
            }
        }
    }
}

async fn receiver(port: u16, pair: usize) -> Result<JoinHandle<()>> {
    let (client, mut events) = connect(port, &format!("receiver-{pair}"));
    subscribe(&client, &mut events, &format!("message/{pair}")).await?;
    let topic = format!("receipt/{pair}");
    Ok(tokio::spawn(async move {
        while let Ok(event) = events.poll().await {
            if let Event::Incoming(Packet::Publish(publish)) = event {
                let receipt = publish.payload.slice(..DIGITS.min(publish.payload.len()));
                // It is sent by the next poll.
                if client
                    .try_publish(&topic, QoS::AtLeastOnce, false, receipt)
                    .is_err()
                {
                    return;
                }
            }
        }
    }))
}

fn connect(port: u16, name: &str) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new(name, format!("ws://127.0.0.1:{port}/mqtt"), port);
    options.set_transport(Transport::Ws);
    options.set_clean_session(false);
    options.set_keep_alive(Duration::from_secs(60));
    let (client, mut events) = AsyncClient::new(options, 64);
    events.network_options.set_tcp_nodelay(true);
    (client, events)
}

/// Subscribes, and waits until the broker has confirmed it.
async fn subscribe(client: &AsyncClient, events: &mut EventLoop, topic: &str) -> Result<()> {
    client.subscribe(topic, QoS::AtLeastOnce).await?;
    let confirmed = async {
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::SubAck(_))) => return Ok(()),
                Ok(_) => {}
                Err(error) => bail!("mosquitto: {error}"),
            }
        }
    };
    timeout(MESSAGE_TIMEOUT, confirmed)
        .await
        .map_err(|_| anyhow!("mosquitto does not confirm a subscription"))?
}
