//! The tree of actors as an operator sees it.

use reqwest::Method;
use serde_json::Value;

use crate::harness::Api;

pub(super) struct Tree(Vec<Value>);

impl Tree {
    pub(super) async fn read(api: &Api) -> Self {
        let tree = api.inside(Method::GET, "/internal/actors").send().await.ok(200);
        let mut nodes = Vec::new();
        flatten(&tree["actors"], &mut nodes);
        for node in &nodes {
            for field in ["restarts", "mailbox", "rejected", "uptime_s"] {
                assert!(node[field].is_u64(), "{field} in {node}");
            }
            assert!(node["name"].is_string() && node["kind"].is_string() && node["state"].is_string());
        }
        Self(nodes)
    }

    fn node(&self, name: &str) -> &Value {
        let found = self.0.iter().find(|node| node["name"] == name);
        found.unwrap_or_else(|| panic!("no actor is named {name}"))
    }

    pub(super) fn kind(&self, name: &str) -> String {
        self.node(name)["kind"].as_str().unwrap().to_owned()
    }

    pub(super) fn restarts(&self, name: &str) -> u64 {
        self.node(name)["restarts"].as_u64().unwrap()
    }

    /// Actors that supervise nobody.
    pub(super) fn leaves(&self) -> Vec<String> {
        let leaves = self
            .0
            .iter()
            .filter(|node| node["children"].as_array().unwrap().is_empty());
        leaves
            .map(|node| node["name"].as_str().unwrap().to_owned())
            .collect()
    }
}

fn flatten(actors: &Value, nodes: &mut Vec<Value>) {
    for actor in actors.as_array().expect("actors") {
        nodes.push(actor.clone());
        flatten(&actor["children"], nodes);
    }
}
