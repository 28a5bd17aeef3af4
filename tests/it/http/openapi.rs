//! The document says what is served: no route without it, no promise that is not kept.

use serde_json::Value;

use super::edge::{Setup, TestEdge, request};

const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/http/openapi.json");
/// Set to write the snapshot anew.
const UPDATE: &str = "NOVA_UPDATE_SNAPSHOTS";

fn document(dev: bool) -> Value {
    let categories = ["gaming", "music", "other"].map(String::from);
    serde_json::to_value(nova::http::openapi(&categories, dev)).unwrap()
}

#[test]
fn the_document_has_not_changed_unnoticed() {
    let mut document = document(true);
    document["info"]["version"] = "-".into();
    let text = serde_json::to_string_pretty(&document).unwrap() + "\n";
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(SNAPSHOT, &text).unwrap();
    }
    let known = std::fs::read_to_string(SNAPSHOT).unwrap_or_default();
    assert!(
        known == text,
        "the API has changed: look at it, then run this test with {UPDATE}=1"
    );
}

#[tokio::test]
async fn what_is_served_is_what_is_printed() {
    let edge = TestEdge::new().await;
    assert_eq!(edge.get("/api/v1/openapi.json").await.ok(200), document(false));
}

#[tokio::test]
async fn every_documented_operation_is_routed_and_no_other_method_is() {
    let edge = TestEdge::with(Setup {
        dev: true,
        ..Setup::default()
    })
    .await;
    let document = document(true);
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 15);
    for (path, item) in paths {
        let url = path.replace("{id}", "0198c0de-0000-7000-8000-000000000000");
        for method in ["get", "put", "post", "patch", "delete"] {
            let request = request(&method.to_uppercase(), &url);
            let answer = edge.send(request.body(axum::body::Body::empty()).unwrap()).await;
            let documented = item.get(method);
            assert_eq!(
                answer.status == 405,
                documented.is_none(),
                "{method} {path}: {}",
                answer.status
            );
            if let Some(operation) = documented {
                let status = answer.status.as_str();
                assert!(
                    operation["responses"].get(status).is_some(),
                    "{method} {path}: {status}"
                );
            }
        }
    }
}

#[test]
fn every_refusal_is_documented_as_a_problem() {
    let document = document(true);
    for (path, item) in document["paths"].as_object().unwrap() {
        if !path.starts_with("/api/") {
            continue;
        }
        for (method, operation) in item.as_object().unwrap() {
            let responses = operation["responses"].as_object().unwrap();
            for (status, response) in responses.iter().filter(|(status, _)| status.as_str() >= "400") {
                let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/Problem", "{method} {path} {status}");
            }
            for status in ["500", "503", "504"] {
                assert!(responses.contains_key(status), "{method} {path} {status}");
            }
            let secured = operation.get("security").is_some();
            assert!(!secured || responses.contains_key("401"), "{method} {path}");
        }
    }
}

#[test]
fn no_reference_leads_nowhere() {
    let document = document(true);
    let text = document.to_string();
    for part in text.split("\"#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
    }
    assert_eq!(
        document["components"]["securitySchemes"]["bearer"]["scheme"],
        "bearer"
    );
    let start = &document["components"]["schemas"]["StartStream"]["properties"]["category"];
    assert_eq!(start["enum"], serde_json::json!(["gaming", "music", "other"]));
}

#[test]
fn every_operation_has_a_name_of_its_own() {
    let document = document(true);
    let paths = document["paths"].as_object().unwrap();
    let mut names: Vec<&str> = paths
        .values()
        .flat_map(|item| item.as_object().unwrap().values())
        .map(|operation| operation["operationId"].as_str().unwrap())
        .collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}
