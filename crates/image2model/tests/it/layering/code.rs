//! Which lines of which files are production code.

use std::fs;

use crate::support::root;

const KINDS: [&str; 7] = ["rs", "ts", "js", "svelte", "sh", "py", "mjs"];
/// Folders of what others wrote or a build made.
const NOT_OURS: [&str; 3] = ["node_modules", "dist", "target"];

/// Every source file below `folder` of the repository: its path from the root, and its text.
pub(super) fn sources(folder: &str) -> Vec<(String, String)> {
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !NOT_OURS.iter().any(|name| path.ends_with(name)) {
                    folders.push(path);
                }
            } else if path
                .extension()
                .is_some_and(|kind| KINDS.iter().any(|ours| kind == *ours))
            {
                let name = path.strip_prefix(&root).unwrap().to_string_lossy();
                found.push((name.into_owned(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

/// Path prefixes of the modules that `text`, the file at `path`, declares for tests only.
pub(super) fn test_modules(path: &str, text: &str) -> Vec<String> {
    let home = ["mod.rs", "lib.rs", "main.rs"]
        .iter()
        .find_map(|name| path.strip_suffix(name))
        .map_or_else(
            || format!("{}/", path.trim_end_matches(".rs")),
            str::to_owned,
        );
    let lines: Vec<_> = text.lines().collect();
    lines
        .windows(2)
        .filter(|pair| NOT_SHIPPED.contains(&pair[0]))
        .filter_map(|pair| {
            let (_, name) = pair[1].split_once("mod ")?;
            name.strip_suffix(';')
        })
        .flat_map(|name| [format!("{home}{name}.rs"), format!("{home}{name}/")])
        .collect()
}

/// What is compiled for tests only, or for the fuzzing of what they test.
const NOT_SHIPPED: [&str; 2] = ["#[cfg(test)]", "#[cfg(any(test, feature = \"fuzzing\"))]"];

/// The lines, with their numbers, that are neither comments nor for tests only. `text` is laid out by rustfmt.
pub(super) fn production_lines(text: &str) -> Vec<(usize, &str)> {
    let is_comment = |line: &str| line.trim_start().starts_with("//");
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let (indent, code) = line.split_at(line.len() - line.trim_start().len());
        if !NOT_SHIPPED.contains(&code) {
            if !is_comment(line) {
                found.push((index + 1, line));
            }
            continue;
        }
        let item =
            lines.find(|(_, line)| !line.trim_start().starts_with("#[") && !is_comment(line));
        if item.is_some_and(|(_, line)| !line.ends_with([';', '}'])) {
            lines.find(|(_, line)| {
                line.strip_prefix(indent)
                    .is_some_and(|rest| rest.starts_with(['}', ']', ')']))
                    && line.ends_with([';', '}'])
            });
        }
    }
    found
}
