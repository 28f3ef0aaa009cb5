//! What the tests share: a relay, a network, devices, and waits that end.

mod agent;
mod gateway;
mod network;
mod process;
mod receiver;
mod relay;
mod shell;
mod socks;
mod tls;

use std::fmt::Display;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tagpost_client::{Client, Inbox, Message, MessageId, State, Status, Target, Trace};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

pub(crate) use agent::Agent;
pub(crate) use gateway::Gateway;
pub(crate) use network::Network;
pub(crate) use receiver::Receiver;
pub(crate) use relay::{ADMIN_KEY, Device, Relay, TOKEN_KEY, VIEWER_KEY};
pub(crate) use shell::{Ended, Shell, TAGPOST};
pub(crate) use socks::Socks;
pub(crate) use tls::Tls;

/// How long anything may take that is waited for.
const WAIT_TIMEOUT: Duration = Duration::from_secs(60);

/// What this comes to, which has to be soon.
pub(crate) async fn within<F: Future>(what: impl Display, future: F) -> F::Output {
    match timeout(WAIT_TIMEOUT, future).await {
        Ok(output) => output,
        Err(_) => panic!("expected within {WAIT_TIMEOUT:?}: {what}"),
    }
}

/// Asks until the answer holds, for what no event announces.
pub(crate) async fn until<T: std::fmt::Debug, F: Future<Output = T>>(
    what: impl Display,
    mut ask: impl FnMut() -> F,
    holds: impl Fn(&T) -> bool,
) -> T {
    let end = tokio::time::Instant::now() + WAIT_TIMEOUT;
    loop {
        let answer = ask().await;
        if holds(&answer) {
            return answer;
        }
        assert!(
            tokio::time::Instant::now() < end,
            "expected within {WAIT_TIMEOUT:?}: {what}; last seen: {answer:?}"
        );
        sleep(Duration::from_millis(50)).await;
    }
}

/// A name that no other test uses.
pub(crate) fn fresh(kind: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!(
        "{kind}-{}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}

/// The next message of an inbox that goes on.
pub(crate) async fn next(inbox: &mut Inbox) -> Message {
    let message = within("a message", inbox.next()).await;
    message
        .expect("the inbox ended")
        .expect("the inbox ended with an error")
}

/// Waits until the connection is as it should be.
pub(crate) async fn status(status: &mut watch::Receiver<Status>, holds: impl Fn(&Status) -> bool) {
    let last = status.clone();
    let changed = status.wait_for(|status| holds(status));
    if timeout(WAIT_TIMEOUT, changed).await.is_err() {
        panic!(
            "the connection does not become what it should; it is {:?}",
            last.borrow()
        );
    }
}

pub(crate) fn connected(status: &Status) -> bool {
    matches!(status, Status::Connected(_))
}

pub(crate) fn waiting(status: &Status) -> bool {
    matches!(status, Status::Waiting { .. })
}

/// The trace of a message once it is settled.
pub(crate) async fn settled(sender: &Client, id: MessageId) -> Trace {
    let trace = within("the trace", sender.trace_within(id, 20))
        .await
        .expect("no trace");
    assert!(
        trace.is_settled(),
        "expected terminal states, but {trace:?}"
    );
    trace
}

/// The one delivery of a message: its state, and the reply or reason.
pub(crate) fn outcome(trace: &Trace) -> (State, Option<String>) {
    let [delivery] = trace.deliveries.as_slice() else {
        panic!("expected one delivery, but {trace:?}");
    };
    let reply = delivery.reply.as_ref().map(|reply| reply.get().to_owned());
    (delivery.state, reply.or(delivery.reason.clone()))
}

/// Publishes a number to a device without waiting for it.
pub(crate) async fn send(sender: &Client, to: &Device, number: u32) -> MessageId {
    let publish = sender
        .publish(Target::Device(to.id.clone()))
        .json(&number)
        .expect("a number");
    let published = within("the publish to be answered", publish.wait(0).send()).await;
    published.expect("not published").id
}
