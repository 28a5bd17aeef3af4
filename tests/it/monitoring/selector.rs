//! As much of PromQL as is needed to tell which series an expression asks for.

/// A metric with what is wanted of its labels.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Selector {
    pub(super) name: String,
    wanted: Vec<Wanted>,
}

#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    label: String,
    operator: String,
    value: String,
}

/// The selectors in an expression: names of Nova's metrics and of Prometheus' own, with their braces.
pub(super) fn selectors(expression: &str) -> Vec<Selector> {
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '"') {
        rest = &rest[start..];
        if let Some(text) = rest.strip_prefix('"') {
            rest = text.split_once('"').expect("a text that ends").1;
            continue;
        }
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        rest = after;
        let braced = after.strip_prefix('{');
        if name.starts_with("nova_") || braced.is_some() {
            let (inside, after) = braced.map_or(("", after), |inside| {
                inside.split_once('}').expect("closed braces")
            });
            let wanted = matchers(inside);
            found.push(Selector {
                name: name.to_owned(),
                wanted,
            });
            rest = after;
        }
    }
    found
}

/// Reads `label="value",other=~"a|b"`.
fn matchers(inside: &str) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    let mut rest = inside.trim();
    while !rest.is_empty() {
        let (before, after) = rest.split_once('"').expect("a quoted value");
        let (value, after) = after.split_once('"').expect("a value that ends");
        let at = before.find(['=', '!']).expect("an operator");
        let (label, operator) = before.split_at(at);
        wanted.push(Wanted {
            label: label.trim().to_owned(),
            operator: operator.trim().to_owned(),
            value: value.to_owned(),
        });
        rest = after.trim_start_matches([',', ' ']);
    }
    wanted
}

impl Selector {
    /// Whether a series, as `/metrics` writes it, is one of those.
    pub(super) fn matches(&self, series: &str) -> bool {
        let (name, labels) = parts(series);
        let label = |wanted: &str| {
            labels
                .iter()
                .find(|(label, _)| *label == wanted)
                .map(|(_, value)| *value)
        };
        self.is_named(name)
            && self
                .of_nova()
                .all(|wanted| wanted.holds(label(&wanted.label).unwrap_or_default()))
    }

    /// Whether a series has this name and all the labels that are asked about, whatever they say.
    pub(super) fn names(&self, series: &str) -> bool {
        let (name, labels) = parts(series);
        let has = |wanted: &Wanted| labels.iter().any(|(label, _)| *label == wanted.label);
        self.is_named(name) && self.of_nova().all(has)
    }

    fn is_named(&self, name: &str) -> bool {
        self.name == name
    }

    /// Without the labels that Prometheus adds.
    fn of_nova(&self) -> impl Iterator<Item = &Wanted> {
        self.wanted.iter().filter(|wanted| wanted.label != "instance")
    }
}

impl Wanted {
    fn holds(&self, value: &str) -> bool {
        // Prefixes and alternatives are all that dashboards here use of regular expressions.
        let alternative = |pattern: &str| match pattern.strip_suffix(".*") {
            Some(prefix) => value.starts_with(prefix),
            None => value == pattern,
        };
        match self.operator.as_str() {
            "=" => value == self.value,
            "!=" => value != self.value,
            "=~" => self.value.split('|').any(alternative),
            other => panic!("the operator {other} is not understood here"),
        }
    }
}

/// Name and labels of a series.
fn parts(series: &str) -> (&str, Vec<(&str, &str)>) {
    let (name, inside) = series.split_once('{').unwrap_or((series, ""));
    let labels = inside.trim_end_matches('}').split("\",").filter_map(|label| {
        let (label, value) = label.split_once("=\"")?;
        Some((label, value.trim_end_matches('"')))
    });
    (name, labels.collect())
}

#[test]
fn selectors_are_found_with_what_they_want() {
    let found = selectors(
        r#"label_replace(sum by (le) (rate(nova_a_bucket{x="1",y=~"a|b.*"}[5m])), "nova_no", "x", "", "") or nova_b > 0 and up{job="n"} == 1"#,
    );
    let names: Vec<_> = found.iter().map(|selector| selector.name.as_str()).collect();
    assert_eq!(names, ["nova_a_bucket", "nova_b", "up"]);
    assert!(found[0].matches(r#"nova_a_bucket{y="bc",x="1",le="5"}"#));
    assert!(found[0].matches(r#"nova_a_bucket{y="a",x="1"}"#));
    assert!(!found[0].matches(r#"nova_a_bucket{y="ab",x="1"}"#));
    assert!(!found[0].matches(r#"nova_a_bucket{y="a"}"#));
    assert!(found[0].names(r#"nova_a_bucket{x="7",y="z"}"#));
    assert!(!found[0].names(r#"nova_a_bucket{x="1"}"#));
    assert!(found[1].matches("nova_b") && !found[1].matches("nova_b_bucket"));
}
