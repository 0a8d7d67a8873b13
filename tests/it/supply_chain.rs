//! Every direct dependency has its reason in docs/supply-chain.md, and no other is explained there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// All manifests of the workspace: the gateway's own and its members', which lie beside it.
fn manifests(root: &Path) -> Vec<PathBuf> {
    let own = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let members = own.lines().find_map(|line| line.strip_prefix("members = [")).unwrap_or_default();
    let members = members.split('"').skip(1).step_by(2).map(|member| root.join(member).join("Cargo.toml"));
    std::iter::once(root.join("Cargo.toml")).chain(members).collect()
}

/// What a manifest asks for: keys of every table of dependencies, but for what lies in the workspace itself.
fn asked_for(manifest: &str) -> BTreeSet<String> {
    let mut inside = false;
    let mut names = BTreeSet::new();
    for line in manifest.lines() {
        if let Some(table) = line.strip_prefix('[') {
            inside = table.ends_with("dependencies]");
            // [dependencies.name]
            if let Some((_, name)) = table.split_once("dependencies.") {
                names.insert(name.trim_end_matches(']').to_owned());
            }
        } else if let (true, Some((name, rest))) = (inside, line.split_once('='))
            && !name.starts_with([' ', '#'])
            && !rest.contains("path =")
        {
            names.insert(name.trim().split('.').next().unwrap().to_owned());
        }
    }
    names
}

/// The crates that the document gives a reason for.
fn explained(document: &str) -> BTreeSet<String> {
    let rows = document.lines().skip_while(|line| *line != "## Why each of them").take_while(|line| !line.starts_with("## R"));
    let rows = rows.filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    rows.filter(|(_, reason)| reason.len() > 10).map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn every_direct_dependency_has_its_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifests = manifests(root);
    let asked: BTreeSet<String> = manifests.iter().flat_map(|path| asked_for(&fs::read_to_string(path).unwrap())).collect();
    let explained = explained(&fs::read_to_string(root.join("docs/supply-chain.md")).unwrap());
    let unexplained: Vec<_> = asked.difference(&explained).collect();
    assert!(unexplained.is_empty(), "say in docs/supply-chain.md (Why each of them) what these are for: {unexplained:?}");
    let gone: Vec<_> = explained.difference(&asked).collect();
    assert!(gone.is_empty(), "docs/supply-chain.md explains what nothing asks for any more: {gone:?}");
}

#[test]
fn a_dependency_is_found_however_it_is_written() {
    let manifest = "[package]\nname = \"x\"\n[dependencies]\na = \"1\"\nb = { version = \"1\" }\nc.workspace = true\n# d = \"1\"\n\
        ours = { path = \"../ours\" }\n[dependencies.e]\nversion = \"1\"\n[target.'cfg(unix)'.dev-dependencies]\nf = \"1\"\n\
        [features]\ng = []\n";
    let expected = ["a", "b", "c", "e", "f"].map(str::to_owned);
    assert_eq!(asked_for(manifest), BTreeSet::from(expected));
    let document = "| `no` | before the heading that counts |\n## Why each of them\n| `a` | has a good reason |\n| `b` | no |\n## Reproducible\n";
    assert_eq!(explained(document), BTreeSet::from(["a".to_owned()]));
}
