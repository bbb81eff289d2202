//! The rules of the house that a machine can check: who may name what, and how long a file may be.

mod code;
mod paths;

use std::collections::BTreeSet;

use code::{sources, test_modules};
use paths::named;

/// A text and the only places (path prefixes under the repository) where production code may hold it.
struct Rule {
    text: &'static str,
    allowed: &'static [&'static str],
    why: &'static str,
}

const SERVICE: &str = "crates/image2model/src/";

const PARTS: &[&str] = &["crates/image2model/src/app"];

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
        text: "crate::worker::",
        allowed: &[
            "crates/image2model/src/app",
            "crates/image2model/src/worker/",
        ],
        why: "http and worker meet in the store only",
    },
    Rule {
        text: "crate::http::",
        allowed: &["crates/image2model/src/app", "crates/image2model/src/http/"],
        why: "http and worker meet in the store only",
    },
    Rule {
        text: "StatusCode::",
        allowed: &["crates/image2model/src/http/"],
        why: "only http/ knows status codes",
    },
    Rule {
        text: "embedded::open(",
        allowed: PARTS,
        why: "parts are built once, at start, by app",
    },
    Rule {
        text: "Artifacts::open(",
        allowed: PARTS,
        why: "parts are built once, at start, by app",
    },
    Rule {
        text: "Artifacts::local(",
        allowed: PARTS,
        why: "parts are built once, at start, by app",
    },
    Rule {
        text: "LocalProvider::new(",
        allowed: PARTS,
        why: "parts are built once, at start, by app",
    },
    Rule {
        text: "Service::start(",
        allowed: PARTS,
        why: "parts are built once, at start, by app",
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
        &["tokio", "serde_json", "SystemTime", "Instant::now", "axum"],
        "job/ is pure",
    ),
    (
        "crates/image2model/src/access/",
        &["tokio", "serde_json", "SystemTime", "Instant::now", "axum"],
        "access/ is pure",
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
];

/// The modules of the service, beside itself, that a module may know at all.
const KNOWS: &[(&str, &[&str], &str)] = &[
    ("job", &[], "job/ is pure"),
    ("access", &["job"], "access/ is pure"),
    (
        "archive",
        &[],
        "archive/ knows bytes and nothing of the service",
    ),
    (
        "store",
        &["access", "clock", "job", "tls"],
        "the store knows access/, job/, the clock and TLS only",
    ),
    (
        "artifacts",
        &["job", "tls"],
        "artifacts know job/ and TLS only",
    ),
    (
        "logs",
        &["clock", "config", "job"],
        "the log knows files and lines",
    ),
    (
        "provider",
        &["config", "job"],
        "a provider knows nothing of queues",
    ),
];

const LINE_LIMIT: usize = 500;

