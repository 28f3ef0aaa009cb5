//! A SOCKS5 proxy that asks for a user and a password (RFC 1928, RFC 1929), in front of the relay.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Passes on what is meant for any host to the relay. It goes when it is dropped.
pub(crate) struct Socks {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Socks {
    /// A proxy to the relay at this port, for this user and password, with a byte of length before each.
    pub(crate) async fn to(relay: u16, credentials: &'static [u8]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let hosts = asked.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, relay, credentials, hosts.clone()));
            }
        });
        Self { port, asked, task }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The name that each connection was asked for.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Socks {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut client: TcpStream,
    relay: u16,
    credentials: &[u8],
    asked: Arc<Mutex<Vec<String>>>,
) -> std::io::Result<()> {
    let mut greeting = [0; 2];
    client.read_exact(&mut greeting).await?;
    let mut methods = vec![0; greeting[1].into()];
    client.read_exact(&mut methods).await?;
    client.write_all(&[5, 2]).await?;
    assert_eq!(client.read_u8().await?, 1, "the version of the negotiation");
    let mut given = vec![0; credentials.len()];
    client.read_exact(&mut given).await?;
    client
        .write_all(&[1, (given != credentials).into()])
        .await?;
    let mut request = [0; 5];
    client.read_exact(&mut request).await?;
    assert_eq!(&request[..4], [5, 1, 0, 3], "connect, by name");
    let mut name = vec![0; request[4].into()];
    client.read_exact(&mut name).await?;
    client.read_u16().await?;
    asked.lock().unwrap().push(String::from_utf8(name).unwrap());
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    let mut service = TcpStream::connect((Ipv4Addr::LOCALHOST, relay)).await?;
    copy_bidirectional(&mut client, &mut service).await?;
    Ok(())
}
