//! Whatever a document of ours points to is there.

use std::fs;
use std::path::{Path, PathBuf};

/// Every document that people read, from the front page on.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"].map(|name| root.join(name));
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    pages.into_iter().chain(docs).filter(|path| path.extension().is_some_and(|kind| kind == "md")).collect()
}

/// The targets of inline links, outside code.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        let spoken: String = line.split('`').step_by(2).collect::<Vec<_>>().join("x");
        if !fenced {
            found.extend(spoken.split("](").skip(1).filter_map(|rest| rest.split(')').next()).map(str::to_owned));
        }
    }
    found
}

/// As a heading is named in links to it.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase().chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c)).collect::<String>();
    kept.trim().replace(' ', "-")
}

fn has_anchor(file: &Path, wanted: &str) -> bool {
    let text = fs::read_to_string(file).unwrap();
    text.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line.trim_start_matches('#')) == wanted)
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let (mut broken, mut followed) = (Vec::new(), 0);
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for link in links(&text).into_iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            let (file, heading) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { document.clone() } else { document.parent().unwrap().join(file) };
            let there = target.exists() && (heading.is_empty() || has_anchor(&target, heading));
            followed += 1;
            if !there {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(followed > 20, "links were not found");
    assert!(broken.is_empty(), "{} links lead nowhere:\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn links_and_headings_are_understood() {
    assert_eq!(links("see [a](b.md) and [`c`](d/e.md#f), not `[x](y)`\n```\n[z](w)\n```"), ["b.md", "d/e.md#f"]);
    assert_eq!(anchor(" Who may come in"), "who-may-come-in");
    assert_eq!(anchor(" Key rotation & co."), "key-rotation--co");
}
