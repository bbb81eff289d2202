use super::{Desk, photo};

#[test]
fn wrong_usage_is_refused_before_anything_is_written() {
    let table: &[(&[&str], &str)] = &[
        (&["convert"], "required arguments"),
        (
            &["convert", "a.png", "--model", "sphere"],
            "there are inflate, relief and extrude",
        ),
        (
            &["convert", "a.png", "--format", "glb,fbx"],
            "there are glb, obj, obj.zip, stl and ply",
        ),
        (
            &["convert", "a.png", "--face-limit", "0"],
            "face_limit is 0; it must be from 1 to 500000",
        ),
        (
            &["convert", "a.png", "--face-limit", "-5"],
            "face_limit is -5; it must be from 1 to 500000",
        ),
        (
            &["convert", "a.png", "--face-limit", "1000000000"],
            "face_limit is 1000000000; it must be",
        ),
        (
            &["convert", "a.png", "--size", "NaN"],
            "size_mm is NaN; it must be from 1 to 10000 mm",
        ),
        (
            &["convert", "a.png", "--option", "colour=red"],
            "has no option \"colour\"; it knows face_limit",
        ),
        (
            &["convert", "a.png", "--option", "depth"],
            "it must be NAME=VALUE",
        ),
        (
            &["convert", "a.png", "b.png", "-o", "x.glb"],
            "x.glb is one file, but there are 2 pictures; name a folder",
        ),
        (
            &["convert", "a.png", "-o", "x.fbx"],
            "x.fbx names no format: .fbx is none of .glb",
        ),
        (
            &["convert", "a.png", "b.png", "--mask", "a.png"],
            "--mask belongs to one picture, but there are 2",
        ),
        (
            &["convert", "a.png", "--mask", "none.png"],
            "cannot read the mask none.png",
        ),
        (&["convert", "-"], "a picture from standard input needs -o"),
        (
            &["convert", "a.png", "b.png", "-o", "-"],
            "-o - takes one picture, but there are 2",
        ),
        (
            &["convert", "a.png", "-o", "-", "--format", "glb,stl"],
            "-o - takes one file",
        ),
        (&["convert", "a.png", "--jobs", "0"], "0 is not in 1..=1024"),
        (
            &["convert", "a.png", "--config", "none.yaml"],
            "none.yaml cannot be read",
        ),
        (&["paint", "a.png"], "unrecognized subcommand 'paint'"),
    ];
    let desk = Desk::new();
    desk.put("a.png", photo());
    desk.put("b.png", photo());
    for (arguments, problem) in table {
        let run = desk.run(arguments);
        assert_eq!(run.code, 2, "{arguments:?}: {}", run.err);
        assert!(run.err.contains(problem), "{arguments:?}: {}", run.err);
        assert!(run.out.is_empty(), "{arguments:?}");
    }
    assert_eq!(desk.list("."), ["a.png", "b.png"]);
}

#[test]
fn help_fits_a_screen_and_shows_examples() {
    let run = Desk::new().run(&["--help"]).succeeded();
    let help = run.text();
    assert!(help.lines().count() <= 40, "{} lines", help.lines().count());
    assert!(
        help.lines().all(|line| line.chars().count() <= 100),
        "{help}"
    );
    for part in [
        "Examples:",
        "image2model convert photo.jpg -o model.glb",
        "serve",
        "config",
        "completions",
    ] {
        assert!(help.contains(part), "{part} is missing:\n{help}");
    }
}

#[test]
fn every_shell_gets_completions() {
    let desk = Desk::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = desk.run(&["completions", shell]).succeeded();
        for word in ["convert", "face-limit", "turntable", "data-dir"] {
            assert!(run.text().contains(word), "{shell} does not know {word}");
        }
    }
}

#[test]
fn settings_are_shown_with_their_origin() {
    let desk = Desk::new();
    desk.put("own.yaml", "worker:\n  threads: 3\n");
    let run = desk.run(&["config", "--config", "own.yaml"]).succeeded();
    let line = run
        .text()
        .lines()
        .find(|line| line.starts_with("worker.threads = 3 "));
    assert!(
        line.is_some_and(|line| line.ends_with("# file own.yaml")),
        "{}",
        run.text()
    );
    let defaults = desk.run(&["config", "--defaults", "--json", "--config", "own.yaml"]);
    let json: serde_json::Value = serde_json::from_str(defaults.succeeded().text()).unwrap();
    assert_eq!(json["worker.threads"]["value"], 0);
}
