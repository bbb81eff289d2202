//! The full paths that a piece of code names, however its imports are laid out.

use super::code::production_lines;

/// What `text`, the file at `path`, names, with line numbers: each line as it stands, each path in it that starts at
/// its own crate or module, and each import by itself. A path is written from `crate` and ends in `::`.
pub(super) fn named(path: &str, text: &str) -> Vec<(usize, String)> {
    let module = module_of(path);
    let mut found = Vec::new();
    let mut lines = production_lines(text).into_iter();
    while let Some((number, line)) = lines.next() {
        let Some(first) = import(line) else {
            found.push((number, line.to_owned()));
            let relative = paths_in(line).filter_map(|path| from_crate(&module, path));
            found.extend(relative.map(|path| (number, path)));
            continue;
        };
        let mut statement = first.to_owned();
        while !statement.contains(';') {
            let Some((_, line)) = lines.next() else { break };
            statement.push_str(line.split("//").next().unwrap_or_default());
        }
        let tree = statement.split(';').next().unwrap_or_default();
        for path in expanded("", tree) {
            let full = from_crate(&module, &path).unwrap_or_else(|| format!("{path}::"));
            found.push((number, full));
        }
    }
    found
}

/// What follows `use` when the line begins an import, `pub` or not.
fn import(line: &str) -> Option<&str> {
    let mut line = line.trim_start();
    if let Some(public) = line.strip_prefix("pub") {
        line = match public.strip_prefix('(') {
            Some(narrowed) => narrowed.split_once(')')?.1,
            None => public,
        };
    }
    line.trim_start().strip_prefix("use ")
}

/// Each path of an import's tree by itself: `a::{b, c::{self, d}}` is `a::b`, `a::c` and `a::c::d`.
fn expanded(before: &str, tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((head, inner)) = tree.split_once('{') else {
        let name = tree.split(" as ").next().unwrap_or_default().trim();
        let path = format!("{before}{name}");
        return vec![path.strip_suffix("::self").unwrap_or(&path).to_owned()];
    };
    let before = format!("{before}{}", head.trim());
    let inner = inner.rsplit_once('}').map_or(inner, |(inner, _)| inner);
    let mut depth = 0_usize;
    inner
        .split(|letter| {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            letter == ',' && depth == 0
        })
        .filter(|part| !part.trim().is_empty())
        .flat_map(|part| expanded(&before, part))
        .collect()
}

/// The module that a file is, from its crate's root.
fn module_of(path: &str) -> Vec<&str> {
    let (_, inside) = path.split_once("/src/").unwrap_or_default();
    let mut module: Vec<_> = inside.trim_end_matches(".rs").split('/').collect();
    if ["mod", "lib", "main"].contains(module.last().unwrap_or(&"")) {
        module.pop();
    }
    module
}

fn paths_in(line: &str) -> impl Iterator<Item = &str> {
    line.split(|letter: char| !(letter.is_alphanumeric() || letter == '_' || letter == ':'))
        .filter(|word| word.contains("::"))
}

/// A path that starts at its own crate or module, written from `crate`.
fn from_crate(module: &[&str], path: &str) -> Option<String> {
    let mut segments = path.split("::").filter(|name| !name.is_empty()).peekable();
    let mut full = match *segments.peek()? {
        "crate" | "image2model" => Vec::new(),
        "self" => module.to_vec(),
        "super" => module[..module.len().saturating_sub(1)].to_vec(),
        _ => return None,
    };
    segments.next();
    while segments.next_if_eq(&"super").is_some() {
        full.pop();
    }
    full.extend(segments);
    Some(format!("crate::{}::", full.join("::")))
}
