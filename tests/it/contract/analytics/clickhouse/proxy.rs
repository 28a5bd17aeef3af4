//! A way to the server that can be cut at any insert.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Where a request is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// The server sees nothing of it.
    Before,
    /// The server sees its beginning.
    Midway,
    /// The server has done it; nothing of the answer comes back.
    After,
    /// Half of the answer comes back.
    HalfAnswered,
}

#[derive(Debug, Default)]
struct Plan {
    cut: Mutex<Option<(&'static [u8], usize, Cut)>>,
    seen: AtomicUsize,
    /// Whether nothing gets through after the cut.
    stays_down: AtomicBool,
    down: AtomicBool,
}

impl Plan {
    /// How the request that begins with these bytes ends; `None` when it is let through.
    fn fate(&self, bytes: &[u8]) -> Option<Cut> {
        let (marker, number, cut) = (*self.cut.lock().unwrap())?;
        if !bytes.windows(marker.len()).any(|window| window == marker) {
            return None;
        }
        if self.seen.fetch_add(1, Ordering::SeqCst) != number {
            return None;
        }
        if self.stays_down.load(Ordering::SeqCst) {
            self.down.store(true, Ordering::SeqCst);
        }
        Some(cut)
    }
}

/// A proxy on a port of its own.
pub(super) struct Proxy {
    address: SocketAddr,
    plan: Arc<Plan>,
    _accepting: JoinSet<()>,
}

impl Proxy {
    /// Lets everything through to `server`.
    pub(super) async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let plan = Arc::new(Plan::default());
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, server, plan.clone()));
        Self {
            address,
            plan,
            _accepting: accepting,
        }
    }

    pub(super) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Cuts insert number `number` (from 0) once.
    pub(super) fn cut_insert(&self, number: usize, cut: Cut) {
        *self.plan.cut.lock().unwrap() = Some((b"query=INSERT", number, cut));
    }

    /// Cuts insert number `number`, and everything that comes later.
    pub(super) fn down_at_insert(&self, number: usize, cut: Cut) {
        self.plan.stays_down.store(true, Ordering::SeqCst);
        self.cut_insert(number, cut);
    }

    /// Cuts the first query of a list.
    pub(super) fn cut_query(&self, cut: Cut) {
        *self.plan.cut.lock().unwrap() = Some((b"param_", 0, cut));
    }

    /// Inserts that came by while a cut was planned.
    pub(super) fn seen(&self) -> usize {
        self.plan.seen.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, server: String, plan: Arc<Plan>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        if plan.down.load(Ordering::SeqCst) {
            continue;
        }
        let server = TcpStream::connect(&server).await.unwrap();
        connections.spawn(relay(client, server, plan.clone()));
    }
}

/// Both directions, until either side closes or the plan cuts.
async fn relay(client: TcpStream, server: TcpStream, plan: Arc<Plan>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let fate = Mutex::new(None);
    let requests = async {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
            let cut = plan.fate(&buffer[..count]);
            if cut == Some(Cut::Before) {
                return;
            }
            if to_server.write_all(&buffer[..count]).await.is_err() || cut == Some(Cut::Midway) {
                return;
            }
            if cut.is_some() {
                *fate.lock().unwrap() = cut;
            }
        }
    };
    let answers = async {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
            let cut = *fate.lock().unwrap();
            let count = match cut {
                Some(Cut::After) => return,
                Some(_) => count - count.min(3),
                None => count,
            };
            if to_client.write_all(&buffer[..count]).await.is_err() || cut.is_some() {
                return;
            }
        }
    };
    tokio::select! {
        () = requests => {}
        () = answers => {}
    }
}
