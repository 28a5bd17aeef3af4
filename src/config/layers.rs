//! The layers of the configuration, key by key: defaults < file < variables < flags.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::defaults;
use super::document;
use super::problem::{Problem, Problems};
use super::value::{Origin, Raw};

const PREFIX: &str = "NOVA__";
const FILE_SUFFIX: &str = "_FILE";

/// A value set by a flag.
#[derive(Debug, Clone)]
pub struct Flag {
    /// The flag, e.g. `--bind`.
    pub name: &'static str,
    /// The key that it sets.
    pub key: &'static str,
    /// The value.
    pub value: String,
}

/// What the configuration is made from, besides the defaults.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The configuration file, if one is given.
    pub file: Option<PathBuf>,
    /// The environment.
    pub variables: Vec<(OsString, OsString)>,
    /// The flags that were given.
    pub flags: Vec<Flag>,
}

impl Sources {
    /// The process's environment, and `file`.
    #[must_use]
    pub fn new(file: Option<PathBuf>) -> Self {
        Self {
            file,
            variables: std::env::vars_os().collect(),
            flags: Vec::new(),
        }
    }

    /// Adds a flag, when it was given.
    #[must_use]
    pub fn flag(mut self, name: &'static str, key: &'static str, value: Option<impl ToString>) -> Self {
        self.flags.extend(value.map(|value| Flag {
            name,
            key,
            value: value.to_string(),
        }));
        self
    }
}

/// The value of one key, and the layer that it is from.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The value.
    pub raw: Raw,
    /// Where it is from.
    pub origin: Origin,
}

/// The value of every key.
#[derive(Debug, Clone)]
pub struct Layers {
    entries: BTreeMap<String, Entry>,
}

impl Layers {
    /// Reads all layers; what is wrong with them goes to `problems`, and does not count.
    pub(super) fn read(sources: &Sources, problems: &mut Problems) -> Self {
        let mut layers = Self {
            entries: defaults::entries(),
        };
        if let Some(path) = &sources.file {
            layers.add_file(path, problems);
        }
        layers.add_variables(&sources.variables, problems);
        for flag in &sources.flags {
            layers.set(flag.key, Raw::Word(flag.value.clone()), Origin::Flag(flag.name));
        }
        layers
    }

    /// Every key with its entry, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(key, entry)| (key.as_str(), entry))
    }

    /// The entry of `key`; `None` for a key that does not exist.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }

    fn set(&mut self, key: &str, raw: Raw, origin: Origin) {
        if let Some(entry) = self.entries.get_mut(key) {
            *entry = Entry { raw, origin };
        }
    }

    fn add_file(&mut self, path: &Path, problems: &mut Problems) {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) => return problems.push(Problem::at(path.display(), format_args!("cannot be read: {e}"))),
        };
        let found = match document::read(&text) {
            Ok(found) => found,
            Err(e) => return problems.push(Problem::at(place(path, e.line), e.message)),
        };
        for leaf in found {
            let origin = Origin::File {
                path: path.to_owned(),
                line: leaf.line,
            };
            match leaf.raw {
                Some(raw) if self.entries.contains_key(&leaf.key) => self.set(&leaf.key, raw, origin),
                None if self.is_section(&leaf.key) => {}
                None if self.entries.contains_key(&leaf.key) => {
                    problems.push(Problem::at(
                        origin,
                        format_args!("{}: expected a value, found a table", leaf.key),
                    ));
                }
                Some(raw) if self.is_section(&leaf.key) => problems.push(Problem::at(
                    origin,
                    format_args!("{}: expected a table, found {}", leaf.key, raw.redacted()),
                )),
                // Inside an unknown table only the table is named.
                _ if leaf.parent().is_some_and(|parent| !self.is_section(parent)) => {}
                _ => problems.push(Problem::at(origin, self.unknown_key(&leaf.key))),
            }
        }
    }

    fn is_section(&self, key: &str) -> bool {
        let start = format!("{key}.");
        self.entries
            .range(start.clone()..)
            .next()
            .is_some_and(|(next, _)| next.starts_with(&start))
    }

    fn unknown_key(&self, key: &str) -> String {
        let known = self.entries.keys().map(String::as_str);
        let sections = known
            .clone()
            .flat_map(|key| key.match_indices('.').map(|(at, _)| key.split_at(at).0));
        let near = nearest(key, known.chain(sections));
        format!("unknown key {key}; the nearest is {near}")
    }

    fn add_variables(&mut self, variables: &[(OsString, OsString)], problems: &mut Problems) {
        let known: BTreeMap<String, String> = self
            .entries
            .keys()
            .map(|key| (variable_of(key), key.clone()))
            .collect();
        let mut given: Vec<_> = variables
            .iter()
            .filter(|(name, value)| name.to_string_lossy().starts_with(PREFIX) && !value.is_empty())
            .collect();
        given.sort();
        let mut seen = BTreeMap::new();
        for (name, value) in given {
            let name = name.to_string_lossy().into_owned();
            let Some((key, from_file)) = key_of(&known, &name) else {
                let near = nearest(&name.to_uppercase(), known.keys().map(String::as_str));
                problems.push(Problem::at(
                    &name,
                    format_args!("unknown variable; the nearest is {near}"),
                ));
                continue;
            };
            if let Some(other) = seen.insert(key.clone(), name.clone()) {
                problems.push(Problem::at(
                    &name,
                    format_args!("sets {key}, and so does {other}"),
                ));
                continue;
            }
            match variable(&name, value, from_file) {
                Ok((text, origin)) => self.set(&key, Raw::Word(text), origin),
                Err(problem) => problems.push(problem),
            }
        }
    }
}

/// The variable that sets `key`.
#[must_use]
pub fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}

fn key_of(known: &BTreeMap<String, String>, name: &str) -> Option<(String, bool)> {
    if let Some(key) = known.get(name) {
        return Some((key.clone(), false));
    }
    let key = known.get(name.strip_suffix(FILE_SUFFIX)?)?;
    Some((key.clone(), true))
}

fn variable(name: &str, value: &OsString, from_file: bool) -> Result<(String, Origin), Problem> {
    if from_file {
        let path = PathBuf::from(value);
        let text = std::fs::read_to_string(&path)
            .map_err(|e| Problem::at(name, format_args!("{} cannot be read: {e}", path.display())))?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text).to_owned();
        let name = name.to_owned();
        return Ok((text, Origin::VariableFile { name, path }));
    }
    let text = value.to_str().ok_or_else(|| Problem::at(name, "is not UTF-8"))?;
    Ok((text.to_owned(), Origin::Variable(name.to_owned())))
}

fn place(path: &Path, line: usize) -> String {
    format!("{}:{line}", path.display())
}

/// The most similar of `known`, which is never empty: the defaults are compiled in.
fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> &'a str {
    known
        .max_by(|a, b| {
            let likeness = |key: &str| strsim::normalized_damerau_levenshtein(wrong, key);
            likeness(a).total_cmp(&likeness(b))
        })
        .unwrap_or_default()
}
