//! Rules that every text from outside must keep; all broken fields are reported at once.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use crate::error::{Error, FieldError, Result};

/// Longest URL accepted for thumbnails, media and avatars, in characters.
pub const MAX_URL: usize = 2_048;

/// Collects the broken fields of one request.
#[derive(Debug, Default)]
pub struct Checks {
    errors: Vec<FieldError>,
}

impl Checks {
    /// No field checked yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Records that `field` was not what was `expected`.
    pub fn refuse(&mut self, field: impl Into<Cow<'static, str>>, expected: impl Into<Cow<'static, str>>) {
        self.errors.push(FieldError {
            field: field.into(),
            expected: expected.into(),
        });
    }

    /// Text of `length` characters without NUL; blank text counts as empty.
    pub fn text(&mut self, field: &'static str, value: &str, length: RangeInclusive<usize>) {
        let count = value.chars().count();
        let blank = *length.start() > 0 && value.trim().is_empty();
        if blank || !length.contains(&count) {
            self.refuse(
                field,
                format!("{} to {} characters", length.start(), length.end()),
            );
        } else if value.contains('\0') {
            self.refuse(field, "text without NUL characters");
        }
    }

    /// An absolute http or https URL of at most [`MAX_URL`] characters.
    pub fn url(&mut self, field: &'static str, value: Option<&str>) {
        let Some(url) = value else { return };
        let rest = url
            .strip_prefix("https://")
            .or_else(|| url.strip_prefix("http://"));
        let host_given = rest.is_some_and(|r| !r.is_empty() && !r.starts_with('/'));
        let clean = !url.chars().any(|c| c.is_whitespace() || c.is_control());
        if !host_given || !clean || url.chars().count() > MAX_URL {
            self.refuse(field, "an http or https URL of at most 2048 characters");
        }
    }

    /// One of `allowed`.
    pub fn one_of(&mut self, field: &'static str, value: &str, allowed: &[String]) {
        if !allowed.iter().any(|a| a == value) {
            self.refuse(field, format!("one of {}", allowed.join(", ")));
        }
    }

    /// `Ok` when every check held.
    ///
    /// # Errors
    /// `Validation` naming each broken field.
    pub fn finish(self) -> Result<()> {
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(Error::fields(self.errors))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_counted_in_characters_not_bytes() {
        let mut checks = Checks::new();
        checks.text("title", &"é".repeat(140), 1..=140);
        assert!(checks.finish().is_ok());
    }

    #[test]
    fn every_broken_field_is_named() {
        let mut checks = Checks::new();
        checks.text("title", "   ", 1..=140);
        checks.text("description", "a\0b", 0..=2_000);
        checks.url("thumbnail_url", Some("javascript:alert(1)"));
        let error = checks.finish().unwrap_err().to_string();
        for field in ["title", "description", "thumbnail_url"] {
            assert!(error.contains(field), "{error}");
        }
    }
}
