//! The command line, as the real program runs it.

mod bad_input;
#[cfg(unix)]
mod interrupt;
mod meshes;
mod naming;
mod output;
mod usage;

use std::{
    fs,
    io::{Cursor, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use image::{ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};

/// A folder in which the program runs.
struct Desk(tempfile::TempDir);

/// How a run ended.
struct Run {
    code: i32,
    out: Vec<u8>,
    err: String,
}

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Names of all files in a folder, in order.
    fn list(&self, folder: &str) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.path(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn run(&self, arguments: &[&str]) -> Run {
        self.run_with(arguments, &[], &[])
    }

    /// `convert` with few faces, which is quick.
    fn convert(&self, arguments: &[&str]) -> Run {
        self.run(&[&["convert", "--face-limit", "300"], arguments].concat())
    }

    fn run_with(&self, arguments: &[&str], stdin: &[u8], environment: &[(&str, &str)]) -> Run {
        let mut child = Command::new(env!("CARGO_BIN_EXE_image2model"))
            .args(arguments)
            .envs(environment.iter().copied())
            .current_dir(self.0.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that refuses its arguments does not read, and closes the pipe.
        let _ = child.stdin.take().unwrap().write_all(stdin);
        let done = child.wait_with_output().unwrap();
        Run {
            code: done.status.code().unwrap_or(-1),
            out: done.stdout,
            err: String::from_utf8(done.stderr).unwrap(),
        }
    }
}

impl Run {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap()
    }

    #[track_caller]
    fn succeeded(self) -> Self {
        assert_eq!(self.code, 0, "{}", self.err);
        self
    }
}

/// A coloured disc on white.
fn disc(colour: [u8; 3]) -> Vec<u8> {
    let picture = RgbImage::from_fn(64, 64, |x, y| {
        let (x, y) = (f64::from(x) - 31.5, f64::from(y) - 31.5);
        Rgb(if x.hypot(y) < 20.0 { colour } else { [255; 3] })
    });
    encode(&picture.into(), ImageFormat::Png)
}

fn photo() -> Vec<u8> {
    disc([200, 40, 30])
}

/// One colour and one transparency all over.
fn plain(width: u32, height: u32, pixel: [u8; 4]) -> Vec<u8> {
    let picture = RgbaImage::from_pixel(width, height, Rgba(pixel));
    encode(&picture.into(), ImageFormat::Png)
}

fn encode(picture: &image::DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn is_glb(bytes: &[u8]) -> bool {
    reconstruct::format::read_glb(bytes).is_ok()
}

fn exists(path: &Path) -> bool {
    path.try_exists().unwrap()
}
