//! HTTP between a client and the relay: a forward proxy, and a reverse proxy that serves the relay below a path.
//!
//! Each connection carries one request, so that every one of them is seen here.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What it does with a request.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Passes on what is asked of it with this authorization, whichever host it is meant for.
    Proxy(&'static str),
    /// Passes on what is below this path, without it; all else is 404.
    Below(&'static str),
    /// Answers that it is somewhere else, at this port.
    Elsewhere(u16),
    /// Answers as a service of this version that has none of the paths.
    Old(&'static str),
}

/// A gateway. It goes when it is dropped.
pub(crate) struct Gateway {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Gateway {
    /// A proxy to the relay at this port that requires this `Proxy-Authorization`.
    pub(crate) async fn proxy(relay: u16, authorization: &'static str) -> Self {
        Self::start(relay, Kind::Proxy(authorization)).await
    }

    /// A reverse proxy that serves the relay at this port below a path.
    pub(crate) async fn below(relay: u16, path: &'static str) -> Self {
        Self::start(relay, Kind::Below(path)).await
    }

    /// A service that has moved to this port.
    pub(crate) async fn moved_to(port: u16) -> Self {
        Self::start(port, Kind::Elsewhere(port)).await
    }

    /// A service of this version, which knows only `/health`.
    pub(crate) async fn of_version(version: &'static str) -> Self {
        Self::start(9, Kind::Old(version)).await
    }

    async fn start(relay: u16, kind: Kind) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, relay, kind, seen.clone()));
            }
        });
        Self {
            port,
            requests,
            task,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The method and target of every request so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut client: TcpStream,
    relay: u16,
    kind: Kind,
    seen: Arc<Mutex<Vec<String>>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let (line, headers) = head.split_once("\r\n").unwrap();
    let (method, rest) = line.split_once(' ').unwrap();
    let (target, _) = rest.split_once(' ').unwrap();
    seen.lock().unwrap().push(format!("{method} {target}"));
    let headers = Headers(headers);
    let path = match kind {
        Kind::Proxy(authorization) => {
            if headers.get("proxy-authorization") != Some(authorization) {
                return answer(&mut client, "407 Proxy Authentication Required").await;
            }
            if method == "CONNECT" {
                let mut service = TcpStream::connect((Ipv4Addr::LOCALHOST, relay)).await?;
                answer(&mut client, "200 Connection established").await?;
                copy_bidirectional(&mut client, &mut service).await?;
                return Ok(());
            }
            let (_, target) = target.split_once("://").unwrap();
            target.split_once('/').map(|(_, path)| format!("/{path}"))
        }
        Kind::Below(prefix) => target.strip_prefix(prefix).map(ToOwned::to_owned),
        Kind::Elsewhere(port) => {
            let moved = format!(
                "308 Permanent Redirect\r\nlocation: http://127.0.0.1:{port}{target}\r\nconnection: close\r\ncontent-length: 0"
            );
            return answer(&mut client, &moved).await;
        }
        Kind::Old(version) if target == "/health" => {
            let health = format!(r#"{{"status":"ok","version":"{version}"}}"#);
            let length = health.len();
            let health = format!(
                "200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{health}"
            );
            return answer(&mut client, &health).await;
        }
        Kind::Old(_) => None,
    };
    let Some(path) = path else {
        return answer(&mut client, "404 Not Found\r\ncontent-length: 0").await;
    };
    let mut service = TcpStream::connect((Ipv4Addr::LOCALHOST, relay)).await?;
    let mut body = Vec::new();
    let request = format!("{method} {path} HTTP/1.1\r\n{}", headers.0);
    service.write_all(request.as_bytes()).await?;
    if headers.get("upgrade").is_none() {
        let mut status = Vec::new();
        while !status.ends_with(b"\r\n") {
            // A body goes on its way meanwhile.
            tokio::select! {
                byte = service.read_u8() => status.push(byte?),
                read = client.read_buf(&mut body) => {
                    read?;
                    service.write_all(&body).await?;
                    body.clear();
                }
            }
        }
        client.write_all(&status).await?;
        client.write_all(b"connection: close\r\n").await?;
    }
    copy_bidirectional(&mut client, &mut service).await?;
    Ok(())
}

async fn answer(client: &mut TcpStream, status: &str) -> std::io::Result<()> {
    let answer = format!("HTTP/1.1 {status}\r\n\r\n");
    client.write_all(answer.as_bytes()).await
}

/// The headers of a request, and the empty line after them.
struct Headers<'a>(&'a str);

impl Headers<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let fields = self.0.lines().filter_map(|line| line.split_once(": "));
        let mut named = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value)
    }
}
