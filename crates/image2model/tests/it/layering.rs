//! The rules of the house that a machine can check: who may name what, and how long a file may be.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A text and the only places (path prefixes under the repository) where production code may hold it.
struct Rule {
    text: &'static str,
    allowed: &'static [&'static str],
    why: &'static str,
}

const SERVICE: &str = "crates/image2model/src/";

const RULES: &[Rule] = &[
    Rule {
        text: "axum::",
        allowed: &["crates/image2model/src/http/"],
        why: "only http/ names axum",
    },
    Rule {
        text: "rusqlite::",
        allowed: &["crates/image2model/src/store/embedded/"],
        why: "only store/embedded/ names SQLite",
    },
    Rule {
        text: "redis::",
        allowed: &[
            "crates/image2model/src/store/redis/",
            "crates/image2model/src/app",
        ],
        why: "only store/redis/ names redis, and app opens it",
    },
    Rule {
        text: "reqwest::",
        allowed: &["crates/image2model/src/outbound/"],
        why: "only outbound/ names reqwest",
    },
    Rule {
        text: "env::var",
        allowed: &["crates/image2model/src/config"],
        why: "only config reads the environment",
    },
    Rule {
        text: "crate::worker",
        allowed: &[
            "crates/image2model/src/app",
            "crates/image2model/src/worker/",
        ],
        why: "http and worker meet in the store only",
    },
    Rule {
        text: "crate::http",
        allowed: &["crates/image2model/src/app", "crates/image2model/src/http/"],
        why: "http and worker meet in the store only",
    },
    Rule {
        text: "StatusCode::",
        allowed: &["crates/image2model/src/http/"],
        why: "only http/ knows status codes",
    },
    Rule {
        text: "postgres",
        allowed: &[],
        why: "one store keeps everything; there is no second database",
    },
    Rule {
        text: "todo!(",
        allowed: &[],
        why: "nothing unfinished lands",
    },
    Rule {
        text: "unimplemented!(",
        allowed: &[],
        why: "nothing unfinished lands",
    },
];

/// Texts that must not stand below a path at all.
const ABSENT: &[(&str, &[&str], &str)] = &[
    (
        "crates/image2model/src/job/",
        &[
            "tokio",
            "serde_json",
            "SystemTime",
            "Instant::now",
            "axum",
            "crate::store",
        ],
        "job/ is pure",
    ),
    (
        "crates/reconstruct/src/",
        &[
            "tokio",
            "async fn",
            "std::fs",
            "std::net",
            "std::thread",
            "SystemTime",
            "Instant::now",
        ],
        "reconstruct is pure and synchronous",
    ),
    (
        "crates/image2model/src/store/",
        &[
            "crate::http",
            "crate::worker",
            "crate::artifacts",
            "crate::service",
        ],
        "the store knows job/ only",
    ),
    (
        "crates/image2model/src/provider/",
        &["crate::store", "crate::http", "crate::worker"],
        "a provider knows nothing of queues",
    ),
];

const LINE_LIMIT: usize = 500;

#[test]
fn production_code_names_only_what_its_layer_may_name() {
    let mut broken = Vec::new();
    for (path, text) in sources(&root().join("crates")) {
        if !path.contains("/src/") || is_for_tests(&path) {
            continue;
        }
        for (number, line) in production_lines(&text) {
            for rule in RULES {
                if line.contains(rule.text)
                    && path.starts_with(scope(rule))
                    && !rule.allowed.iter().any(|prefix| path.starts_with(prefix))
                {
                    broken.push(format!("{path}:{number}: {}", rule.why));
                }
            }
            for (below, texts, why) in ABSENT {
                if path.starts_with(below) && texts.iter().any(|text| line.contains(text)) {
                    broken.push(format!("{path}:{number}: {why}"));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn no_source_file_is_longer_than_500_lines() {
    let mut long = Vec::new();
    for folder in ["crates", "web/src", "scripts"] {
        for (path, text) in sources(&root().join(folder)) {
            let lines = text.lines().count();
            if lines > LINE_LIMIT {
                long.push(format!(
                    "{path} has {lines} lines, over the limit of {LINE_LIMIT}"
                ));
            }
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn the_rules_catch_what_they_forbid() {
    let text = "use axum::Router;\n// axum:: in a comment\n#[cfg(test)]\nmod tests { use axum::Router; }\n";
    let lines: Vec<_> = production_lines(text).collect();
    assert_eq!(lines, vec![(1, "use axum::Router;")]);
}

fn scope(rule: &Rule) -> &'static str {
    if rule.allowed.is_empty() {
        "crates/"
    } else {
        SERVICE
    }
}

/// Files that are only compiled for tests.
fn is_for_tests(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/src/store/conformance/")
}

/// Lines before the test module that are not comments, with their numbers.
fn production_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| *line != "#[cfg(test)]")
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(index, line)| (index + 1, line))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// Every source file below `folder`: its path from the repository's root, and its text.
fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("node_modules") {
                folders.push(path);
            } else if path.extension().is_some_and(|e| {
                ["rs", "ts", "svelte", "sh", "py", "mjs"]
                    .iter()
                    .any(|x| e == *x)
            }) {
                let name = path
                    .strip_prefix(root())
                    .unwrap()
                    .to_string_lossy()
                    .into_owned();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}
