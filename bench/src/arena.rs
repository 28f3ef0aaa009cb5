//! The systems that are compared, all running, each with its pairs of devices.

use anyhow::{Context, Result, anyhow};
use futures_util::future::try_join_all;
use tempfile::TempDir;

use crate::device::{Acknowledged, Device};
use crate::figure::System;
use crate::http::Connection;
use crate::peer::mosquitto::Mosquitto;
use crate::peer::nats::Nats;
use crate::publish::Publisher;
use crate::relay::{Relay, Worker, Workers};
use crate::results::Results;

/// Everything that is compared.
pub(crate) struct Arena {
    /// tagpost, the version before where there is one, then the floor.
    pub(crate) workers: Vec<Contender>,
    pub(crate) empty: Relay,
    pub(crate) mosquitto: Option<Mosquitto>,
    pub(crate) nats: Option<Nats>,
    _state: TempDir,
}

/// A Worker with its pairs: `sender-N` publishes to the tag `tag-N`, which is bound to `receiver-N`, which is
/// online. `absent-N` behind the tag `off-N` never is.
pub(crate) struct Contender {
    pub(crate) system: System,
    pub(crate) relay: Relay,
    _receivers: Vec<Device>,
}

impl Arena {
    pub(crate) async fn open(
        workers: &Workers,
        pairs: usize,
        results: &mut Results,
    ) -> Result<Self> {
        let state = tempfile::tempdir()?;
        let start = |worker, name| workers.start(worker, &state.path().join(name));
        let mut contenders = Vec::new();
        for (system, worker) in workers.compared() {
            let relay = start(worker, system.name())?;
            contenders.push(Contender::prepare(system, relay, pairs).await?);
        }
        let empty = start(Worker::Empty, "empty")?;
        let mosquitto = Mosquitto::start(pairs).await?;
        let nats = Nats::start(pairs).await?;
        let peers = [
            ("Mosquitto", mosquitto.as_ref().map(|peer| &peer.version)),
            ("NATS", nats.as_ref().map(|peer| &peer.version)),
        ];
        for (name, version) in peers {
            results.note(match version {
                Some(version) => version.clone(),
                None => format!("{name} is not installed: skipped"),
            });
        }
        Ok(Self {
            workers: contenders,
            empty,
            mosquitto,
            nats,
            _state: state,
        })
    }

    pub(crate) fn tagpost(&self) -> Result<&Contender> {
        self.workers.first().context("no tagpost")
    }
}

impl Contender {
    async fn prepare(system: System, relay: Relay, pairs: usize) -> Result<Self> {
        let acknowledged = Acknowledged::new();
        let mut receivers = Vec::new();
        let mut http = Connection::open(relay.address()).await?;
        for pair in 0..pairs {
            let receiver = format!("receiver-{pair}");
            let bearer = relay.bearer(&receiver)?;
            receivers.push(Device::connect(relay.address(), &bearer, &acknowledged).await?);
            relay
                .bind(&mut http, &format!("tag-{pair}"), &receiver)
                .await?;
            let absent = format!("absent-{pair}");
            relay.register(&mut http, &absent).await?;
            relay
                .bind(&mut http, &format!("off-{pair}"), &absent)
                .await?;
        }
        Ok(Self {
            system,
            relay,
            _receivers: receivers,
        })
    }

    /// The senders of all pairs.
    pub(crate) async fn senders(&self, pairs: usize) -> Result<Vec<Publisher>> {
        let senders = (0..pairs).map(|pair| {
            Publisher::new(
                &self.relay,
                format!("sender-{pair}"),
                [format!("tag-{pair}")],
                "delivered",
            )
        });
        try_join_all(senders).await
    }

    /// The same senders, who publish to devices that are offline.
    pub(crate) async fn senders_to_absent(&self, pairs: usize) -> Result<Vec<Publisher>> {
        let senders = (0..pairs).map(|pair| {
            Publisher::new(
                &self.relay,
                format!("sender-{pair}"),
                [format!("off-{pair}")],
                "held",
            )
        });
        try_join_all(senders).await
    }

    /// One sender with this many connections, which publish to the receivers of all pairs.
    pub(crate) async fn busy_sender(
        &self,
        connections: usize,
        pairs: usize,
    ) -> Result<Vec<Publisher>> {
        let pairs = pairs.max(1);
        let senders = (0..connections).map(|connection| {
            let tag = format!("tag-{}", connection % pairs);
            Publisher::new(&self.relay, "busy".to_owned(), [tag], "delivered")
        });
        try_join_all(senders).await
    }

    /// All senders of the pairs, who publish to one tag of a device that is offline.
    pub(crate) async fn senders_to(&self, tag: &str, pairs: usize) -> Result<Vec<Publisher>> {
        let senders = (0..pairs).map(|pair| {
            Publisher::new(
                &self.relay,
                format!("sender-{pair}"),
                [tag.to_owned()],
                "held",
            )
        });
        try_join_all(senders).await
    }

    /// One of them.
    pub(crate) async fn sender_to(&self, tag: &str) -> Result<Publisher> {
        self.senders_to(tag, 1)
            .await?
            .pop()
            .ok_or_else(|| anyhow!("no sender"))
    }
}
