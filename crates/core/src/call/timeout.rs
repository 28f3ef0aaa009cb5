//! How long a caller waits for an answer: the wait that the call asks for, and the time that its mailbox may take beyond
//! it.

use super::Call;
use crate::time::Millis;
use crate::webhook::MAX_TIMEOUT;

/// How long a mailbox may take for a client's call, beyond [`Call::wait`].
pub const CLIENT_TIMEOUT: Millis = 10_000;
/// The same for a call of the service itself. It is shorter, so that a mailbox whose call hangs can still answer
/// its own client in time.
pub const SERVICE_TIMEOUT: Millis = 4_000;

impl Call {
    /// How long the call asks the mailbox to wait.
    pub fn wait(&self) -> Millis {
        match self {
            Call::Publish { wait, .. }
            | Call::PublishFromHook { wait, .. }
            | Call::Trace { wait, .. }
            | Call::Inbox { wait, .. }
            | Call::PushState { wait, .. }
            | Call::PushReceipts { wait, .. } => Millis::from(*wait) * 1000,
            Call::Deliver { wait, .. } | Call::Push { wait, .. } => (*wait).into(),
            Call::TestWebhook => Millis::from(MAX_TIMEOUT) * 1000,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn each_call_asks_for_its_wait_in_its_own_unit() {
        let id = "01HF7YAT00000000000000000A";
        let channel = "0f5a1e0c-6a3b-4c2d-9e8f-001122334455";
        let to = json!({"device": "d"});
        let calls = [
            (
                json!({"publish": {"to": to, "devices": [], "wait": 3}}),
                3_000,
            ),
            (
                json!({"publish_from_hook": {"to": to, "devices": [], "wait": 3, "revocations": 0}}),
                3_000,
            ),
            (json!({"trace": {"id": id, "wait": 3}}), 3_000),
            (json!({"inbox": {"limit": 1, "wait": 3}}), 3_000),
            (json!({"push_state": {"id": id, "wait": 3}}), 3_000),
            (
                json!({"push_receipts": {"channel": channel, "since": 0, "wait": 3}}),
                3_000,
            ),
            (json!({"deliver": {"until": 0, "wait": 3}}), 3),
            (
                json!({"push": {"channel": channel, "since": 0, "wait": 3}}),
                3,
            ),
            (json!("test_webhook"), 60_000),
            (json!("status"), 0),
        ];
        for (call, millis) in calls {
            let call: Call = from_value(call).unwrap();
            assert_eq!(call.wait(), millis, "{call:?}");
        }
    }
}
