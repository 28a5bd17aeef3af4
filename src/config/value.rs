//! Values as the layers give them, before they have a type, and where each came from.

use std::fmt;
use std::path::PathBuf;

/// A value of one key.
#[derive(Debug, Clone, PartialEq)]
pub enum Raw {
    /// From a variable or a flag: text whose type the key decides.
    Word(String),
    /// A TOML string.
    Text(String),
    /// A TOML integer.
    Integer(i64),
    /// A TOML boolean.
    Boolean(bool),
    /// A TOML array of strings.
    List(Vec<String>),
    /// Any other TOML value, in TOML's notation; fits no key.
    Other(String),
}

impl Raw {
    pub(super) fn from_toml(value: &toml_edit::Value) -> Self {
        use toml_edit::Value;
        match value {
            Value::String(text) => Self::Text(text.value().clone()),
            Value::Integer(number) => Self::Integer(*number.value()),
            Value::Boolean(flag) => Self::Boolean(*flag.value()),
            Value::Array(items) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
                .map_or_else(
                    || Self::Other("a list with other things than strings".into()),
                    Self::List,
                ),
            Value::Float(number) => Self::Other(number.value().to_string()),
            Value::Datetime(time) => Self::Other(time.value().to_string()),
            Value::InlineTable(_) => Self::Other("a table".into()),
        }
    }

    /// The value for JSON output.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Word(text) | Self::Text(text) | Self::Other(text) => text.as_str().into(),
            Self::Integer(number) => (*number).into(),
            Self::Boolean(flag) => (*flag).into(),
            Self::List(items) => items.as_slice().into(),
        }
    }

    /// The value as a variable has it.
    #[must_use]
    pub fn to_word(&self) -> String {
        match self {
            Self::Word(text) | Self::Text(text) | Self::Other(text) => text.clone(),
            Self::Integer(number) => number.to_string(),
            Self::Boolean(flag) => flag.to_string(),
            Self::List(items) => items.join(","),
        }
    }

    /// The value with passwords in URLs hidden.
    #[must_use]
    pub fn redacted(&self) -> Self {
        match self {
            Self::Word(text) => Self::Word(without_password(text)),
            Self::Text(text) => Self::Text(without_password(text)),
            Self::Other(text) => Self::Other(without_password(text)),
            Self::List(items) => Self::List(items.iter().map(|item| without_password(item)).collect()),
            Self::Integer(_) | Self::Boolean(_) => self.clone(),
        }
    }
}

/// In TOML's notation.
impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(text) | Self::Text(text) => write!(f, "{text:?}"),
            Self::Other(text) => f.write_str(text),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Boolean(flag) => write!(f, "{flag}"),
            Self::List(items) => write!(f, "{items:?}"),
        }
    }
}

fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let authority = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority);
    match authority.rsplit_once('@') {
        Some((login, host)) => {
            let user = login.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}:***@{host}{path}")
        }
        None => text.to_owned(),
    }
}

/// Which layer gave a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The compiled-in defaults.
    Default,
    /// A configuration file.
    File {
        /// Which file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
    },
    /// An environment variable.
    Variable(String),
    /// A file named by an environment variable.
    VariableFile {
        /// The variable.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// A command line flag.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::VariableFile { name, path } => write!(f, "{name} ({})", path.display()),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_urls_are_hidden_and_nothing_else_is() {
        let url = Raw::Word("postgres://nova:p@ss@db:5432/nova?a=b".into());
        assert_eq!(
            url.redacted(),
            Raw::Word("postgres://nova:***@db:5432/nova?a=b".into())
        );
        for plain in ["sqlite:store.db", "https://example.org/a@b", "10m"] {
            assert_eq!(Raw::Word(plain.into()).redacted(), Raw::Word(plain.into()));
        }
    }
}
