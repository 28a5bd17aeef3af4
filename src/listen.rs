//! Opening the listeners; a taken port is told in terms of what to change.

use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::failure::Failure;

/// Listens on `addr`. `flag` and `key` name what sets it.
///
/// # Errors
/// A dependency failure that names the address, the flag and the key.
pub async fn listen(addr: SocketAddr, flag: &str, key: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(addr).await.map_err(|e| {
        let why = match e.kind() {
            ErrorKind::AddrInUse => format!("port {} is taken", addr.port()),
            _ => e.to_string(),
        };
        Failure::dependency(format!(
            "cannot listen on {addr}: {why}; choose another address with {flag} ({key})"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_named_with_the_flag() {
        let first = listen(([127, 0, 0, 1], 0).into(), "--bind", "http.bind")
            .await
            .unwrap();
        let addr = first.local_addr().unwrap();
        let failure = listen(addr, "--bind", "http.bind").await.unwrap_err();
        assert_eq!(failure.exit().code(), 69);
        let text = failure.message();
        assert!(
            text.contains(&addr.port().to_string()) && text.contains("--bind"),
            "{text}"
        );
    }
}
