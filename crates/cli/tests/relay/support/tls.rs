//! TLS in front of the relay, with a certificate of the test's own.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// Speaks TLS on a port of its own, and passes on what it hears. It goes when it is dropped.
pub(crate) struct Tls {
    port: u16,
    directory: TempDir,
    task: JoinHandle<()>,
}

impl Tls {
    /// TLS for this name, in front of the relay at this port.
    pub(crate) async fn to(relay: u16, name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("root.pem"), made.cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut client = acceptor.accept(client).await?;
                    let mut service = TcpStream::connect((Ipv4Addr::LOCALHOST, relay)).await?;
                    copy_bidirectional(&mut client, &mut service).await
                });
            }
        });
        Self {
            port,
            directory,
            task,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The file of the certificate that clients have to trust.
    pub(crate) fn root(&self) -> PathBuf {
        self.directory.path().join("root.pem")
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        self.task.abort();
    }
}
