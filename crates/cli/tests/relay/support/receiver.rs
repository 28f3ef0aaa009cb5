//! An address that webhooks are posted to: it keeps each request as it came, and answers with the status that it is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::task::JoinHandle;

use super::within;

/// Nothing listens any more once it is dropped.
pub(crate) struct Receiver {
    pub(crate) url: String,
    status: Arc<AtomicU16>,
    requests: UnboundedReceiver<String>,
    serving: JoinHandle<()>,
}

impl Receiver {
    /// One that answers 204.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let status = Arc::new(AtomicU16::new(204));
        let (keep, requests) = mpsc::unbounded_channel();
        let told = status.clone();
        let serving = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some(request) = read(&mut stream).await else {
                    continue;
                };
                let _ = keep.send(request);
                let status = told.load(Ordering::SeqCst);
                let answer = format!("HTTP/1.1 {status} Told\r\nConnection: close\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self {
            url,
            status,
            requests,
            serving,
        }
    }

    pub(crate) fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// The next request: its lines, an empty one, and the body.
    pub(crate) async fn next(&mut self) -> String {
        let request = within("a request", self.requests.recv()).await;
        request.expect("the receiver has ended")
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A request with its body, whose length it says; `None` if the connection ends before.
async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut request = String::new();
    let mut buffer = [0; 4_096];
    loop {
        if let Some((head, body)) = request.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"));
            let length = length.map_or(0, |length| length.trim().parse().unwrap());
            if body.len() >= length {
                return Some(request);
            }
        }
        let count = stream.read(&mut buffer).await.ok().filter(|it| *it > 0)?;
        request.push_str(str::from_utf8(&buffer[..count]).unwrap());
    }
}
