//! What a person at a terminal sees once `nova dev` is ready.

use std::net::SocketAddr;
use std::path::Path;

/// What the banner tells.
#[derive(Debug)]
pub(super) struct Banner<'a> {
    pub(super) http: SocketAddr,
    pub(super) internal: SocketAddr,
    pub(super) data_dir: &'a Path,
    pub(super) version: &'a str,
    /// How the program was called, so that the commands shown can be pasted.
    pub(super) program: &'a Path,
}

impl Banner<'_> {
    /// The text, with or without colours.
    pub(super) fn text(&self, colours: bool) -> String {
        let (bold, dim, link, off) = if colours {
            ("\x1b[1m", "\x1b[2m", "\x1b[36m", "\x1b[0m")
        } else {
            ("", "", "", "")
        };
        let Self {
            http,
            internal,
            version,
            ..
        } = self;
        let (data, program) = (quoted(self.data_dir), quoted(self.program));
        format!(
            "\n  {bold}Nova {version}{off} is ready\n\n\
             \x20 Page       {link}http://{http}/{off}\n\
             \x20 API docs   {link}http://{http}/docs{off}\n\
             \x20 Metrics    {link}http://{internal}/metrics{off}\n\
             \x20 Data       {data}\n\n\
             \x20 {dim}Next, in another terminal:{off}\n\
             \x20   TOKEN=$({program} token --user ana --data-dir {data})\n\
             \x20   curl http://{http}/api/v1/streams\n\
             \x20   curl -H \"Authorization: Bearer $TOKEN\" http://{http}/api/v1/feed\n\n\
             \x20 {dim}Ctrl-C stops it.{off}\n"
        )
    }
}

/// The path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-~+".contains(c);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_link_is_there_and_plain_text_has_no_escapes() {
        let banner = Banner {
            http: ([127, 0, 0, 1], 8080).into(),
            internal: ([127, 0, 0, 1], 9090).into(),
            data_dir: Path::new("./nova-data"),
            version: "1.2.3",
            program: Path::new("target/release/nova"),
        };
        let plain = banner.text(false);
        for part in [
            "http://127.0.0.1:8080/\n",
            "http://127.0.0.1:8080/docs",
            "http://127.0.0.1:9090/metrics",
            "./nova-data",
            "nova token",
        ] {
            assert!(plain.contains(part), "{plain}");
        }
        assert!(!plain.contains('\x1b'));
        assert!(banner.text(true).contains("\x1b[1mNova 1.2.3\x1b[0m"));
    }

    #[test]
    fn a_path_with_spaces_can_be_pasted() {
        assert_eq!(quoted(Path::new("/tmp/my data")), "'/tmp/my data'");
        assert_eq!(quoted(Path::new("it's")), "'it'\\''s'");
        assert_eq!(quoted(Path::new("./nova-data")), "./nova-data");
    }
}
