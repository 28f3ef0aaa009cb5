//! How long a close takes, to the millisecond. The clock is tokio's, which is paused while there is work to do.
//!
//! The services here fall silent. What a close says to one that answers is in `tests/relay/closing.rs`.

use std::future::pending;
use std::net::Ipv4Addr;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::*;
use crate::inbox::Inbox;

const WELCOME: &str =
    r#"{"type":"welcome","device":"camera","held":0,"keepalive":30,"max_in_flight":8}"#;

/// An inbox whose service says nothing, or nothing after its welcome. It keeps its connections open.
async fn inbox(welcomes: bool) -> Inbox {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            if welcomes {
                welcome(&mut stream).await;
            }
            open.push(stream);
        }
    });
    Client::new(&url, "token").unwrap().connect()
}

/// Accepts the handshake and welcomes the device (RFC 6455, sections 4.2.2 and 5.2).
async fn welcome(stream: &mut TcpStream) {
    let mut lines = BufReader::new(&mut *stream).lines();
    let mut key = None;
    while let Some(line) = lines.next_line().await.unwrap()
        && !line.is_empty()
    {
        let (name, value) = line.split_once(": ").unwrap_or_default();
        if name.eq_ignore_ascii_case("sec-websocket-key") {
            key = Some(derive_accept_key(value.as_bytes()));
        }
    }
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
        sec-websocket-protocol: tagpost.v1\r\nsec-websocket-accept: {}\r\n\r\n",
        key.unwrap()
    );
    let text_frame = [0x81, u8::try_from(WELCOME.len()).unwrap()];
    let said = [head.as_bytes(), &text_frame, WELCOME.as_bytes()].concat();
    stream.write_all(&said).await.unwrap();
}

async fn await_status(inbox: &Inbox, holds: impl Fn(&Status) -> bool) {
    inbox.status().wait_for(|it| holds(it)).await.unwrap();
}

/// How long the close takes, and what comes of it.
async fn close(inbox: Inbox) -> (Duration, Result<(), Error>) {
    let begun = Instant::now();
    let closed = inbox.close().await;
    (begun.elapsed(), closed)
}

#[tokio::test(start_paused = true)]
async fn a_close_that_the_service_does_not_answer_is_given_up_after_four_seconds() {
    let inbox = inbox(true).await;
    await_status(&inbox, |it| matches!(it, Status::Connected(_))).await;
    let (time, closed) = close(inbox).await;
    assert_eq!(time, Duration::from_secs(4));
    assert!(matches!(closed, Err(Error::Silent)), "{closed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_inbox_is_gone_after_four_seconds() {
    let inbox = inbox(true).await;
    let mut status = inbox.status();
    await_status(&inbox, |it| matches!(it, Status::Connected(_))).await;
    let begun = Instant::now();
    drop(inbox);
    while status.changed().await.is_ok() {}
    assert_eq!(begun.elapsed(), Duration::from_secs(4));
}

#[tokio::test(start_paused = true)]
async fn a_close_without_a_connection_takes_no_time() {
    for reached in [
        |status: &Status| matches!(status, Status::Connecting),
        |status: &Status| matches!(status, Status::Waiting { .. }),
    ] {
        let inbox = inbox(false).await;
        await_status(&inbox, reached).await;
        let (time, closed) = close(inbox).await;
        assert_eq!(time, Duration::ZERO);
        assert!(closed.is_ok(), "{closed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_while_a_token_is_waited_for_takes_no_time() {
    let client = Client::with_tokens("http://127.0.0.1:1", pending);
    let inbox = client.unwrap().connect();
    tokio::task::yield_now().await;
    let (time, closed) = close(inbox).await;
    assert_eq!(time, Duration::ZERO);
    assert!(closed.is_ok(), "{closed:?}");
}
