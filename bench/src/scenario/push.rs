//! Web Push to browsers that are online: each push is answered once its browser has acknowledged it.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow};
use futures_util::future::try_join_all;
use hyper::body::Bytes;
use hyper::{Method, Request};
use tagpost_core::web_push::seal::{ConnectUrl, Keys};

use crate::agent::Agent;
use crate::figure::{PUSH, PUSH_P50, PUSH_P99, System};
use crate::http::Connection;
use crate::load::{Step, closed_loop};
use crate::plan::Plan;
use crate::relay::{PUSH_KEY, Relay, Worker, Workers};
use crate::results::Results;
use crate::vapid::Vapid;

/// The length of a short message that is encrypted with aes128gcm. The service does not decrypt it.
const BODY: [u8; 128] = [7; 128];

/// A Worker, and the user agents that are connected to it.
struct Contender {
    system: System,
    relay: Relay,
    vapid: Vapid,
    agents: Vec<Agent>,
}

/// Confirmed pushes, closed loop.
pub(crate) async fn push(workers: &Workers, plan: &Plan, results: &mut Results) -> Result<()> {
    let state = tempfile::tempdir()?;
    let tagpost = (System::Tagpost, Worker::Tagpost);
    let floor = (System::Floor, Worker::PushFloor);
    let mut contenders = Vec::new();
    for (system, worker) in [tagpost, floor] {
        let state = state.path().join(system.name());
        contenders.push(Contender::prepare(workers, system, worker, &state, plan.pairs).await?);
    }
    for _ in 0..plan.turns {
        for contender in &contenders {
            let senders = contender.senders().await?;
            let sample = closed_loop(senders, plan.warm_up, plan.turn).await?;
            results.add(PUSH, contender.system, sample.rate);
            results.add(PUSH_P50, contender.system, sample.p50);
            results.add(PUSH_P99, contender.system, sample.p99);
        }
    }
    Ok(())
}

impl Contender {
    async fn prepare(
        workers: &Workers,
        system: System,
        worker: Worker,
        state: &Path,
        pairs: usize,
    ) -> Result<Self> {
        let relay = workers.start(worker, state)?;
        let vapid = Vapid::new()?;
        let key = vapid.key();
        let mut agents = Vec::new();
        for pair in 0..pairs {
            let device = format!("browser-{pair}");
            let path = match worker {
                Worker::PushFloor => format!("/push/{device}"),
                _ => format!("/push/{}", connect_url(&device)?),
            };
            agents.push(Agent::connect(relay.address(), &path, &key).await?);
        }
        Ok(Self {
            system,
            relay,
            vapid,
            agents,
        })
    }

    /// One sender for each user agent.
    async fn senders(&self) -> Result<Vec<Sender>> {
        let origin = format!("http://{}", self.relay.address());
        let authorization = self.vapid.authorization(&origin)?;
        let senders = self.agents.iter().map(async |agent| {
            let path = agent.endpoint.strip_prefix(&origin);
            let path = path.with_context(|| format!("{} is not of {origin}", agent.endpoint))?;
            Ok(Sender {
                connection: Connection::open(self.relay.address()).await?,
                path: path.to_owned(),
                authorization: authorization.clone(),
            })
        });
        try_join_all(senders).await
    }
}

/// The sealed part of the URL with which the user agent of a device connects.
fn connect_url(device: &str) -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let keys = Keys::new(PUSH_KEY.to_owned(), None);
    Ok(keys.seal(&ConnectUrl {
        device: device.parse().map_err(|_| anyhow!("no name: {device}"))?,
        issued_at: i64::try_from(now)?,
        expires_at: None,
        revocations: 0,
    }))
}

/// An application server that pushes to one channel.
struct Sender {
    connection: Connection,
    path: String,
    authorization: String,
}

impl Step for Sender {
    async fn step(&mut self) -> Result<()> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(&self.path)
            .header("authorization", &self.authorization)
            .header("content-encoding", "aes128gcm")
            .header("ttl", "60")
            // An acknowledgement that takes long shall count as slow, not as absent.
            .header("prefer", "wait=30");
        let answer = self
            .connection
            .request(request, Bytes::from_static(&BODY))
            .await?;
        answer.is(201).map(drop)
    }
}
