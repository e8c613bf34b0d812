//! A server on loopback that ends with the value that stands for it.

use axum::Router;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A running server.
#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves on a free port of 127.0.0.1, which no other machine can reach.
    pub(super) async fn start(router: Router) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            // It ends with an error only when the process cannot accept connections at all; then
            // whoever asks is told that there is no connection.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, task })
    }

    /// `127.0.0.1:<port>`.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}
