//! Publishing to a tag over HTTP, which is what the comparison measures.

use std::iter::Cycle;
use std::vec;

use anyhow::{Context, Result, bail};
use hyper::Method;
use hyper::body::Bytes;

use crate::http::{Answer, Connection};
use crate::load::Step;
use crate::relay::Relay;

/// What every message carries: 100 bytes of JSON, a usual size for a device's event.
pub(crate) const PAYLOAD: &str = concat!(
    r#"{"event":"motion","zone":"driveway","confidence":0.93,"at":1795461547867,"#,
    r#""clip":"01M84XJ1TVFYHWCCN2"}"#,
);

/// A sender that publishes to tags in turn.
pub(crate) struct Publisher {
    connection: Connection,
    bearer: String,
    /// Where it publishes to, again and again.
    paths: Cycle<vec::IntoIter<String>>,
    state: &'static str,
}

impl Publisher {
    /// A sender whose every message has to be answered with this state.
    pub(crate) async fn new(
        relay: &Relay,
        device: String,
        tags: impl IntoIterator<Item = String>,
        state: &'static str,
    ) -> Result<Self> {
        let paths = tags
            .into_iter()
            .map(|tag| format!("/v1/tags/{tag}/messages"));
        let paths: Vec<String> = paths.collect();
        Ok(Self {
            connection: Connection::open(relay.address()).await?,
            bearer: relay.bearer(&device)?,
            paths: paths.into_iter().cycle(),
            state,
        })
    }

    /// Publishes once, whatever becomes of it.
    pub(crate) async fn publish(&mut self) -> Result<Answer> {
        let path = self.paths.next().context("no tag to publish to")?;
        let payload = Bytes::from_static(PAYLOAD.as_bytes());
        self.connection
            .send(Method::POST, &path, &self.bearer, payload)
            .await
    }
}

impl Step for Publisher {
    async fn step(&mut self) -> Result<()> {
        let answer = self.publish().await?;
        let needle = format!(r#""state":"{}""#, self.state);
        let found = answer
            .body
            .windows(needle.len())
            .any(|part| part == needle.as_bytes());
        if !found {
            bail!("expected a message to be {}, but {answer}", self.state);
        }
        Ok(())
    }
}
