//! Photographs in every shape and format, judged by the Khronos glTF validator and by trimesh.
//!
//! A third of the corpus here, all of it with `I2M_SOAK=1`. One picture's models are judged a second time as later
//! downloads have them: made from the stored GLB.

use std::{
    collections::BTreeMap,
    fs,
    io::{Cursor, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Mutex,
};

use reconstruct::{Format, Limits, Model, ModelKind, Options, Silent, format, reconstruct};
use serde::Deserialize;

use crate::support::{root, soak};

/// Turn by turn, so that small and large limits meet every shape.
const FACE_LIMITS: [u32; 5] = [20_000, 100, 4_000, 600, 60_000];
const SHARE: usize = 3;
/// Pictures that are promised to be judged.
const PROMISED: usize = 30;

#[derive(Deserialize)]
struct GltfVerdict {
    errors: u32,
    warnings: u32,
    messages: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum MeshVerdict {
    Loaded(Loaded),
    Refused { error: String },
}

#[derive(Deserialize)]
struct Loaded {
    textured: bool,
    watertight: bool,
    winding: bool,
    volume: f64,
    faces: u32,
    bounds: [[f64; 3]; 2],
}

/// One model's files and what is promised of them.
struct Written {
    name: String,
    limit: u32,
    /// By format; an archive's is what was taken out of it.
    files: BTreeMap<&'static str, PathBuf>,
}

#[test]
fn models_pass_outside_judges() {
    let pictures = corpus();
    assert!(
        pictures.len() >= PROMISED,
        "the corpus has only {} pictures",
        pictures.len()
    );
    let step = if soak() { 1 } else { SHARE };
    let chosen: Vec<_> = pictures.iter().step_by(step).collect();
    let folder = tempfile::tempdir().unwrap();

    let mut work = Vec::new();
    for picture in &chosen {
        for shape in ModelKind::ALL {
            work.push((picture, shape, FACE_LIMITS[work.len() % FACE_LIMITS.len()]));
        }
    }
    let first = chosen[0];
    let models = work.len() + ModelKind::ALL.len();
    let work = Mutex::new(work.into_iter());
    let written = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((picture, shape, limit)) = next(&work) {
                    let again = *picture == first;
                    let made = write(picture, shape, limit, again, folder.path());
                    written.lock().unwrap().extend(made);
                }
            });
        }
    });
    let written = written.into_inner().unwrap();
    assert_eq!(written.len(), models, "a thread ended early");

    let mut faults = Vec::new();
    judge_gltf(&written, &mut faults);
    judge_meshes(&written, &mut faults);
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

fn next<T>(work: &Mutex<impl Iterator<Item = T>>) -> Option<T> {
    work.lock().unwrap().next()
}

/// Makes a model and writes its files; with `again`, also those that are made from its GLB.
fn write(picture: &Path, shape: ModelKind, limit: u32, again: bool, folder: &Path) -> Vec<Written> {
    let stem = picture.file_stem().unwrap().to_string_lossy();
    let name = format!("{stem}-{}-{limit}", shape.name());
    let options = Options::parse(shape, [("face_limit", &*limit.to_string())]).unwrap();
    let image = fs::read(picture).unwrap();
    let model = reconstruct(&image, None, &options, &Limits::default(), &Silent)
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut written = vec![write_files(&model, &name, limit, folder)];
    if again {
        let glb = fs::read(&written[0].files["glb"]).unwrap();
        let stored = format::read_glb(&glb).unwrap();
        let name = format!("{name}-stored");
        written.push(write_files(&stored, &name, limit, folder));
    }
    written
}

fn write_files(model: &Model, name: &str, limit: u32, folder: &Path) -> Written {
    let mut files = BTreeMap::new();
    for format in Format::ALL {
        let bytes = format::write(model, format, name).unwrap();
        let path = match format {
            Format::ObjZip => unpacked(model, name, bytes, folder),
            _ => {
                let path = folder.join(format!("{name}.{}", format.extension()));
                fs::write(&path, bytes).unwrap();
                path
            }
        };
        files.insert(format.extension(), path);
    }
    let name = name.to_owned();
    Written { name, limit, files }
}

