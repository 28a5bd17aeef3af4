//! A TOML document as a flat list of keys with their lines.

use toml_edit::{ImDocument, Item, TableLike};

use super::value::Raw;

/// One key of a document.
#[derive(Debug)]
pub(super) struct Leaf {
    /// Dotted path, e.g. `http.bind`.
    pub(super) key: String,
    /// Line, from 1.
    pub(super) line: usize,
    /// The value; `None` for a table, whose keys follow.
    pub(super) raw: Option<Raw>,
}

impl Leaf {
    /// Path of the table that the key is in; `None` at the top.
    pub(super) fn parent(&self) -> Option<&str> {
        self.key.rsplit_once('.').map(|(parent, _)| parent)
    }
}

/// Text that is not TOML.
#[derive(Debug)]
pub(super) struct NotToml {
    pub(super) line: usize,
    pub(super) message: String,
}

/// All keys of `text`, tables before what they hold.
pub(super) fn read(text: &str) -> Result<Vec<Leaf>, NotToml> {
    let document = ImDocument::parse(text).map_err(|e| NotToml {
        line: e.span().map_or(1, |span| line_of(text, span.start)),
        message: e.message().trim().replace('\n', "; "),
    })?;
    let mut leaves = Vec::new();
    walk(text, "", document.as_table(), &mut leaves);
    Ok(leaves)
}

fn walk(text: &str, path: &str, table: &dyn TableLike, leaves: &mut Vec<Leaf>) {
    for (name, item) in table.iter() {
        let key = if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        };
        let start = table
            .get_key_value(name)
            .and_then(|(key, _)| key.span())
            .or_else(|| item.span());
        let line = start.map_or(1, |span| line_of(text, span.start));
        let inner = item.as_table_like();
        let raw = match item {
            _ if inner.is_some() => None,
            Item::Value(value) => Some(Raw::from_toml(value)),
            _ => Some(Raw::Other("a list of tables".into())),
        };
        leaves.push(Leaf {
            key: key.clone(),
            line,
            raw,
        });
        if let Some(inner) = inner {
            walk(text, &key, inner, leaves);
        }
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|b| *b == b'\n').count()
}
