//! A way to the server that can fall silent: connections stay open, and nothing comes through.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A proxy on a port of its own.
pub(super) struct Proxy {
    address: SocketAddr,
    silent: Arc<watch::Sender<bool>>,
    _accepting: JoinSet<()>,
}

impl Proxy {
    pub(super) async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let silent = Arc::new(watch::Sender::new(false));
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, server, Arc::clone(&silent)));
        Self {
            address,
            silent,
            _accepting: accepting,
        }
    }

    pub(super) fn address(&self) -> String {
        self.address.to_string()
    }

    /// What is under way stays where it is, for ever: a connection that was there then is lost.
    pub(super) fn fall_silent(&self) {
        self.silent.send_replace(true);
    }

    /// New connections get through again.
    pub(super) fn speak(&self) {
        self.silent.send_replace(false);
    }
}

async fn accept(listener: TcpListener, server: String, silent: Arc<watch::Sender<bool>>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        connections.spawn(relay(client, server.clone(), silent.subscribe()));
    }
}

/// Both directions until one side closes; once silent, neither reads nor closes.
async fn relay(mut client: TcpStream, server: String, mut silent: watch::Receiver<bool>) {
    if !*silent.borrow_and_update() {
        let mut server = TcpStream::connect(server).await.unwrap();
        tokio::select! {
            () = both(&mut client, &mut server) => return,
            _ = silent.wait_for(|silent| *silent) => {}
        }
    }
    std::future::pending::<()>().await;
}

async fn both(client: &mut TcpStream, server: &mut TcpStream) {
    let (mut from_client, mut from_server) = (vec![0; 1 << 14], vec![0; 1 << 14]);
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => match read {
                Ok(count @ 1..) if server.write_all(&from_client[..count]).await.is_ok() => {}
                _ => return,
            },
            read = server.read(&mut from_server) => match read {
                Ok(count @ 1..) if client.write_all(&from_server[..count]).await.is_ok() => {}
                _ => return,
            },
        }
    }
}
