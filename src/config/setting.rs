//! How a key's value becomes its type, and what is said when it cannot.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::secret::Secret;
use super::value::Raw;

/// A type that a key can have.
pub trait Setting: Sized {
    /// What is accepted, after the word "expected".
    const EXPECTED: &'static str;
    /// Whether the value must not be shown.
    const SECRET: bool = false;

    /// The value, when it fits.
    fn parse(raw: &Raw) -> Option<Self>;
}

fn text(raw: &Raw) -> Option<&str> {
    match raw {
        Raw::Word(text) | Raw::Text(text) => Some(text),
        _ => None,
    }
}

impl Setting for String {
    const EXPECTED: &'static str = "text";

    fn parse(raw: &Raw) -> Option<Self> {
        text(raw).map(str::to_owned)
    }
}

impl Setting for bool {
    const EXPECTED: &'static str = "true or false";

    fn parse(raw: &Raw) -> Option<Self> {
        match raw {
            Raw::Boolean(flag) => Some(*flag),
            Raw::Word(word) => word.parse().ok(),
            _ => None,
        }
    }
}

macro_rules! whole_number {
    ($($number:ty = $expected:literal),*) => {$(
        impl Setting for $number {
            const EXPECTED: &'static str = $expected;

            fn parse(raw: &Raw) -> Option<Self> {
                match raw {
                    Raw::Integer(number) => (*number).try_into().ok(),
                    Raw::Word(word) => word.parse().ok(),
                    _ => None,
                }
            }
        }
    )*};
}

whole_number!(
    u8 = "a whole number from 0 to 255",
    u32 = "a whole number from 0",
    u64 = "a whole number from 0",
    usize = "a whole number from 0"
);

impl Setting for Vec<String> {
    const EXPECTED: &'static str = "a list of texts (in a variable: separated by commas)";

    fn parse(raw: &Raw) -> Option<Self> {
        match raw {
            Raw::List(items) => Some(items.clone()),
            Raw::Word(word) => Some(
                word.split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                    .map(str::to_owned)
                    .collect(),
            ),
            _ => None,
        }
    }
}

impl Setting for SocketAddr {
    const EXPECTED: &'static str = "an IP address with a port, such as 127.0.0.1:8080";

    fn parse(raw: &Raw) -> Option<Self> {
        text(raw)?.parse().ok()
    }
}

impl Setting for PathBuf {
    const EXPECTED: &'static str = "a path";

    fn parse(raw: &Raw) -> Option<Self> {
        text(raw).filter(|path| !path.is_empty()).map(Self::from)
    }
}

impl Setting for Option<PathBuf> {
    const EXPECTED: &'static str = "a path, or nothing";

    fn parse(raw: &Raw) -> Option<Self> {
        text(raw).map(|path| (!path.is_empty()).then(|| path.into()))
    }
}

impl Setting for Option<Secret> {
    const EXPECTED: &'static str = "text, or nothing";
    const SECRET: bool = true;

    fn parse(raw: &Raw) -> Option<Self> {
        text(raw).map(|secret| (!secret.is_empty()).then(|| Secret::new(secret)))
    }
}

impl Setting for Duration {
    const EXPECTED: &'static str = "a duration such as 90s, 10m or 1h 30m";

    fn parse(raw: &Raw) -> Option<Self> {
        match raw {
            Raw::Integer(0) => Some(Self::ZERO),
            _ => match text(raw)?.trim() {
                "0" => Some(Self::ZERO),
                text => humantime::parse_duration(text).ok(),
            },
        }
    }
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub usize);

impl Setting for Bytes {
    const EXPECTED: &'static str = "a size such as 4096, 4KiB or 1MiB";

    fn parse(raw: &Raw) -> Option<Self> {
        if let Raw::Integer(number) = raw {
            return (*number).try_into().ok().map(Self);
        }
        let text = text(raw)?.trim();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let factor: usize = match unit.trim() {
            "" | "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return None,
        };
        number.parse::<usize>().ok()?.checked_mul(factor).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word<T: Setting>(text: &str) -> Option<T> {
        T::parse(&Raw::Word(text.into()))
    }

    #[test]
    fn durations_and_sizes_read_as_people_write_them() {
        assert_eq!(word::<Duration>("90s"), Some(Duration::from_secs(90)));
        assert_eq!(word::<Duration>("1h 30m"), Some(Duration::from_secs(5_400)));
        assert_eq!(word::<Duration>("0"), Some(Duration::ZERO));
        assert_eq!(Duration::parse(&Raw::Integer(0)), Some(Duration::ZERO));
        assert_eq!(word::<Bytes>("4KiB"), Some(Bytes(4_096)));
        assert_eq!(word::<Bytes>("1 MiB"), Some(Bytes(1 << 20)));
        assert_eq!(Bytes::parse(&Raw::Integer(17)), Some(Bytes(17)));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for bad in ["", "ten", "10", "-1s", "5 parsecs"] {
            assert_eq!(word::<Duration>(bad), None, "{bad}");
        }
        for bad in ["", "KiB", "4KB", "-1", "1.5MiB", "99999999999999999999GiB"] {
            assert_eq!(word::<Bytes>(bad), None, "{bad}");
        }
        assert_eq!(word::<bool>("yes"), None);
        assert_eq!(word::<u32>("-1"), None);
        assert_eq!(word::<SocketAddr>("localhost"), None);
    }

    #[test]
    fn text_in_a_file_is_not_a_number() {
        assert_eq!(u32::parse(&Raw::Text("5".into())), None);
        assert_eq!(bool::parse(&Raw::Text("true".into())), None);
        assert_eq!(Vec::<String>::parse(&Raw::Text("a,b".into())), None);
        assert_eq!(Duration::parse(&Raw::Integer(90)), None);
    }

    #[test]
    fn lists_in_variables_are_split_at_commas() {
        assert_eq!(
            word::<Vec<String>>(" a, b,,c "),
            Some(vec!["a".into(), "b".into(), "c".into()])
        );
    }
}
