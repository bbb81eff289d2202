//! `docs/security.md` promises nothing that no test holds.

use crate::requirements::{is_running, quoted, tests_of_this_binary};

const PAGE: &str = include_str!("../../../../docs/security.md");

/// Promises and the cells that name their tests.
fn promises(page: &str) -> Vec<(&str, &str)> {
    let (_, promised) = page.split_once("## What is promised").unwrap();
    let promised = promised.split("\n## ").next().unwrap();
    let rows = promised.lines().filter(|line| line.starts_with("| "));
    let cells = rows.filter_map(|row| row.trim_matches('|').rsplit_once('|'));
    cells
        .map(|(promise, tests)| (promise.trim(), tests.trim()))
        .filter(|(promise, _)| *promise != "Promise" && !promise.starts_with("---"))
        .collect()
}

#[test]
fn each_promise_names_running_tests() {
    let listed = tests_of_this_binary();
    let promises = promises(PAGE);
    assert!(
        promises.len() >= 15,
        "promises went missing: {}",
        promises.len()
    );
    let mut wrong = Vec::new();
    for (promise, cell) in promises {
        let tests = quoted(cell);
        if tests.is_empty() {
            wrong.push(format!("{promise}: names no test"));
        }
        let gone = tests.iter().filter(|test| !is_running(test, &listed));
        wrong.extend(gone.map(|test| format!("{promise}: {test} is no running test")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_promise_without_a_test_is_seen() {
    let page = "## What is promised\n| Promise | Test |\n| --- | --- |\n| a | b | `it::no` |\n| c | soon |\n## What is not\n| d | e |";
    assert_eq!(promises(page), [("a | b", "`it::no`"), ("c", "soon")]);
}
