//! The data directory of the embedded databases: made when missing, used by one process at a time, and the
//! home of the development keys.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::config::Secret;
use crate::failure::Failure;

/// Length of the development keys, in bytes.
pub const KEY_BYTES: usize = 32;
/// Only the owner reads and writes.
const PRIVATE: u32 = 0o600;

/// An existing, writable data directory.
#[derive(Debug, Clone)]
pub struct DataDir {
    path: PathBuf,
}

/// Proof that no other process serves from the directory; ends with the value or with the process.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl DataDir {
    /// The directory at `path`, made when it is missing.
    ///
    /// # Errors
    /// A dependency failure when it cannot be made.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        fs::create_dir_all(path).map_err(|e| {
            Failure::dependency(format!(
                "the data directory {} cannot be made: {e}",
                path.display()
            ))
        })?;
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the directory for this process.
    ///
    /// # Errors
    /// A dependency failure when another process has it.
    pub fn lock(&self) -> Result<Lock, Failure> {
        let path = self.path.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(PRIVATE)
            .open(&path)
            .map_err(|e| self.broken("lock", &e))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Failure::dependency(format!(
                "the data directory {} is in use by another nova; stop that one, or give another --data-dir",
                self.path.display()
            ))),
            Err(TryLockError::Error(e)) => Err(self.broken("lock", &e)),
        }
    }

    /// The key that signs development tokens, made on first use.
    ///
    /// # Errors
    /// A dependency failure when it can neither be read nor made.
    pub fn signing_key(&self) -> Result<[u8; KEY_BYTES], Failure> {
        self.key("signing.key")
    }

    /// The key that signs feed cursors: the `configured` one, or one of the directory's own, made on first use.
    ///
    /// # Errors
    /// A dependency failure when it can neither be read nor made.
    pub fn cursor_key(&self, configured: Option<&Secret>) -> Result<Vec<u8>, Failure> {
        match configured {
            Some(secret) => Ok(secret.expose().as_bytes().to_vec()),
            None => self.key("cursor.key").map(Vec::from),
        }
    }

    fn key(&self, name: &str) -> Result<[u8; KEY_BYTES], Failure> {
        let path = self.path.join(name);
        match read_key(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.make_key(&path).and_then(|()| read_key(&path))
            }
            outcome => outcome,
        }
        .map_err(|e| self.broken(name, &e))
    }

    /// Two processes may do this at once: the first link wins, and both then read the same key.
    fn make_key(&self, path: &Path) -> io::Result<()> {
        let draft = self.path.join(format!(
            ".key-{}-{:016x}",
            std::process::id(),
            rand::random::<u64>()
        ));
        let mut file = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(PRIVATE)
            .open(&draft)?;
        let written = file
            .write_all(&rand::random::<[u8; KEY_BYTES]>())
            .and_then(|()| file.sync_all());
        let linked = written.and_then(|()| fs::hard_link(&draft, path));
        fs::remove_file(&draft)?;
        match linked {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            outcome => outcome,
        }
    }

    fn broken(&self, name: &str, error: &io::Error) -> Failure {
        Failure::dependency(format!("{}: {error}", self.path.join(name).display()))
    }
}

fn read_key(path: &Path) -> io::Result<[u8; KEY_BYTES]> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(KEY_BYTES as u64 + 1)
        .read_to_end(&mut bytes)?;
    bytes.try_into().map_err(|_| {
        let message = format!("is not a key of {KEY_BYTES} bytes; remove it and a new one is made");
        io::Error::new(io::ErrorKind::InvalidData, message)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::failure::Exit;

    fn fresh() -> (tempfile::TempDir, DataDir) {
        let temp = tempfile::tempdir().unwrap();
        let data = DataDir::open(&temp.path().join("a/b")).unwrap();
        (temp, data)
    }

    #[test]
    fn keys_are_made_once_private_and_different() {
        let (_temp, data) = fresh();
        let signing = data.signing_key().unwrap();
        assert_eq!(data.signing_key().unwrap(), signing);
        let cursor = data.cursor_key(None).unwrap();
        assert_eq!(data.cursor_key(None).unwrap(), cursor);
        assert_ne!(cursor, signing);
        let mode = fs::metadata(data.path().join("signing.key"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(
            fs::read_dir(data.path()).unwrap().count(),
            2,
            "no draft is left behind"
        );
    }

    #[test]
    fn a_configured_cursor_key_is_used_and_none_is_made() {
        let (_temp, data) = fresh();
        let configured = Secret::new("0123456789abcdef0123456789abcdef");
        assert_eq!(
            data.cursor_key(Some(&configured)).unwrap(),
            configured.expose().as_bytes()
        );
        assert_eq!(fs::read_dir(data.path()).unwrap().count(), 0);
    }

    #[test]
    fn processes_that_make_the_key_at_once_agree() {
        let (_temp, data) = fresh();
        let keys: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| data.signing_key().unwrap()))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }

    #[test]
    fn a_damaged_key_is_refused_not_replaced() {
        let (_temp, data) = fresh();
        for damaged in [&b"short"[..], &[7; 33]] {
            fs::write(data.path().join("signing.key"), damaged).unwrap();
            let failure = data.signing_key().unwrap_err();
            assert!(failure.message().contains("signing.key"), "{failure}");
            assert_eq!(fs::read(data.path().join("signing.key")).unwrap(), damaged);
        }
    }

    #[test]
    fn one_process_at_a_time() {
        let (_temp, data) = fresh();
        let held = data.lock().unwrap();
        let refused = data.lock().unwrap_err();
        assert_eq!(refused.exit(), Exit::Dependency);
        assert!(refused.message().contains("in use"), "{refused}");
        drop(held);
        data.lock().unwrap();
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_a_dependency_failure() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(
            DataDir::open(&file.join("data")).unwrap_err().exit(),
            Exit::Dependency
        );
    }
}
