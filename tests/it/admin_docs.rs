//! The document of the admin API, the page that shows it, and the headers of every answer.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use presence_gateway::http::admin_document;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::world::{ADMIN_TOKEN, World};

const DOCUMENT: &str = "docs/admin-api.json";

/// `UPDATE_DOCS=1 cargo test --test it the_committed_document` writes it anew.
#[test]
#[expect(clippy::disallowed_methods, reason = "whoever changes the API says by a variable that the document is to follow")]
fn the_committed_document_is_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT);
    let document = format!("{}\n", admin_document().to_pretty_json().unwrap());
    if std::env::var("UPDATE_DOCS").is_ok() {
        std::fs::write(&path, &document).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == document, "{DOCUMENT} is stale; run: UPDATE_DOCS=1 cargo test --test it the_committed_document");
}

#[test]
fn the_page_about_the_api_lists_every_kind_of_problem() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/admin-api.md")).unwrap();
    let rows = |text: &str| text.lines().filter(|line| line.starts_with("| `urn:")).map(str::to_owned).collect::<Vec<_>>();
    let listed = rows(&admin_document().info.description.unwrap());
    assert!(listed.len() > 10 && rows(&page) == listed, "docs/admin-api.md lists others than the document");
}

#[test]
fn every_operation_and_every_field_is_described() {
    let document = serde_json::to_value(admin_document()).unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let what = format!("{method} {path}");
            assert!(operation["summary"].is_string() && operation["operationId"].is_string(), "{what}");
            for (status, response) in operation["responses"].as_object().unwrap() {
                assert!(!response["description"].as_str().unwrap().is_empty(), "{what} {status}");
                let problem = &response["content"]["application/problem+json"];
                if status.starts_with('4') {
                    assert_eq!(problem["schema"]["$ref"], "#/components/schemas/Problem", "{what} {status}");
                    assert!(!problem["examples"].as_object().unwrap().is_empty(), "{what} {status}");
                }
            }
        }
    }
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for (reference, at) in references(&document) {
        let name = reference.strip_prefix("#/components/schemas/").unwrap();
        assert!(schemas.contains_key(name), "{at} names {reference}, which is not there");
    }
}

/// Of two schemas with one name the document would keep one, and describe the other's values wrongly.
#[test]
fn no_two_schemas_have_the_same_name() {
    let mut names = BTreeMap::new();
    for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http")) {
        let text = std::fs::read_to_string(&file).unwrap();
        for described in text.split("#[derive(").skip(1).filter(|part| part.split(')').next().unwrap().contains("ToSchema")) {
            let head =
                described.split('{').find(|part| part.contains(" struct ") || part.contains(" enum ")).unwrap_or(described);
            let own = head.split([' ', '\n', '<', '(']).skip_while(|word| !["struct", "enum"].contains(word)).nth(1).unwrap();
            let attributes = described.split("pub struct ").next().unwrap();
            let name = attributes.split("as = ").nth(1).map_or(own, |name| name.split([')', ',']).next().unwrap());
            if let Some(other) = names.insert(name.to_owned(), file.clone()) {
                panic!("{name} is the name of a schema in {} and in {}", other.display(), file.display());
            }
        }
    }
    assert!(names.len() > 30 && names.contains_key("ShadowCount"), "{names:?}");
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

fn references(value: &Value) -> Vec<(String, String)> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| match value {
                Value::String(reference) if name == "$ref" => vec![(reference.clone(), name.clone())],
                _ => references(value),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn the_document_and_its_page_come_without_a_token_and_without_the_internet() {
    let world = World::new().await;
    let get = async |path: &str| {
        let answer = world.admin_request(Method::GET, path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer
    };
    let document: Value = get("openapi.json").await.json().await.unwrap();
    assert_eq!(document, serde_json::to_value(admin_document()).unwrap());
    // It leads to /docs/.
    let page = get("docs").await.text().await.unwrap();
    let mut files = Vec::new();
    let extension =
        |part: &str| Path::new(part).extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_owned();
    for part in page.split(['"', '\'']).filter(|part| ["js", "css"].contains(&extension(part).as_str())) {
        assert!(!part.contains("//") && !part.starts_with('/'), "{part} comes from elsewhere");
        files.push(part.trim_start_matches("./").to_owned());
    }
    assert!(files.len() >= 4, "{page}");
    let has_inline_script = page.split("<script").skip(1).any(|script| !script.split('>').next().unwrap().contains("src="));
    assert!(!has_inline_script, "the policy lets no script run that stands in the page");
    for file in files {
        let text = get(&format!("docs/{file}")).await.text().await.unwrap();
        assert!(!text.is_empty(), "{file}");
    }
    let start = get("docs/swagger-initializer.js").await.text().await.unwrap();
    assert!(start.contains("/openapi.json") && !start.contains("petstore"), "{start}");
}

#[tokio::test]
async fn every_answer_tells_browsers_to_be_careful() {
    let world = World::new().await;
    let paths = ["healthz", "metrics", "openapi.json", "docs/", "docs/swagger-ui.css", "v1/locations", "v1/me", "nothing"];
    for path in paths {
        let answer = world.admin_request(Method::GET, path).bearer_auth(ADMIN_TOKEN).send().await.unwrap();
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("cache-control"), "no-store", "{path}");
        assert_eq!(header("x-frame-options"), "DENY", "{path}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; ") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert_eq!(policy.contains("script-src 'self'"), path.starts_with("docs"), "{path}");
    }
}
