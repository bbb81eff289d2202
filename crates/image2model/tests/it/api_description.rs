//! The API's description judged from outside: a validator of OpenAPI, schemathesis over the running server, with keys
//! and without, and a client in Python that was generated from it and makes a model.

use std::process::{Command, Output};

use crate::support::{Server, root, soak};

const KEY: &str = "a-key-of-the-tests-for-administrators";
/// Test cases of an operation and phase.
const EXAMPLES: &str = "10";
const EXAMPLES_LONG: &str = "200";
const INSTALL: &str = "run `make test`, which installs the judges";

#[test]
fn the_description_is_valid_and_its_examples_are_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), &[]);
    let said = python(&[])
        .arg(root().join("tests/api/judge_description.py"))
        .arg(address(&server))
        .output()
        .unwrap();
    let faults = succeeded(&said);
    assert!(faults.is_empty(), "{faults}");
}

#[test]
fn schemathesis_finds_no_fault_where_nobody_needs_a_key() {
    judged_by_schemathesis(&[], &[]);
}

#[test]
fn schemathesis_finds_no_fault_where_a_key_is_needed() {
    let header = format!("Authorization: Bearer {KEY}");
    judged_by_schemathesis(&[("KEYS__ADMIN", KEY)], &["--header", &header]);
}

#[test]
fn a_client_generated_from_the_description_makes_a_model() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), &[]);
    let generated = python(&["-m", "openapi_python_client", "generate", "--meta", "none"])
        .arg("--url")
        .arg(address(&server))
        .arg("--output-path")
        .arg(folder.path().join("image_2_model_client"))
        .output()
        .unwrap();
    succeeded(&generated);
    let made = python(&[])
        .arg(root().join("tests/api/make_model.py"))
        .arg(folder.path())
        .arg(format!("http://127.0.0.1:{}", server.port))
        .arg(root().join("samples/doughnut.png"))
        .output()
        .unwrap();
    let told = succeeded(&made);
    assert!(told.starts_with("glb "), "{told}");
}

fn judged_by_schemathesis(settings: &[(&str, &str)], options: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    // What is refused for its number says nothing of what it asks for.
    let unlimited = [
        ("LIMITS__PER_MINUTE", "0"),
        ("LIMITS__PER_HOUR", "0"),
        ("LIMITS__READS_PER_MINUTE", "0"),
    ];
    let settings = [settings, &unlimited].concat();
    let server = Server::start(&folder.path().join("data"), &settings);
    let examples = if soak() { EXAMPLES_LONG } else { EXAMPLES };
    let judged = python(&["-m", "schemathesis.cli"])
        .current_dir(folder.path())
        .env("SCHEMATHESIS_HOOKS", root().join("tests/api/hooks.py"))
        .arg("--config-file")
        .arg(root().join("tests/api/schemathesis.toml"))
        .arg("run")
        .arg(address(&server))
        .args(["--checks", "all", "--no-color", "--max-examples", examples])
        .args(options)
        .output()
        .unwrap();
    let told = succeeded(&judged);
    assert!(told.contains("No issues found"), "{told}");
}

/// Where a server's description lies.
fn address(server: &Server) -> String {
    format!("http://127.0.0.1:{}/openapi.json", server.port)
}

/// The interpreter that has the judges.
fn python(arguments: &[&str]) -> Command {
    let python = root().join(".cache/api-venv/bin/python");
    assert!(python.exists(), "there is no {python:?}: {INSTALL}");
    let mut command = Command::new(python);
    command.args(arguments);
    command
}

/// What it printed; a failure shows all of it.
fn succeeded(output: &Output) -> String {
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n{errors}");
    told
}
