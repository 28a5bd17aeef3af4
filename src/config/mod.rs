//! Configuration: typed, from four layers, with every problem reported at once.

mod check;
pub mod defaults;
mod document;
mod layers;
mod problem;
mod secret;
mod sections;
mod setting;
mod value;

#[cfg(test)]
mod tests;

pub use layers::{Entry, Flag, Layers, Sources, variable_of};
pub use problem::{Problem, Problems};
pub use secret::Secret;
pub use sections::{
    Auth, Breaker, Config, Data, DatabaseUrl, Feed, Http, Internal, LogFormat, Logging, MemoryUrl, Retry,
    Rollout, Rooms, Streams,
};
pub use setting::{Bytes, Setting};
pub use value::{Origin, Raw};

/// A configuration with the layers that it is from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The typed configuration.
    pub config: Config,
    /// Every key, with its origin.
    pub layers: Layers,
}

/// Reads, types and checks the configuration.
///
/// # Errors
/// All problems: unknown keys and variables, wrong types and values, and combinations that cannot work.
pub fn load(sources: &Sources) -> Result<Loaded, Problems> {
    let mut problems = Problems::default();
    let layers = Layers::read(sources, &mut problems);
    let config = Config::read(&mut Reader {
        layers: &layers,
        problems: &mut problems,
    });
    match config {
        Some(config) => {
            check::check(&config, &layers, &mut problems);
            if problems.is_empty() {
                Ok(Loaded { config, layers })
            } else {
                Err(problems)
            }
        }
        None => Err(problems),
    }
}

/// Types the keys one by one, and notes those that do not fit.
#[derive(Debug)]
struct Reader<'a> {
    layers: &'a Layers,
    problems: &'a mut Problems,
}

impl Reader<'_> {
    fn get<T: Setting>(&mut self, key: &str) -> Option<T> {
        let Some(entry) = self.layers.get(key) else {
            self.problems
                .push(Problem::at("default", format_args!("{key} is missing")));
            return None;
        };
        let value = T::parse(&entry.raw);
        if value.is_none() {
            let found = (!T::SECRET).then_some(&entry.raw);
            self.problems
                .push(Problem::value(&entry.origin, key, T::EXPECTED, found));
        }
        value
    }
}

/// Whether the value of `key` must not be shown.
#[must_use]
pub fn is_secret(key: &str) -> bool {
    key.starts_with("secrets.")
}
