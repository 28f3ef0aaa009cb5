//! A doorbell with a lamp, as tagpost sees it: it rings at a tag when its button is pressed, and switches
//! its lamp when a message says so.
//!
//! It knows no board and no network: bytes come in and go out, and its caller has the button, the lamp and the
//! random numbers. A ring that was not answered is repeated with its key on the next
//! connection, so that it stays one message; a message that comes again is answered alike, and switches
//! nothing. Memory is bounded, whatever is sent. Not here: when to connect again; see [`End::is_final`].

#![no_std]
#[cfg(test)]
extern crate std;

mod frames;
mod handshake;
mod memory;

use core::cell::Cell;
use core::fmt::{Arguments, Write as _};

use embassy_futures::select::{Either3, select3};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::channel::Channel;
use embassy_time::{Duration, Instant, Timer, with_timeout};
use embedded_io_async::{Read, Write};
use heapless::{String, Vec};

use crate::frames::{Heard, Say, receive, say};
pub use crate::handshake::handshake;
pub use crate::memory::Memory;

/// How long the service may take for its first frame.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(15);

/// Why a connection ended.
#[derive(Debug)]
pub enum End<E> {
    /// The network failed.
    Network(E),
    /// The service answered the handshake with this status instead of 101.
    Refused(u16),
    /// What came is no WebSocket, or no frame of the protocol.
    NotUnderstood,
    /// The service closed it, with this code.
    Closed(u16),
    /// Nothing was heard for so long that nobody can be there.
    Silent,
}

impl<E> End<E> {
    /// Whether a connection with the same token would end like this again: the token is not, or no longer,
    /// valid, or another connection of the same device took over.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Refused(401 | 403) | Self::Closed(4400 | 4401 | 4409)
        )
    }
}

/// What the device is made of.
pub trait Parts {
    /// Switches the lamp.
    fn lamp(&mut self, on: bool);
    /// Prints a line for the user.
    fn tell(&mut self, news: Arguments);
}

/// Serves one connection, after its handshake, until it ends. Rings at `tag` whenever `pressed` returns,
/// which must lose nothing when it is dropped before that.
pub async fn serve<R: Read, W: Write<Error = R::Error>>(
    mut reader: R,
    mut writer: W,
    tag: &str,
    memory: &mut Memory,
    parts: &mut impl Parts,
    mut pressed: impl AsyncFnMut(),
    mut random: impl FnMut() -> u32,
) -> End<R::Error> {
    let mut buffer = [0; 2048];
    let keepalive = match with_timeout(WELCOME_TIMEOUT, receive(&mut reader, &mut buffer)).await {
        Ok(Ok(Heard::Welcome {
            device,
            held,
            keepalive,
        })) => {
            parts.tell(format_args!("online as {device}, {held} waiting"));
            Duration::from_secs(keepalive.max(1))
        }
        Ok(Ok(_)) => return End::NotUnderstood,
        Ok(Err(end)) => return end,
        Err(_) => return End::Silent,
    };

    // Reading and writing go on side by side, for what was read in part must not be dropped.
    let outbox: Channel<NoopRawMutex, Say, 4> = Channel::new();
    let presses: Channel<NoopRawMutex, (), 1> = Channel::new();
    let ring = Cell::new(memory.ring);
    let hear = async {
        loop {
            let heard = with_timeout(keepalive * 3 / 2, receive(&mut reader, &mut buffer)).await;
            let answer = match heard {
                Ok(Ok(Heard::Message { id, from, on })) => {
                    if memory.is_new(id) {
                        parts.tell(format_args!("{from} says {on:?}"));
                        on.into_iter().for_each(|on| parts.lamp(on));
                    }
                    answer(id, on)
                }
                Ok(Ok(Heard::Receipt { seq, device, state })) => {
                    parts.tell(format_args!("{device}: {state}"));
                    text(format_args!(r#"{{"type":"receipts_seen","seq":{seq}}}"#))
                }
                Ok(Ok(Heard::Published { delivered })) => {
                    parts.tell(format_args!("the bell rang, {delivered} heard it"));
                    ring.set(None);
                    continue;
                }
                Ok(Ok(Heard::Error { code, is_of_ring })) => {
                    parts.tell(format_args!("the service says {code}"));
                    // What may pass is tried again with the next press, or the next connection.
                    if is_of_ring && !matches!(code, "too_many_requests" | "unavailable") {
                        ring.set(None);
                    }
                    continue;
                }
                Ok(Ok(Heard::Ping(payload))) => {
                    Say::Pong(Vec::from_slice(payload).unwrap_or_default())
                }
                Ok(Ok(Heard::Welcome { .. } | Heard::Other)) => continue,
                Ok(Err(end)) => return end,
                Err(_) => return End::Silent,
            };
            outbox.send(answer).await;
        }
    };
    let talk = async {
        let mut ping = Instant::now();
        if let Some(key) = ring.get() {
            outbox.send(publish(tag, key)).await;
        }
        loop {
            let next = match select3(outbox.receive(), Timer::at(ping), presses.receive()).await {
                Either3::First(answer) => answer,
                Either3::Second(()) => {
                    ping = Instant::now() + keepalive;
                    text(format_args!("ping"))
                }
                // A press while the last ring is not answered yet says that one again.
                Either3::Third(()) => {
                    let fresh = u64::from(random()) << 32 | u64::from(random());
                    let key = ring.get().unwrap_or(fresh);
                    ring.set(Some(key));
                    publish(tag, key)
                }
            };
            if let Err(end) = say(&mut writer, random(), &next).await {
                return end;
            }
        }
    };
    let button = async {
        loop {
            pressed().await;
            presses.send(()).await;
        }
    };
    let end = match select3(hear, talk, button).await {
        Either3::First(end) | Either3::Second(end) => end,
        Either3::Third(never) => never,
    };
    memory.ring = ring.get();
    end
}

fn answer(id: &str, on: Option<bool>) -> Say {
    match on {
        Some(on) => text(format_args!(
            r#"{{"type":"ack","id":"{id}","reply":{{"on":{on}}}}}"#
        )),
        None => text(format_args!(
            r#"{{"type":"nack","id":"{id}","reason":"this device takes {{\"on\":true}} and {{\"on\":false}}"}}"#
        )),
    }
}

fn publish(tag: &str, key: u64) -> Say {
    text(format_args!(
        r#"{{"type":"publish","ref":"ring","to":{{"tag":"{tag}"}},"payload":{{"ring":true}},"ttl":30,"urgency":"high","wait":5,"idempotency_key":"{key:016x}"}}"#
    ))
}

/// A text that fits by its construction, unless the tag is longer than a tag can be.
fn text(text: Arguments) -> Say {
    let mut line = String::new();
    let _ = line.write_fmt(text);
    Say::Text(line)
}
