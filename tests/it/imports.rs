//! Who may import whom: reads every source and holds it against the table; the reader itself is tested on snippets below.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use reader::{Lexeme, Name, Token, lexemes, names};

mod reader;

const LINES_MAX: usize = 500;

/// What of our own a module of the top level may name besides itself; `*`: everything. A new module needs a row.
fn may_name(layer: &str) -> Option<&'static [&'static str]> {
    Some(match layer {
        "domain" | "clock" | "emulator" | "trace" => &[],
        "config" | "simulation" => &["domain"],
        "telemetry" => &["config", "domain", "trace"],
        "store" => &["domain", "config::SealingKeys", "config::KEY_BYTES", "trace::TraceContext"],
        "gate" | "jwks" => &["clock"],
        "graph" => &["domain", "clock", "config", "gate", "jwks", "trace"],
        "xphone" => &["domain", "clock", "config", "gate", "trace"],
        "http" => &[
            "domain",
            "store",
            "clock",
            "telemetry",
            "trace",
            "config::Oidc",
            "jwks",
            "graph::notification",
            "tasks::Activator",
            "tasks::Activators",
            "tasks::depositor",
            "tasks::enrolment::desk",
            "tasks::driver::chain",
        ],
        "tasks" => &["domain", "store", "graph", "xphone", "clock", "telemetry", "trace", "config"],
        "app" | "command" | "main" | "lib" => &["*"],
        _ => return None,
    })
}

/// Crates that only the store names.
const STORE_ONLY: [&str; 2] = ["sqlx", "jiff_sqlx"];

/// All that the domain may name of others; the last two come with tests only.
const DOMAIN_CRATES: [&str; 7] = ["std", "core", "jiff", "uuid", "thiserror", "proptest", "insta"];

/// All that the simulation may name of others.
const SIMULATION_CRATES: [&str; 5] = ["std", "core", "jiff", "uuid", "fastrand"];

/// Words that have no place in the domain, wherever they stand.
const NEVER_IN_DOMAIN: [&str; 9] = ["async", "await", "reqwest", "axum", "serde", "serde_json", "tracing", "tokio", "SystemTime"];

#[test]
fn the_sources_keep_to_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dependencies = dependencies(&fs::read_to_string(root.join("Cargo.toml")).unwrap());
    let files = sources(&root.join("src"));
    assert!(files.len() > 50, "the sources were not found: {files:?}");
    let mut broken = Vec::new();
    for file in files {
        let name = file.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
        broken.extend(complaints(&name, &fs::read_to_string(&file).unwrap(), &dependencies));
    }
    assert!(broken.is_empty(), "{} rules are broken:\n{}", broken.len(), broken.join("\n"));
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let (folders, files): (Vec<_>, Vec<_>) = entries.into_iter().partition(|path| path.is_dir());
    let files = files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    files.chain(folders.iter().flat_map(|folder| sources(folder))).collect()
}

/// Names of all crates that Cargo.toml makes available, as code spells them.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut inside = false;
    let mut names = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]");
        } else if let (true, Some((name, _))) = (inside, line.split_once('=')) {
            names.insert(name.trim().replace('-', "_"));
        }
    }
    names
}

/// Everything wrong with one source, each with its line.
fn complaints(file: &str, text: &str, dependencies: &BTreeSet<String>) -> Vec<String> {
    let module = module_of(file);
    let layer = match (module.first(), file) {
        (Some(first), _) => first.as_str(),
        (None, "src/main.rs") => "main",
        (None, _) => "lib",
    };
    let mut found = Vec::new();
    if !text.starts_with("//! ") {
        found.push((1, "does not open with a line of //! that says what it is for".to_owned()));
    }
    if text.lines().count() > LINES_MAX {
        found.push((LINES_MAX, format!("has more than {LINES_MAX} lines")));
    }
    let Some(allowed) = may_name(layer) else {
        return vec![format!("{file}: {layer} has no row in the table of who may import whom")];
    };
    let lexemes = lexemes(text);
    found.extend(unwanted_words(layer, &lexemes));
    for (line, name) in names(&lexemes, &module) {
        let complaint = match &name {
            Name::Ours(path) if may(allowed, layer, path) => continue,
            Name::Ours(path) => format!("{layer} may not name crate::{}", path.join("::")),
            Name::Foreign(path) if layer == "domain" => match path[0].as_str() {
                first if DOMAIN_CRATES.contains(&first) || !dependencies.contains(first) => continue,
                first => format!("{layer} may not name the crate {first}"),
            },
            Name::Foreign(path) if layer == "simulation" => match path[0].as_str() {
                first if SIMULATION_CRATES.contains(&first) || !dependencies.contains(first) => continue,
                first => format!("{layer} may not name the crate {first}"),
            },
            Name::Foreign(path) if path[0] == "presence_gateway" && layer != "main" => format!("{layer} names its own crate"),
            Name::Foreign(_) => continue,
        };
        found.push((line, complaint));
    }
    found.sort();
    found.dedup();
    found.into_iter().map(|(line, complaint)| format!("{file}:{line}: {complaint}")).collect()
}

