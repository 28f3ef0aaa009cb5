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
    /// A ring was accepted, and this many devices have acknowledged it by now.
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
            // The end of the buffer may lie inside a character.
            let text = buffer
                .utf8_chunks()
                .next()
                .map_or("", |chunk| chunk.valid());
            Ok(if left > 0 {
                beginning(text)
            } else {
                parse(text)
            })
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
        return beginning(text);
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

/// What a frame is that did not fit or cannot be read: a message that is not for a lamp, or an answer with many
/// deliveries.
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

#[cfg(test)]
mod tests {
    use std::borrow::ToOwned;
    use std::string::String;
    use std::vec::Vec;
    use std::{format, vec};

    use super::*;

    const ID: &str = "01M84WQ58TFYHWCCN22Z0FBG54";

    /// What is heard of a message with this payload, which the service sends in one frame.
    fn hear(payload: &str) -> (String, Option<bool>) {
        let text = format!(
            r#"{{"type":"message","id":"{ID}","from":"phone","to":{{"device":"bell"}},"sent_at":1,"expires_at":2,"attempt":1,"urgency":"normal","topic":null,"content_type":"application/json","payload":{payload}}}"#
        );
        let length = text.len();
        let mut wire: Vec<u8> = match u16::try_from(length) {
            Ok(short @ 0..126) => vec![0x81, short as u8],
            Ok(long) => [&[0x81, 126][..], &long.to_be_bytes()].concat(),
            Err(_) => [&[0x81, 127][..], &(length as u64).to_be_bytes()].concat(),
        };
        wire.extend(text.bytes());
        let mut buffer = [0; 2048];
        let heard = embassy_futures::block_on(receive(&mut &wire[..], &mut buffer));
        match heard {
            Ok(Heard::Message { id, from, on }) => {
                assert_eq!((id, from), (ID, "phone"), "{payload:.100}");
                (id.into(), on)
            }
            other => panic!("expected a message for {payload:.100}, heard {other:?}"),
        }
    }

    #[test]
    fn a_lamp_is_switched_by_what_says_so_alone() {
        assert_eq!(hear(r#"{"on":true}"#).1, Some(true));
        assert_eq!(hear(r#"{"on":false,"by":[["hand"]]}"#).1, Some(false));
        for other in ["null", "true", r#"{"on":1}"#, r#""\ud83c""#, "1e999", "[]"] {
            assert_eq!(hear(other).1, None, "{other}");
        }
    }

    #[test]
    fn a_message_is_recognised_whatever_its_length_and_wherever_it_is_cut() {
        for length in 1_700..2_100 {
            let text = ["x", ""][length % 2].to_owned() + &"ü".repeat(length / 2);
            assert_eq!(hear(&format!(r#""{text}""#)).1, None);
        }
        assert_eq!(hear(&format!(r#""{}""#, "🍵".repeat(60_000))).1, None);
    }

    #[test]
    fn a_message_is_recognised_however_deep_it_is() {
        for levels in [100, 500, 900, 8_000] {
            let (open, close) = ("[".repeat(levels), "]".repeat(levels));
            assert_eq!(hear(&format!("{open}{close}")).1, None);
            assert_eq!(
                hear(&format!(r#"{{"by":{open}{close},"on":true}}"#)).1,
                (levels < 1_000).then_some(true)
            );
        }
    }
}
