//! The compiled-in defaults: the list of all keys, their values and what they mean.

use std::collections::BTreeMap;

use super::document;
use super::layers::Entry;
use super::value::{Origin, Raw};

/// `config/default.toml`.
pub const TEXT: &str = include_str!("../../config/default.toml");

/// One documented key.
#[derive(Debug, Clone, PartialEq)]
pub struct Documented {
    /// The key.
    pub key: String,
    /// Its default.
    pub default: Raw,
    /// What it does: the comment above it, one paragraph.
    pub meaning: String,
}

/// Every key in the order of the file.
#[must_use]
pub fn documented() -> Vec<Documented> {
    let lines: Vec<&str> = TEXT.lines().collect();
    leaves()
        .map(|(key, default, line)| Documented {
            key,
            default,
            meaning: comment_above(&lines, line),
        })
        .collect()
}

pub(super) fn entries() -> BTreeMap<String, Entry> {
    let origin = Origin::Default;
    leaves()
        .map(|(key, raw, _)| {
            let origin = origin.clone();
            (key, Entry { raw, origin })
        })
        .collect()
}

/// `(key, value, line)`. The text is part of the program, and a test reads it: it is TOML.
fn leaves() -> impl Iterator<Item = (String, Raw, usize)> {
    document::read(TEXT)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|leaf| leaf.raw.map(|raw| (leaf.key, raw, leaf.line)))
}

fn comment_above(lines: &[&str], line: usize) -> String {
    let above = lines.get(..line.saturating_sub(1)).unwrap_or_default();
    let comment: Vec<&str> = above
        .iter()
        .rev()
        .map_while(|line| line.strip_prefix('#'))
        .map(str::trim)
        .collect();
    comment.into_iter().rev().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_toml_and_document_every_key() {
        document::read(TEXT).expect("TOML");
        let keys = documented();
        assert!(keys.len() > 40, "only {} keys", keys.len());
        for key in keys {
            assert!(
                key.meaning.len() > 15,
                "{} is not documented: {:?}",
                key.key,
                key.meaning
            );
            assert!(
                !key.key.ends_with("_file"),
                "{}: _FILE has a meaning of its own in variables",
                key.key
            );
        }
    }
}
