//! A server at an address: it answers each request with 200, and counts them.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::device::Acknowledged;

/// A running server. Dropping it ends it, its connections included.
pub(crate) struct Receiver {
    address: SocketAddr,
    _connections: JoinSet<()>,
}

impl Receiver {
    /// Listens, and counts here what it answers.
    pub(crate) async fn start(answered: &Acknowledged) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, answered.clone()));
        Ok(Self {
            address,
            _connections: accepting,
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

async fn accept(listener: TcpListener, answered: Acknowledged) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, answered.clone()));
    }
}

async fn serve(stream: TcpStream, answered: Acknowledged) {
    let service = service_fn(|request| answer(request, &answered));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        eprintln!("the receiver: {error}");
    }
}

async fn answer(
    request: Request<Incoming>,
    answered: &Acknowledged,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::default());
    match request.into_body().collect().await {
        Ok(_) => answered.add(),
        Err(_) => *response.status_mut() = StatusCode::BAD_REQUEST,
    }
    Ok(response)
}