/// Takes an archive apart, in a folder of its own, and gives its OBJ. Its members are the files that are written
/// side by side where no archive is asked for.
fn unpacked(model: &Model, name: &str, bytes: Vec<u8>, folder: &Path) -> PathBuf {
    let folder = folder.join(format!("{name}.obj.zip"));
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    archive.extract(&folder).unwrap();
    let path = folder.join(format!("{name}.obj"));
    let loose = format::write_obj_files(model, name);
    assert_eq!(archive.len(), 3);
    for (member, bytes) in [
        (&path, loose.obj),
        (&folder.join(loose.mtl_name), loose.mtl),
        (&folder.join(loose.texture_name), loose.texture),
    ] {
        assert!(fs::read(member).unwrap() == bytes, "{member:?} is another");
    }
    path
}

fn judge_gltf(written: &[Written], faults: &mut Vec<String>) {
    let paths = written.iter().map(|model| &model.files["glb"]);
    let script = root().join("tests/judges/validate-gltf.mjs");
    let verdicts: BTreeMap<PathBuf, GltfVerdict> = ask(Command::new("node").arg(script), paths);
    assert_eq!(verdicts.len(), written.len());
    for (path, verdict) in verdicts {
        if verdict.errors > 0 || verdict.warnings > 0 {
            let name = path.file_name().unwrap().to_string_lossy();
            faults.push(format!("{name}: {}", verdict.messages.join("; ")));
        }
    }
}

fn judge_meshes(written: &[Written], faults: &mut Vec<String>) {
    let paths = written.iter().flat_map(|model| model.files.values());
    let python = root().join(".cache/venv/bin/python");
    let script = root().join("tests/judges/judge_mesh.py");
    let verdicts: BTreeMap<PathBuf, MeshVerdict> = ask(Command::new(python).arg(script), paths);
    for model in written {
        let mut faces = Vec::new();
        for (format, path) in &model.files {
            let mut fault = |what: String| faults.push(format!("{}.{format}: {what}", model.name));
            let mesh = match &verdicts[path] {
                MeshVerdict::Loaded(mesh) => mesh,
                MeshVerdict::Refused { error } => {
                    fault(error.clone());
                    continue;
                }
            };
            faces.push(mesh.faces);
            if !mesh.watertight {
                fault("it is not watertight".to_owned());
            }
            if !mesh.winding {
                fault("its winding is not consistent".to_owned());
            }
            if mesh.volume <= 0.0 {
                fault(format!("its volume is {}", mesh.volume));
            }
            if !mesh.textured && TEXTURED.contains(format) {
                fault("its texture is missing".to_owned());
            }
            if mesh.faces > model.limit {
                fault(format!("it has {} faces, over {}", mesh.faces, model.limit));
            }
            if let Some(what) = misplaced(format, mesh.bounds) {
                fault(what);
            }
        }
        if faces.iter().any(|count| *count != faces[0]) {
            faults.push(format!("{}: its formats have {faces:?} faces", model.name));
        }
    }
}

/// Formats that bring their texture with them.
const TEXTURED: [&str; 2] = ["glb", "obj.zip"];

/// What is wrong with the place and size of a model in its file: 100 mm, standing on the ground, centred.
fn misplaced(format: &str, [min, max]: [[f64; 3]; 2]) -> Option<String> {
    let (unit, up) = if format == "stl" {
        (1.0, 2)
    } else {
        (0.001, 1)
    };
    let near = |value: f64, want: f64| (value / unit - want).abs() < 0.01;
    let size = (0..3).map(|axis| max[axis] - min[axis]).fold(0.0, f64::max);
    let stands = near(min[up], 0.0);
    let centred = (0..3).all(|axis| axis == up || near(min[axis] + max[axis], 0.0));
    (!near(size, 100.0) || !stands || !centred).then(|| format!("it lies from {min:?} to {max:?}"))
}

/// Hands `paths` to a judge, one a line, and reads its verdicts.
fn ask<'a, T: for<'de> Deserialize<'de>>(
    judge: &mut Command,
    paths: impl Iterator<Item = &'a PathBuf>,
) -> T {
    let mut child = judge
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{judge:?} does not start ({error}): {INSTALL}"));
    let mut list = child.stdin.take().unwrap();
    for path in paths {
        writeln!(list, "{}", path.display()).unwrap();
    }
    drop(list);
    let said = child.wait_with_output().unwrap();
    assert!(said.status.success(), "{judge:?} failed: {INSTALL}");
    serde_json::from_slice(&said.stdout).unwrap()
}

const INSTALL: &str = "run `make test`, which installs the judges and their pictures";

/// The pictures by name.
fn corpus() -> Vec<PathBuf> {
    let folder = root().join(".cache/corpus");
    let entries = fs::read_dir(&folder).unwrap_or_else(|_| panic!("there is no corpus: {INSTALL}"));
    let mut pictures: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    pictures.sort();
    pictures
}
