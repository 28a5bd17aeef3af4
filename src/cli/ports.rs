//! The ports file: tells a script that everything is ready, and where.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::json;

use crate::failure::Failure;

/// Writes the file at once: a reader sees all of it, or nothing.
pub(super) fn write(path: &Path, http: SocketAddr, internal: SocketAddr) -> Result<(), Failure> {
    let pid = std::process::id();
    let text = json!({"http": http.to_string(), "internal": internal.to_string(), "pid": pid}).to_string();
    let draft = path.with_extension(format!("{pid}.draft"));
    let outcome = fs::write(&draft, text).and_then(|()| fs::rename(&draft, path));
    outcome.map_err(|e: io::Error| Failure::dependency(format!("--ports-file {}: {e}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_holds_both_addresses_and_the_process() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("ports.json");
        fs::write(
            &path,
            "from an earlier run, and longer than what comes now".repeat(9),
        )
        .unwrap();
        write(&path, ([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 2).into()).unwrap();
        let read: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(
            read,
            json!({"http": "127.0.0.1:1", "internal": "127.0.0.1:2", "pid": std::process::id()})
        );
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_place_that_does_not_exist_is_named() {
        let failure = write(
            Path::new("/nonexistent/p"),
            ([127, 0, 0, 1], 1).into(),
            ([127, 0, 0, 1], 2).into(),
        );
        assert!(
            failure
                .unwrap_err()
                .message()
                .starts_with("--ports-file /nonexistent/p")
        );
    }
}
