//! Query parameters: unknown ones are ignored, wrong ones named, numbers clamped.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::http::problem::Problem;

/// The decoded parameters of a request. Text that is not UTF-8 after decoding has replacement characters, so
/// it matches nothing and is refused where a known word is needed.
#[derive(Debug)]
pub(in crate::http) struct Query(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

impl Query {
    fn parse(text: &str) -> Self {
        Self(form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// A parameter's text.
    ///
    /// # Errors
    /// `Validation` when it is given more than once, or has a NUL.
    pub(in crate::http) fn text(&self, name: &'static str) -> Result<Option<&str>, Problem> {
        let mut values = self.0.iter().filter(|(key, _)| key == name);
        let first = values.next();
        if values.next().is_some() {
            return Err(Problem::field(name, "to be given once"));
        }
        match first {
            Some((_, value)) if value.contains('\0') => {
                Err(Problem::field(name, "text without NUL characters"))
            }
            other => Ok(other.map(|(_, value)| value.as_str())),
        }
    }

    /// A parameter's whole number.
    ///
    /// # Errors
    /// `Validation` when it is not a whole number of 64 bits.
    pub(in crate::http) fn number(&self, name: &'static str) -> Result<Option<i64>, Problem> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let digits = text.strip_prefix('-').unwrap_or(text);
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        plain
            .then(|| text.parse().ok())
            .flatten()
            .map(Some)
            .ok_or_else(|| Problem::field(name, "a whole number of 64 bits"))
    }
}

/// `given` brought into `low..=high`; `default` when nothing was given.
pub(in crate::http) fn clamped(given: Option<i64>, default: u32, low: u32, high: u32) -> u32 {
    given.map_or(default, |number| {
        u32::try_from(number.clamp(i64::from(low), i64::from(high))).unwrap_or(default)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_numbers_of_64_bits_are_numbers() {
        let number = |text| Query::parse(text).number("page");
        assert_eq!(number("page=7").unwrap(), Some(7));
        assert_eq!(number("page=-3").unwrap(), Some(-3));
        assert_eq!(number("page=9223372036854775807").unwrap(), Some(i64::MAX));
        assert_eq!(number("limit=1").unwrap(), None);
        for bad in [
            "page=",
            "page",
            "page=x",
            "page=1.5",
            "page=1e3",
            "page=%2B1",
            "page=+1",
            "page=--1",
            "page=-",
            "page=0x10",
            "page=99999999999999999999",
            "page=-99999999999999999999",
            "page=%D9%A3",
            "page=1&page=2",
            "page=%00",
            "page=%FF",
            "page=1%00",
        ] {
            assert!(number(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_clamped() {
        assert_eq!(clamped(Some(i64::MIN), 20, 1, 100), 1);
        assert_eq!(clamped(Some(i64::MAX), 20, 1, 100), 100);
        assert_eq!(clamped(Some(50), 20, 1, 100), 50);
        assert_eq!(clamped(None, 20, 1, 100), 20);
        assert_eq!(clamped(Some(i64::MAX), 1, 1, u32::MAX), u32::MAX);
    }
}