fn module_of(file: &str) -> Vec<String> {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs");
    let parts = path.split('/').filter(|part| !["mod", "lib", "main"].contains(part));
    parts.map(str::to_owned).collect()
}

fn may(allowed: &[&str], layer: &str, path: &[String]) -> bool {
    let begins = |with: &&str| with.split("::").count() <= path.len() && with.split("::").zip(path).all(|(a, b)| a == b);
    path.first().is_some_and(|first| first == layer) || allowed.contains(&"*") || allowed.iter().any(begins)
}

fn unwanted_words(layer: &str, lexemes: &[Lexeme]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (n, (line, token)) in lexemes.iter().enumerate() {
        let next = |ahead: usize| lexemes.get(n + ahead).map(|(_, token)| token);
        let is = |ahead: usize, word: &str| matches!(next(ahead), Some(Token::Word(found)) if found == word);
        let mark = |ahead: usize, mark: char| next(ahead) == Some(&Token::Mark(mark));
        let complaint = match token {
            Token::Word(word) if layer != "store" && STORE_ONLY.contains(&word.as_str()) => {
                format!("only the store may name {word}")
            }
            Token::Word(word) if layer == "domain" && NEVER_IN_DOMAIN.contains(&word.as_str()) => {
                format!("{word} has no place in the domain")
            }
            Token::Sep if layer == "domain" && is(1, "now") => "the domain reads no clock".to_owned(),
            Token::Word(word) if word == "extern" && is(1, "crate") => "extern crate hides who is named".to_owned(),
            Token::Word(word) if word == "include" && mark(1, '!') => "include! hides a source".to_owned(),
            Token::Mark('#') if mark(1, '[') && is(2, "path") && mark(3, '=') => "#[path] hides a source".to_owned(),
            _ => continue,
        };
        found.push((*line, complaint));
    }
    found
}

