//! The device without a board: Enter is the button, and the lamp is a line of text.
//!
//!     TAGPOST_HOST=127.0.0.1:8787 TAGPOST_TOKEN=... cargo run -p device --example host --target
//! x86_64-unknown-linux-gnu

use std::env::var;
use std::error::Error;
use std::fmt::Arguments;
use std::hash::{BuildHasher, RandomState};

use device::{Memory, Parts, handshake, serve};
use embedded_io_adapters::tokio_1::FromTokio;
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin, stdin};
use tokio::net::TcpStream;

struct Terminal;

impl Parts for Terminal {
    fn lamp(&mut self, on: bool) {
        println!("the lamp is {}", if on { "on" } else { "off" });
    }

    fn tell(&mut self, news: Arguments) {
        println!("{news}");
    }
}

/// Enter; at the end of the input, nothing any more.
async fn pressed(lines: &mut Lines<BufReader<Stdin>>) {
    if !matches!(lines.next_line().await, Ok(Some(_))) {
        std::future::pending().await
    }
}

fn random() -> u32 {
    RandomState::new().hash_one(()) as u32
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (host, token) = (var("TAGPOST_HOST")?, var("TAGPOST_TOKEN")?);
    let tag = var("TAGPOST_TAG").unwrap_or("hallway".to_owned());
    let mut lines = BufReader::new(stdin()).lines();
    let mut memory = Memory::default();
    let address = host.split('/').next().unwrap_or_default();
    loop {
        let mut stream = FromTokio::new(TcpStream::connect(address).await?);
        let nonce = std::array::from_fn(|_| random() as u8);
        let end = match handshake(&mut stream, &host, &token, &nonce).await {
            Ok(()) => {
                let (reader, writer) = stream.into_inner().into_split();
                let (reader, writer) = (FromTokio::new(reader), FromTokio::new(writer));
                let pressed = async || pressed(&mut lines).await;
                serve(
                    reader,
                    writer,
                    &tag,
                    &mut memory,
                    &mut Terminal,
                    pressed,
                    random,
                )
                .await
            }
            Err(end) => end,
        };
        println!("the connection ended: {end:?}");
        if end.is_final() {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}
