//! The page in a real browser, on the real server: `tests/browser/` holds the stories, this runs them.

use std::{fs, path::PathBuf, process::Command};

use crate::support::{environment, root};

/// What must be there, by path from the repository's root. `make test` brings all of it.
const NEEDED: &[&str] = &[
    "web/dist/index.html",
    "tests/browser/node_modules/playwright-core/package.json",
    "tests/browser/node_modules/axe-core/package.json",
    "tests/judges/node_modules/gltf-validator/package.json",
];

#[test]
fn the_page_does_what_a_person_asks_of_it() {
    let root = root();
    for needed in NEEDED {
        assert!(
            root.join(needed).exists(),
            "{needed} is missing; run `make test`, which brings it"
        );
    }
    let chromium =
        on_the_path("chromium").expect("chromium is missing; run `make test`, which installs it");
    let screenshots = root.join("target/screenshots");
    fs::create_dir_all(&screenshots).unwrap();

    let output = Command::new("node")
        .args(["--test", "--test-concurrency=1"])
        .current_dir(root.join("tests/browser"))
        .env("PAGE_TEST_BINARY", env!("CARGO_BIN_EXE_image2model"))
        .env("PAGE_TEST_CHROMIUM", chromium)
        .env("PAGE_TEST_SCREENSHOTS", screenshots)
        .output()
        .expect("node is missing; run `make test`, which says what to do");
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{report}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // An empty run succeeds too.
    assert!(
        report.contains("# fail 0") && !report.contains("# pass 0"),
        "{report}"
    );
}

fn on_the_path(program: &str) -> Option<PathBuf> {
    // The search of `PATH` is the system's own: `Command` does it too, but does not say what it found.
    let path = environment("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}