#[test]
fn the_reader_sees_what_breaks_the_table() {
    let dependencies =
        dependencies("[dependencies]\nserde_json = \"1\"\nurl = {}\n[dev-dependencies]\nproptest = \"1\"\n[lints]\nx = 1");
    let check = |file: &str, text: &str, expected: &[&str]| {
        let found = complaints(file, &format!("//! x\n{text}"), &dependencies);
        let named = |complaint: &&str, found: &String| found.contains(*complaint);
        let right =
            found.len() == expected.len() && expected.iter().zip(&found).all(|(complaint, found)| named(complaint, found));
        assert!(right, "{file} with {text:?}: {found:?}");
    };
    let (domain, http, store) = ("src/domain/a.rs", "src/http/admin/mod.rs", "src/store/mod.rs");
    // Imports: plain, grouped, nested, renamed, starred, re-exported, spread over lines.
    check(store, "use crate::graph::Error;", &["src/store/mod.rs:2: store may not name crate::graph::Error"]);
    check(store, "use crate::{domain::ids, xphone::{self, Error as E}};", &["crate::xphone", "crate::xphone::Error"]);
    check(store, "pub(crate) use crate::tasks::*;", &["crate::tasks::*"]);
    check(store, "use crate::{\n    domain,\n    app::App,\n};", &[":4: store may not name crate::app::App"]);
    check(store, "use crate::config::{SealingKeys, Config};", &["crate::config::Config"]);
    check(store, "use crate as ours; fn f() { ours::http::x() }", &["crate::", "crate::http::x"]);
    check(store, "use crate::domain::{ids::{UserGuid, ProfileGuid}, slot}; use super::config::SealingKeys;", &[]);
    // Paths without an import, and by way of one.
    check(store, "fn f() -> Vec<crate::http::Problem> { crate::tasks::wake::<u8>() }", &["http::Problem", "tasks::wake"]);
    check(http, "use crate::graph::notification; fn f() { notification::parse(b) }", &[]);
    check(http, "use crate::graph; fn f() { graph::client::get() }", &["crate::graph", "crate::graph::client::get"]);
    check(http, "use crate::tasks::{Activators, depositor::Deposits, driver::{chain, drive}};", &["tasks::driver::drive"]);
    check(http, "use crate::xphone as x; use x::Error;", &["crate::xphone", "crate::xphone::Error"]);
    check(http, "fn f(e: $crate::xphone::Error) {}", &["crate::xphone::Error"]);
    // Relative paths, also inside modules that stand in the same file.
    check(http, "use super::super::graph::token;", &["crate::graph::token"]);
    check(http, "use super::problem; mod tests { use super::super::problem; use super::*; }", &[]);
    check(http, "mod a { fn f() {} mod b { use super::super::super::super::xphone::X; } }", &["crate::xphone::X"]);
    check("src/clock.rs", "mod tests { use super::super::store::Store; use super::Clock; }", &["crate::store::Store"]);
    check("src/graph/wire.rs", "pub(in crate::graph) fn f() {} use self::x; use super::token;", &[]);
    // What only looks like a path.
    check(store, "// crate::graph::X\n/* a /* b */ crate::graph::X */\n/// [`crate::graph::X`]\nfn f() {}", &[]);
    check(store, "const A: &str = \"crate::graph\\\"::X\"; const B: &str = r#\"\"crate::graph::X\"#;", &[]);
    check(store, "fn f<'a>(x: &'a str) { x.split('\"'); y('\\'', b'\"', 'c'); } use crate::http;", &["crate::http"]);
    check(store, "fn f() -> impl Iterator + use<'_> { r#match::go() }", &[]);
    // Crates.
    check("src/http/a.rs", "use sqlx::PgPool;", &["only the store may name sqlx"]);
    check(store, "use sqlx::PgPool; use jiff_sqlx::ToSqlx;", &[]);
    check(domain, "use jiff::Timestamp; use std::fmt; use proptest::prelude::*; use super::slot; fn f() { ids::g() }", &[]);
    check(domain, "use url::Url; fn f() { ::serde_json::json() }", &["the crate serde_json", "the crate url", "no place"]);
    check(domain, "#[derive(serde::Serialize)] struct A;", &["serde has no place"]);
    check(domain, "async fn f() { g().await }", &["async has no place", "await has no place"]);
    check(domain, "use jiff::Timestamp as T; fn f() { T::now(); <T>::now() }", &["reads no clock"]);
    check(domain, "fn f(now: T) { snapshot.now + now }", &[]);
    check(domain, "use crate::clock::Clock;", &["crate::clock::Clock"]);
    check("src/emulator/xphone/mod.rs", "use crate::emulator::clock; use crate::domain::ids;", &["crate::domain::ids"]);
    check("src/simulation/a.rs", "use crate::domain::slot; use fastrand::Rng; use crate::store::X;", &["crate::store::X"]);
    check("src/simulation/a.rs", "use url::Url;", &["simulation may not name the crate url"]);
    check("src/tasks/a.rs", "use crate::graph::client; use presence_gateway::http::X;", &["names its own crate"]);
    // Who may do everything, what hides things, and what has no row.
    check("src/command/demo/mod.rs", "use crate::app::App; use crate::emulator::graph;", &[]);
    check("src/tasks/mod.rs", "use crate::app::App;", &["crate::app::App"]);
    check(store, "#[path = \"../x.rs\"] mod x; extern crate a; include!(\"y.rs\");", &["#[path]", "extern crate", "include!"]);
    check("src/levitation.rs", "", &["levitation has no row"]);
    assert_eq!(complaints(store, "use std::fmt;", &dependencies).len(), 1, "it does not open with //!");
    assert_eq!(complaints(store, &"//! x\n".repeat(LINES_MAX + 1), &dependencies).len(), 1, "it is too long");
}
