//! Receipts for messages that this device sent, as a stream.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::{Stream, StreamExt};
use tagpost_core::protocol::Receipt;
use tokio::sync::mpsc;

use crate::connection::Command;

/// How many receipts wait for the application.
pub(crate) const WAITING: usize = 256;

/// Receipts are confirmed to the service after at most this many, even if more are waiting.
const MANY: u32 = 64;

/// The receipts of what this device sent, a [`Stream`].
///
/// Asking for the next one says that those before are seen; the service then forgets them. So a receipt
/// that the application was working on when it crashed comes again.
///
/// ```no_run
/// # async fn example() -> Result<(), tagpost_client::Error> {
/// # let client = tagpost_client::Client::new("http://127.0.0.1:8787", "token")?;
/// let (inbox, mut receipts) = client.connect_with_receipts();
/// while let Some(receipt) = receipts.next().await {
///     println!("{} at {:?}: {:?}", receipt.id, receipt.device, receipt.state);
/// }
/// // What ended the receipts ended the inbox, which says why.
/// inbox.close().await
/// # }
/// ```
#[derive(Debug)]
pub struct Receipts {
    receipts: mpsc::Receiver<Receipt>,
    commands: mpsc::UnboundedSender<Command>,
    /// The last one that the application was given, if the service does not know.
    last: Option<i64>,
    /// How many the application has taken since the last confirmation.
    given: u32,
}

impl Receipts {
    pub(crate) fn new(
        receipts: mpsc::Receiver<Receipt>,
        commands: mpsc::UnboundedSender<Command>,
    ) -> Self {
        Self {
            receipts,
            commands,
            last: None,
            given: 0,
        }
    }

    /// The next receipt; `None` after the inbox ended.
    pub async fn next(&mut self) -> Option<Receipt> {
        StreamExt::next(self).await
    }

    fn tell(&mut self) {
        self.given = 0;
        if let Some(seq) = self.last.take() {
            // If the connection ended for good, they are sent again on the device's next connection.
            let _ = self.commands.send(Command::ReceiptsSeen(seq));
        }
    }
}

impl Stream for Receipts {
    type Item = Receipt;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Receipt>> {
        if self.given >= MANY {
            self.tell();
        }
        let next = self.receipts.poll_recv(context);
        match &next {
            Poll::Ready(Some(receipt)) => {
                self.last = Some(receipt.seq);
                self.given += 1;
            }
            _ => self.tell(),
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::UnboundedReceiver;

    use super::*;

    fn receipt(seq: i64) -> Receipt {
        let json = format!(
            r#"{{"seq":{seq},"id":"01HF7YAT00FYHWCCN200000007","device":"cam","state":"delivered","at":0}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    fn told(commands: &mut UnboundedReceiver<Command>) -> Option<i64> {
        match commands.try_recv() {
            Ok(Command::ReceiptsSeen(seq)) => Some(seq),
            _ => None,
        }
    }

    #[tokio::test]
    async fn a_receipt_is_seen_when_the_next_one_is_asked_for() {
        let (sender, receiver) = mpsc::channel(WAITING);
        let (commands, mut said) = mpsc::unbounded_channel();
        let mut receipts = Receipts::new(receiver, commands);
        sender.try_send(receipt(7)).unwrap();
        assert_eq!(receipts.next().await.unwrap().seq, 7);
        assert_eq!(
            told(&mut said),
            None,
            "seen before the application was done with it"
        );
        drop(sender);
        assert!(receipts.next().await.is_none());
        assert_eq!(told(&mut said), Some(7));
    }

    #[tokio::test]
    async fn many_receipts_are_seen_at_once() {
        let (sender, receiver) = mpsc::channel(WAITING);
        let (commands, mut said) = mpsc::unbounded_channel();
        let mut receipts = Receipts::new(receiver, commands);
        (1..=100).for_each(|seq| sender.try_send(receipt(seq)).unwrap());
        for _ in 1..=100 {
            receipts.next().await.unwrap();
        }
        drop(sender);
        assert!(receipts.next().await.is_none());
        assert_eq!([told(&mut said), told(&mut said)], [Some(64), Some(100)]);
        assert_eq!(told(&mut said), None);
    }
}
