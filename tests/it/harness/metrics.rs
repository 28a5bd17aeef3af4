//! Prometheus' text format, read strictly.

use std::collections::{BTreeMap, BTreeSet};

/// Every sample of one scrape.
pub(crate) struct Samples {
    /// Value by series: name and labels as written.
    series: BTreeMap<String, f64>,
    /// Names of the metrics, with what their comments say that they are.
    kinds: BTreeMap<String, String>,
}

impl Samples {
    /// Reads a whole scrape; any line that is not of the format fails the test.
    pub(crate) fn parse(text: &str) -> Self {
        let mut samples = Self {
            series: BTreeMap::new(),
            kinds: BTreeMap::new(),
        };
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(comment) = line.strip_prefix("# ") {
                samples.comment(line, comment);
            } else {
                samples.sample(line);
            }
        }
        samples
    }

    fn comment(&mut self, line: &str, comment: &str) {
        let mut words = comment.splitn(3, ' ');
        let (keyword, name, rest) = (words.next(), words.next(), words.next());
        match (keyword, name, rest) {
            (Some("HELP"), Some(_), _) => {}
            (Some("TYPE"), Some(name), Some(kind)) => {
                assert!(
                    ["counter", "gauge", "histogram", "summary", "untyped"].contains(&kind),
                    "{line}"
                );
                let earlier = self.kinds.insert(name.to_owned(), kind.to_owned());
                assert_eq!(earlier, None, "declared twice: {line}");
            }
            _ => panic!("neither HELP nor TYPE: {line}"),
        }
    }

    fn sample(&mut self, line: &str) {
        let (series, value) = line
            .rsplit_once(' ')
            .unwrap_or_else(|| panic!("no value: {line}"));
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
        let name = series.split('{').next().unwrap_or_default();
        let first = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
        assert!(
            name.starts_with(first) && name.chars().all(|c| first(c) || c.is_ascii_digit()),
            "not a name: {line}"
        );
        if let Some(labels) = series.strip_prefix(name).filter(|labels| !labels.is_empty()) {
            assert!(labels.starts_with('{') && labels.ends_with('}'), "{line}");
        }
        let earlier = self.series.insert(series.to_owned(), value);
        assert_eq!(earlier, None, "the same series twice: {line}");
    }

    /// Names of the metrics that have at least one sample; a histogram counts under its own name.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        self.kinds.keys().cloned().collect()
    }

    /// Sum of the series of one name that have all of these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let wanted: Vec<String> = labels
            .iter()
            .map(|(label, value)| format!("{label}=\"{value}\""))
            .collect();
        self.series
            .iter()
            .filter(|(series, _)| series.split('{').next() == Some(name))
            .filter(|(series, _)| wanted.iter().all(|label| series.contains(label)))
            .map(|(_, value)| value)
            .sum()
    }

    /// Everything, for a failure.
    pub(crate) fn series(&self) -> impl Iterator<Item = (&str, f64)> {
        self.series
            .iter()
            .map(|(series, value)| (series.as_str(), *value))
    }
}
