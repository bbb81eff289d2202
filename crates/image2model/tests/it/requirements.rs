//! `docs/requirements.md` is true: its defaults are the program's, its proofs are running tests.

use std::{collections::BTreeSet, fs, process::Command};

use image2model::config::{Loaded, Sources, load};

use crate::support::root;

const TABLE: &str = include_str!("../../../../docs/requirements.md");
const OPEN: &str = "open";
const NONE: &str = "–";

struct Row<'a> {
    id: &'a str,
    place: &'a str,
    default: &'a str,
    proof: &'a str,
}

#[test]
fn each_row_of_the_requirements_is_whole_and_has_its_own_id() {
    let rows = rows(TABLE).unwrap();
    let ids: BTreeSet<_> = rows.iter().map(|row| row.id).collect();
    assert_eq!(ids.len(), rows.len(), "an id stands twice");
    assert!(
        rows.len() >= 60,
        "rows went missing: {} are left",
        rows.len()
    );
}

#[test]
fn each_default_in_the_requirements_is_the_programs() {
    let loaded = load(&Sources::default()).unwrap();
    let wrong: Vec<_> = rows(TABLE)
        .unwrap()
        .iter()
        .filter_map(|row| wrong_default(row, &loaded).err())
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_proof_in_the_requirements_is_a_running_test() {
    let listed = tests_of_this_binary();
    let wrong: Vec<_> = rows(TABLE)
        .unwrap()
        .iter()
        .filter_map(|row| wrong_proof(row, &listed).err())
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_place_in_the_requirements_is_there() {
    let wrong: Vec<_> = rows(TABLE)
        .unwrap()
        .iter()
        .filter_map(|row| wrong_place(row).err())
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let at = |place, proof| Row {
        id: "Z1",
        place,
        default: NONE,
        proof,
    };
    let proof = "`it::requirements::each_place_in_the_requirements_is_there`";
    assert!(wrong_place(&at("`http/`, `README.md`", proof)).is_ok());
    assert!(wrong_place(&at("`http/`, `service.rs`", proof)).is_err());
    assert!(wrong_place(&at("in the service", proof)).is_err());
    assert!(wrong_place(&at("`deploy/nginx/`", OPEN)).is_ok());
}

#[test]
fn a_wrong_default_a_missing_proof_and_a_malformed_row_are_caught() {
    let loaded = load(&Sources::default()).unwrap();
    let listed = tests_of_this_binary();
    let row = |default, proof| Row {
        id: "Z1",
        place: NONE,
        default,
        proof,
    };
    assert!(wrong_default(&row("`retry.max_attempts = 3`", OPEN), &loaded).is_ok());
    assert!(wrong_default(&row("`retry.max_attempts = 4`", OPEN), &loaded).is_err());
    assert!(wrong_default(&row("`retry.colour = 4`", OPEN), &loaded).is_err());
    assert!(wrong_default(&row("three", OPEN), &loaded).is_err());
    assert!(wrong_proof(&row(NONE, "`it::requirements::no_such_test`"), &listed).is_err());
    assert!(
        wrong_proof(
            &row(NONE, "`crates/image2model/src/lib.rs::nothing`"),
            &listed
        )
        .is_err()
    );
    assert!(wrong_proof(&row(NONE, "soon"), &listed).is_err());
    assert!(
        wrong_proof(
            &row(
                NONE,
                "`it::requirements::each_row_of_the_requirements_is_whole_and_has_its_own_id`"
            ),
            &listed
        )
        .is_ok()
    );
    let head = "| Id | Asked for | Lives in | Default | Proof |\n| --- | --- | --- | --- | --- |\n";
    assert!(rows(&format!("{head}| Z1 | a | b | – | open |")).is_ok());
    assert!(rows(&format!("{head}| Z1 | a | b | – |")).is_err());
    assert!(rows(&format!("{head}| Z1 | a |  | – | open |")).is_err());
}

/// The table's rows; an error names the first malformed one.
fn rows(text: &str) -> Result<Vec<Row<'_>>, String> {
    text.lines()
        .filter(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| {
            let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
            match cells[..] {
                [id, asked, place, default, proof]
                    if ![id, asked, place, default, proof].contains(&"") =>
                {
                    Ok(Row {
                        id,
                        place,
                        default,
                        proof,
                    })
                }
                _ => Err(format!("malformed row: {line}")),
            }
        })
        .collect()
}

/// What stands between backticks.
pub(crate) fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

fn wrong_default(row: &Row<'_>, loaded: &Loaded) -> Result<(), String> {
    let Row { id, default, .. } = row;
    if *default == NONE {
        return Ok(());
    }
    let pairs = quoted(default);
    if pairs.is_empty() {
        return Err(format!(
            "{id}: {default:?} is neither {NONE} nor `key = value`"
        ));
    }
    for pair in pairs {
        let (key, stated) = pair
            .split_once(" = ")
            .ok_or_else(|| format!("{id}: {pair:?} is no `key = value`"))?;
        let (actual, _) = loaded
            .values
            .get(key)
            .ok_or_else(|| format!("{id}: there is no setting {key}"))?;
        let shown = actual.to_string();
        if shown != stated {
            return Err(format!(
                "{id}: {key} is {shown} in the program and {stated} in the table"
            ));
        }
    }
    Ok(())
}

/// A place lies in the service's source or in the repository; what is open need not have one yet.
fn wrong_place(row: &Row<'_>) -> Result<(), String> {
    let Row {
        id, place, proof, ..
    } = row;
    if *proof == OPEN {
        return Ok(());
    }
    let root = root();
    let source = root.join("crates/image2model/src");
    let places = quoted(place);
    let there = |place: &&str| source.join(place).exists() || root.join(place).exists();
    if places.is_empty() || !places.iter().all(there) {
        return Err(format!("{id}: {place} is not there"));
    }
    Ok(())
}

/// A proof is `it::<module>::<test>` in this binary, or `<file>::<test>` beside the code.
fn wrong_proof(row: &Row<'_>, listed: &BTreeSet<String>) -> Result<(), String> {
    let Row { id, proof, .. } = row;
    if *proof == OPEN {
        return Ok(());
    }
    let names = quoted(proof);
    if names.is_empty() {
        return Err(format!(
            "{id}: {proof:?} is neither {OPEN} nor the name of a test"
        ));
    }
    for name in names {
        if !is_running(name, listed) {
            return Err(format!("{id}: {name} is no running test"));
        }
    }
    Ok(())
}

/// Whether a proof is such a test.
pub(crate) fn is_running(proof: &str, listed: &BTreeSet<String>) -> bool {
    match proof.strip_prefix("it::") {
        Some(here) => listed.contains(here),
        None => proof
            .split_once("::")
            .is_some_and(|(file, test)| is_test_in(file, test)),
    }
}

fn is_test_in(file: &str, test: &str) -> bool {
    let Ok(text) = fs::read_to_string(root().join(file)) else {
        return false;
    };
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let Some(at) = lines
        .iter()
        .position(|line| line.contains(&format!("fn {test}(")))
    else {
        return false;
    };
    lines[..at]
        .iter()
        .rev()
        .take_while(|line| line.starts_with("#["))
        .any(|line| *line == "#[test]" || line.starts_with("#[tokio::test"))
}

pub(crate) fn tests_of_this_binary() -> BTreeSet<String> {
    let listing = Command::new(std::env::current_exe().unwrap())
        .args(["--list", "--format", "terse"])
        .output()
        .unwrap();
    String::from_utf8(listing.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| Some(line.strip_suffix(": test")?.to_owned()))
        .collect()
}
