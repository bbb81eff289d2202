//! `ARCHITECTURE.md` is true as far as a machine can tell: what it names is there, and what we depend on it names.

use std::collections::BTreeSet;

use crate::support::root;

const PAGE: &str = include_str!("../../../../ARCHITECTURE.md");

#[test]
fn everything_on_the_map_is_there() {
    let (_, after) = PAGE.split_once("## The map").unwrap();
    let map = after.split("```").nth(1).unwrap();
    let places = places(map);
    assert!(places.len() > 30, "{places:?}");
    let missing: Vec<_> = places.iter().filter(|place| !is_there(place)).collect();
    assert!(missing.is_empty(), "on the map, but not there: {missing:?}");
    assert!(!is_there("crates/reconstruct/no_such_file.rs"));
}

#[test]
fn every_file_that_the_text_names_is_there() {
    let quoted = PAGE.split('`').skip(1).step_by(2);
    let named: Vec<_> = quoted
        .filter(|word| word.contains('/') && !word.contains(['<', ' ', '\n']))
        .collect();
    assert!(named.len() > 5, "{named:?}");
    let missing: Vec<_> = named
        .iter()
        .filter(|place| {
            !["", "crates/image2model/", "crates/reconstruct/"]
                .iter()
                .any(|below| is_there(&format!("{below}{place}")))
        })
        .collect();
    assert!(missing.is_empty(), "named, but not there: {missing:?}");
}

#[test]
fn the_tables_name_exactly_what_we_depend_on() {
    let (_, tables) = PAGE.split_once("## Dependencies").unwrap();
    let named: BTreeSet<_> = tables
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .filter(|cell| !["crate", "package", "---"].contains(cell))
        .flat_map(|cell| cell.split(" (").next().unwrap_or(cell).split(", "))
        .map(str::to_owned)
        .collect();
    let depended_on: BTreeSet<_> = crates()
        .into_iter()
        .chain(packages("web/package.json"))
        .chain(packages("tests/browser/package.json"))
        .chain(packages("tests/judges/package.json"))
        .chain(packages("benches/queue/package.json"))
        .chain(pinned("benches/queue/requirements.txt"))
        .chain(pinned("tests/judges/requirements.txt"))
        .chain(pinned("tests/api/requirements.txt"))
        .chain(pinned("tests/judges/corpus.txt"))
        .collect();
    let untold: Vec<_> = depended_on.difference(&named).collect();
    let unused: Vec<_> = named.difference(&depended_on).collect();
    assert!(
        untold.is_empty() && unused.is_empty(),
        "in no table: {untold:?}; in a table, but not depended on: {unused:?}"
    );
}

/// The path of each line of the map, by its indentation of two spaces a level.
fn places(map: &str) -> Vec<String> {
    let mut above: Vec<&str> = Vec::new();
    let mut found = Vec::new();
    for line in map.lines().filter(|line| !line.trim().is_empty()) {
        let depth = (line.len() - line.trim_start().len()) / 2;
        above.truncate(depth);
        above.extend(line.split_whitespace().next());
        found.push(above.concat());
    }
    found
}

/// Whether a place of the map exists; a crate's parts lie in its `src`. A folder ends in `/`, or has no ending.
fn is_there(place: &str) -> bool {
    let mut below = place.splitn(3, '/');
    let in_source = match (below.next(), below.next(), below.next()) {
        (Some("crates"), Some(name), Some(part)) => format!("crates/{name}/src/{part}"),
        _ => place.to_owned(),
    };
    [place, &in_source].iter().any(|path| {
        let path = root().join(path);
        path.exists() && path.is_dir() != path.extension().is_some()
    })
}

/// What our crates depend on, ourselves left out.
fn crates() -> Vec<String> {
    let mut found = Vec::new();
    for manifest in [
        "Cargo.toml",
        "crates/image2model/Cargo.toml",
        "crates/reconstruct/Cargo.toml",
        "fuzz/Cargo.toml",
    ] {
        let text = read(manifest);
        let mut inside = false;
        for line in text.lines() {
            if line.starts_with('[') {
                inside = line.ends_with("dependencies]");
            } else if let Some((name, how)) = line.split_once('=').filter(|_| inside)
                && !how.contains("path =")
            {
                let name = name.split('.').next().unwrap_or(name).trim();
                found.push(name.to_owned());
            }
        }
    }
    found.retain(|name| name != "reconstruct");
    found
}

fn packages(manifest: &str) -> Vec<String> {
    let manifest: serde_json::Value = serde_json::from_str(&read(manifest)).unwrap();
    ["dependencies", "devDependencies"]
        .iter()
        .filter_map(|kind| manifest[kind].as_object())
        .flat_map(|packages| packages.keys().cloned())
        .collect()
}

fn pinned(list: &str) -> Vec<String> {
    read(list)
        .lines()
        .filter_map(|line| line.split_once("==")?.0.split('[').next())
        .map(str::to_owned)
        .collect()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}
