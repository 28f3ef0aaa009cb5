//! Frames of the protocol, in WebSocket frames.

use edge_ws::{FrameHeader, FrameType};
use embedded_io_async::{Read, Write};
use heapless::{String, Vec};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::End;

/// Something to say to the service.
pub(crate) enum Say {
    Text(String<256>),
    /// The answer to a ping of WebSocket's own.
    Pong(Vec<u8, 125>),
}

/// Something that the service says, as far as this device needs it.
#[derive(Debug)]
pub(crate) enum Heard<'a> {
    Welcome {
        device: &'a str,
        held: u32,
        keepalive: u64,
    },
    /// `on` is missing in a message that says nothing about a lamp.
    Message {
        id: &'a str,
        from: &'a str,
        on: Option<bool>,
    },
    Receipt {
        seq: i64,
        device: &'a str,
        state: &'a str,
    },
    /// A ring was accepted, and so many have heard it by now.
    Published {
        delivered: u32,
    },
    Error {
        code: &'a str,
        is_of_ring: bool,
    },
    Ping(&'a [u8]),
    /// `pong`, or what a later version of the service says.
    Other,
}

/// The fields that are looked at, of whichever frame. Names and codes have nothing in them that JSON escapes.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields<'a> {
    r#type: &'a str,
    id: &'a str,
    from: &'a str,
    device: &'a str,
    state: &'a str,
    code: &'a str,
    r#ref: Option<&'a str>,
    held: u32,
    keepalive: u64,
    seq: i64,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    summary: Summary,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Summary {
    delivered: u32,
}

/// The payload of a message that is for this device.
#[derive(Deserialize)]
struct Lamp {
    on: bool,
}

/// The next frame. Of one that is longer than the buffer only the beginning is looked at.
pub(crate) async fn receive<'a, R: Read>(
    reader: &mut R,
    buffer: &'a mut [u8],
) -> Result<Heard<'a>, End<R::Error>> {
    let header = FrameHeader::recv(&mut *reader).await?;
    let length = usize::try_from(header.payload_len).unwrap_or(usize::MAX);
    let (kept, left) = (
        length.min(buffer.len()),
        length.saturating_sub(buffer.len()),
    );
    let buffer = &mut buffer[..kept];
    read_exact(reader, buffer).await?;
    discard(reader, left).await?;
    match header.frame_type {
        FrameType::Text(false) => {
            let text = str::from_utf8(buffer).unwrap_or_default();
            if left > 0 {
                return Ok(beginning(text));
            }
            Ok(parse(text))
        }
        FrameType::Ping => Ok(Heard::Ping(buffer)),
        FrameType::Pong => Ok(Heard::Other),
        FrameType::Close => match buffer {
            [high, low, ..] => Err(End::Closed(u16::from_be_bytes([*high, *low]))),
            _ => Err(End::Closed(1005)),
        },
        _ => Err(End::NotUnderstood),
    }
}

fn parse(text: &str) -> Heard<'_> {
    let Ok(fields) = serde_json::from_str::<Fields>(text) else {
        return Heard::Other;
    };
    match fields.r#type {
        "welcome" => Heard::Welcome {
            device: fields.device,
            held: fields.held,
            keepalive: fields.keepalive,
        },
        "message" => Heard::Message {
            id: fields.id,
            from: fields.from,
            on: fields
                .payload
                .and_then(|payload| serde_json::from_str::<Lamp>(payload.get()).ok())
                .map(|Lamp { on }| on),
        },
        "receipt" => Heard::Receipt {
            seq: fields.seq,
            device: fields.device,
            state: fields.state,
        },
        "published" => Heard::Published {
            delivered: fields.summary.delivered,
        },
        "error" => Heard::Error {
            code: fields.code,
            is_of_ring: fields.r#ref.is_some(),
        },
        _ => Heard::Other,
    }
}

/// What a frame is that did not fit: a message that is not for a lamp, or an answer with many deliveries.
fn beginning(text: &str) -> Heard<'_> {
    let after = |key: &str| text.split_once(key).map(|(_, rest)| rest);
    let value = |key: &str| after(key).and_then(|rest| rest.split('"').next());
    match (value(r#""type":""#), value(r#""id":""#)) {
        (Some("message"), Some(id)) => Heard::Message {
            id,
            from: value(r#""from":""#).unwrap_or_default(),
            on: None,
        },
        (Some("published"), _) => Heard::Published { delivered: 0 },
        _ => Heard::Other,
    }
}

/// Says something; `mask` is a random number.
pub(crate) async fn say<W: Write>(
    writer: &mut W,
    mask: u32,
    what: &Say,
) -> Result<(), End<W::Error>> {
    let (frame_type, payload) = match what {
        Say::Text(text) => (FrameType::Text(false), text.as_bytes()),
        Say::Pong(payload) => (FrameType::Pong, &payload[..]),
    };
    edge_ws::io::send(&mut *writer, frame_type, Some(mask), payload).await?;
    writer.flush().await.map_err(End::Network)
}

async fn read_exact<R: Read>(reader: &mut R, buffer: &mut [u8]) -> Result<(), End<R::Error>> {
    let read = reader.read_exact(buffer).await;
    read.map_err(|error| edge_ws::Error::from(error).into())
}

async fn discard<R: Read>(reader: &mut R, mut left: usize) -> Result<(), End<R::Error>> {
    let mut waste = [0; 128];
    while left > 0 {
        let length = left.min(waste.len());
        read_exact(reader, &mut waste[..length]).await?;
        left -= length;
    }
    Ok(())
}

impl<E> From<edge_ws::Error<E>> for End<E> {
    fn from(error: edge_ws::Error<E>) -> Self {
        match error {
            edge_ws::Error::Io(error) => Self::Network(error),
            _ => Self::NotUnderstood,
        }
    }
}