#[test]
fn production_code_names_only_what_its_layer_may_name() {
    let broken = broken(&sources("crates"));
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn no_source_file_is_longer_than_500_lines() {
    let mut long = Vec::new();
    for folder in ["crates", "web", "scripts", "tests"] {
        for (path, text) in sources(folder) {
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
    let planted = [
        (
            "http/jobs.rs",
            "use axum::Router;\nuse crate::worker::Worker;\n",
            Some(2),
        ),
        (
            "http/jobs.rs",
            "use crate::{job::JobId, worker::{self, Worker}};\n",
            Some(1),
        ),
        (
            "http/jobs.rs",
            "use crate::{\n    job::JobId, // ours\n    worker::Worker,\n};\n",
            Some(1),
        ),
        (
            "http/jobs.rs",
            "pub(crate) use super::super::worker as other;\n",
            Some(1),
        ),
        (
            "http/jobs.rs",
            "fn a() {\n    super::super::worker::run();\n}\n",
            Some(2),
        ),
        ("worker/pool.rs", "use {\n    crate::http,\n};\n", Some(1)),
        (
            "worker/mod.rs",
            "#[cfg(test)]\nmod tests;\n\nuse crate::{http, job};\n",
            Some(4),
        ),
        (
            "worker/pool.rs",
            "#[cfg(test)]\nuse crate::{\n    http,\n};\nuse axum::Router;\n",
            Some(5),
        ),
        (
            "worker/pool.rs",
            "#[cfg(test)]\nmod tests {\n    use crate::http;\n}\nuse crate::http;\n",
            Some(5),
        ),
        (
            "worker/pool.rs",
            "#[cfg(test)]\nmod tests { use axum::Router; }\n// axum:: here\n",
            None,
        ),
        ("worker/tests.rs", "use crate::http;\n", None),
        (
            "store/mod.rs",
            "use super::{clock::Clock, artifacts};\n",
            Some(1),
        ),
        (
            "store/embedded/mod.rs",
            "use super::super::config::Config;\n",
            Some(1),
        ),
        (
            "store/embedded/mod.rs",
            "use super::{Jobs, super::job::Job};\nuse self::rows::Row;\n",
            None,
        ),
        (
            "provider/local.rs",
            "use crate::{config::Config, store::Store};\n",
            Some(1),
        ),
        (
            "job/mod.rs",
            "use std::time::{Duration, SystemTime};\n",
            Some(1),
        ),
        (
            "http/jobs.rs",
            "let files = Artifacts::open(url, dir);\n",
            Some(1),
        ),
        ("app.rs", "use crate::{http, worker::Worker};\n", None),
    ];
    for (file, text, line) in planted {
        let mut files = vec![(format!("{SERVICE}{file}"), text.to_owned())];
        if file == "worker/tests.rs" {
            let parent = "#[cfg(test)]\nmod tests;\n".to_owned();
            files.push((format!("{SERVICE}worker/mod.rs"), parent));
        }
        let lines: BTreeSet<_> = broken(&files)
            .iter()
            .filter_map(|fault| fault.split(':').nth(1)?.parse::<usize>().ok())
            .collect();
        assert!(lines.iter().eq(line.iter()), "{lines:?} in {file}:\n{text}");
    }
}

/// One line for each place where a file of `files` names what it may not.
fn broken(files: &[(String, String)]) -> Vec<String> {
    let for_tests: Vec<_> = files
        .iter()
        .flat_map(|(path, text)| test_modules(path, text))
        .collect();
    let mut broken = Vec::new();
    for (path, text) in files {
        if !path.contains("/src/") || for_tests.iter().any(|prefix| path.starts_with(prefix)) {
            continue;
        }
        for (number, name) in named(path, text) {
            broken.extend(
                faults(path, &name)
                    .iter()
                    .map(|why| format!("{path}:{number}: {why}")),
            );
        }
    }
    broken
}

/// The rules that a file breaks by naming `name`, a line of code or a path.
fn faults(path: &str, name: &str) -> Vec<&'static str> {
    let rules = RULES.iter().filter(|rule| {
        name.contains(rule.text)
            && path.starts_with(scope(rule))
            && !rule.allowed.iter().any(|prefix| path.starts_with(prefix))
    });
    let absent = ABSENT.iter().filter(|(below, texts, _)| {
        path.starts_with(below) && texts.iter().any(|text| name.contains(text))
    });
    let knows = KNOWS.iter().filter(|(module, others, _)| {
        path.starts_with(&format!("{SERVICE}{module}/"))
            && name
                .strip_prefix("crate::")
                .and_then(|rest| rest.split("::").next())
                .is_some_and(|other| other != *module && !others.contains(&other))
    });
    rules
        .map(|rule| rule.why)
        .chain(absent.map(|(_, _, why)| *why))
        .chain(knows.map(|(_, _, why)| *why))
        .collect()
}

fn scope(rule: &Rule) -> &'static str {
    if rule.allowed.is_empty() {
        "crates/"
    } else {
        SERVICE
    }
}
