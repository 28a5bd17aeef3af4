//! The URL of a ClickHouse server.

use nova_actors::{Error, Result};

const EXPECTED: &str =
    "clickhouse://[user[:password]@]host[:port][/database][?secure=true&compression=lz4|none]";
const DEFAULT_DATABASE: &str = "nova_feed";
const HTTP_PORT: u16 = 8_123;
const HTTPS_PORT: u16 = 8_443;

/// Where the server is, and as whom to ask it. Not `Debug`: it holds the password.
pub(super) struct Target {
    /// Address of the HTTP interface, without credentials.
    pub(super) endpoint: String,
    pub(super) database: String,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    /// Whether bodies are compressed.
    pub(super) compressed: bool,
}

impl Target {
    /// Reads `clickhouse://…` or `clickhouse:http://…`. Errors never repeat the URL, which may hold a password.
    pub(super) fn parse(url: &str) -> Result<Self> {
        let rest = url.strip_prefix("clickhouse:").ok_or_else(|| refused(EXPECTED))?;
        let (mut secure, rest) = split_scheme(rest)?;
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = address.split_once('/').unwrap_or((address, ""));
        let (credentials, host) = match authority.rsplit_once('@') {
            Some((credentials, host)) => (Some(credentials), host),
            None => (None, authority),
        };
        let mut compressed = true;
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match (&*name, &*value) {
                ("secure", "true") => secure = true,
                ("secure", "false") => secure = false,
                ("compression", "none") => compressed = false,
                ("compression", "lz4") => compressed = true,
                _ => return Err(refused(EXPECTED)),
            }
        }
        let (user, password) = match credentials.map(|text| text.split_once(':').unwrap_or((text, ""))) {
            Some((user, password)) => (some(user)?, some(password)?),
            None => (None, None),
        };
        Ok(Self {
            endpoint: endpoint(secure, host)?,
            database: database(path)?,
            user,
            password,
            compressed,
        })
    }
}

fn split_scheme(rest: &str) -> Result<(bool, &str)> {
    [("//", false), ("http://", false), ("https://", true)]
        .into_iter()
        .find_map(|(prefix, secure)| Some((secure, rest.strip_prefix(prefix)?)))
        .ok_or_else(|| refused(EXPECTED))
}

fn endpoint(secure: bool, host: &str) -> Result<String> {
    let authority: hyper::http::uri::Authority = host.parse().map_err(|_| refused(EXPECTED))?;
    if authority.host().is_empty() {
        return Err(refused(EXPECTED));
    }
    // A port that is no number is not the same as none.
    let given = host.strip_prefix(authority.host()).unwrap_or_default();
    let (scheme, default) = if secure {
        ("https", HTTPS_PORT)
    } else {
        ("http", HTTP_PORT)
    };
    let port = match given.strip_prefix(':') {
        Some(port) => port.parse().map_err(|_| refused("a port from 1 to 65535"))?,
        None => default,
    };
    Ok(format!("{scheme}://{}:{port}/", authority.host()))
}

/// Names that need no quoting anywhere, so that printed migrations can be run by hand.
fn database(path: &str) -> Result<String> {
    let name = path.trim_end_matches('/');
    if name.is_empty() {
        return Ok(DEFAULT_DATABASE.to_owned());
    }
    let sound = name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if sound {
        Ok(name.to_owned())
    } else {
        Err(refused(
            "a database name of at most 64 letters, digits and underscores",
        ))
    }
}

fn some(text: &str) -> Result<Option<String>> {
    let decoded = percent_decoded(text).ok_or_else(|| refused("credentials in percent-encoded UTF-8"))?;
    Ok((!decoded.is_empty()).then_some(decoded))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(*hex::decode(digits).ok()?.first()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn refused(expected: &'static str) -> Error {
    Error::field("analytics.url", expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> (String, String, Option<String>, Option<String>, bool) {
        let target = Target::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        let Target {
            endpoint,
            database,
            user,
            password,
            compressed,
        } = target;
        (endpoint, database, user, password, compressed)
    }

    #[test]
    fn a_host_alone_gets_the_defaults() {
        let expected = ("http://ch:8123/".into(), "nova_feed".into(), None, None, true);
        assert_eq!(parsed("clickhouse://ch"), expected);
        assert_eq!(parsed("clickhouse:http://ch/"), expected);
    }

    #[test]
    fn every_part_is_read() {
        let expected = (
            "https://ch.example:9000/".into(),
            "feed_2".into(),
            Some("nova".into()),
            Some("p@ss:w+d/".into()),
            false,
        );
        let url = "clickhouse://nova:p%40ss:w+d%2F@ch.example:9000/feed_2?secure=true&compression=none";
        assert_eq!(parsed(url), expected);
        let url = "clickhouse:https://nova:p%40ss:w+d%2f@ch.example:9000/feed_2/?compression=none";
        assert_eq!(parsed(url), expected);
    }

    #[test]
    fn tls_has_its_own_port_and_ipv6_keeps_its_brackets() {
        assert_eq!(parsed("clickhouse://ch?secure=true").0, "https://ch:8443/");
        assert_eq!(parsed("clickhouse://[::1]:9").0, "http://[::1]:9/");
        assert_eq!(parsed("clickhouse://[::1]").0, "http://[::1]:8123/");
    }

    #[test]
    fn what_is_no_such_url_is_refused_without_being_repeated() {
        for url in [
            "",
            "sqlite:hunter2.db",
            "clickhouse:hunter2",
            "clickhouse://",
            "clickhouse://nova:hunter2@",
            "clickhouse://nova:hunter2@ch:port",
            "clickhouse://nova:hunter2@ch:70000",
            "clickhouse://nova:hunter2@ch/a-b",
            "clickhouse://nova:hunter2@ch/1a",
            "clickhouse://nova:hunter2@ch?compression=zip",
            "clickhouse://nova:hunter2@ch?hunter2",
            "clickhouse://nova:hunter2%f@ch",
            "clickhouse://nova:hunter2%ff@ch",
        ] {
            let Err(error) = Target::parse(url) else {
                panic!("{url} was taken");
            };
            assert!(error.to_string().contains("analytics.url"), "{url}: {error}");
            assert!(
                !format!("{error} {error:?}").contains("hunter2"),
                "{url}: {error}"
            );
        }
    }
}
