//! The handshake: an HTTP request that becomes a WebSocket (RFC 6455).

use core::fmt::Write as _;

use edge_http::ws::{
    MAX_BASE64_KEY_LEN, MAX_BASE64_KEY_RESPONSE_LEN, NONCE_LEN, is_upgrade_accepted,
    upgrade_request_headers,
};
use embedded_io_async::{Read, Write};
use heapless::{String, Vec};

use crate::End;

/// Makes a WebSocket of a connection to `host`: a name or an address with its port, and the path below which the
/// service lies, if there is one.
pub async fn handshake<S: Read + Write>(
    stream: &mut S,
    host: &str,
    token: &str,
    nonce: &[u8; NONCE_LEN],
) -> Result<(), End<S::Error>> {
    let (host, path) = host.split_once('/').unwrap_or((host, ""));
    let path = path.trim_end_matches('/');
    let slash = if path.is_empty() { "" } else { "/" };
    let mut key = [0; MAX_BASE64_KEY_LEN];
    let mut request: String<1024> = String::new();
    let mut write = || {
        write!(request, "GET {slash}{path}/v1/connect HTTP/1.1\r\n")?;
        for (name, value) in upgrade_request_headers(Some(host), None, None, nonce, &mut key) {
            if !name.is_empty() && name != "Content-Length" {
                write!(request, "{name}: {value}\r\n")?;
            }
        }
        request.write_str("Sec-WebSocket-Protocol: tagpost.v1\r\n")?;
        write!(request, "Authorization: Bearer {token}\r\n\r\n")
    };
    write().map_err(|_| End::NotUnderstood)?;
    let network = End::Network;
    stream
        .write_all(request.as_bytes())
        .await
        .map_err(network)?;
    stream.flush().await.map_err(network)?;

    // Byte by byte, since frames may follow at once.
    let mut head: Vec<u8, 1024> = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).await.map_err(network)? == 0 || head.push(byte[0]).is_err() {
            return Err(End::NotUnderstood);
        }
    }
    let mut headers = [httparse::EMPTY_HEADER; 24];
    let mut response = httparse::Response::new(&mut headers);
    response.parse(&head).map_err(|_| End::NotUnderstood)?;
    let status = response.code.unwrap_or_default();
    if status != 101 {
        return Err(End::Refused(status));
    }
    let headers = response.headers.iter();
    let headers = headers.map(|it| (it.name, str::from_utf8(it.value).unwrap_or_default()));
    let mut buffer = [0; MAX_BASE64_KEY_RESPONSE_LEN];
    match is_upgrade_accepted(status, headers, nonce, &mut buffer) {
        true => Ok(()),
        false => Err(End::NotUnderstood),
    }
}
