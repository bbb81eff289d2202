//! Where the files of each picture go.
//!
//! Decided for all pictures before the first is read, so that a clash is found before anything is written.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use anyhow::{bail, ensure};
use reconstruct::{Format, format::file_stem};

use super::{Args, inputs::Source};

/// One picture and its files.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) source: Source,
    pub(super) formats: Vec<Format>,
    pub(super) place: Place,
}

#[derive(Debug)]
pub(super) enum Place {
    Stdout,
    /// `<folder>/<stem>.<extension>`, except for the one format whose file the person named.
    Folder {
        folder: PathBuf,
        stem: String,
        named: Option<(Format, PathBuf)>,
    },
}

impl Plan {
    pub(super) fn input(&self) -> String {
        self.source.name()
    }

    pub(super) fn is_stdout(&self) -> bool {
        matches!(self.place, Place::Stdout)
    }
}

/// Gives every picture its place. `missing` pictures are counted, too, when one file is to take all.
///
/// # Errors
/// When the output does not fit what is to be written.
pub(super) fn lay_out(
    sources: Vec<Source>,
    missing: usize,
    args: &Args,
) -> anyhow::Result<Vec<Plan>> {
    let count = sources.len() + missing;
    ensure!(
        args.mask.is_none() || count == 1,
        "--mask belongs to one picture, but there are {count}"
    );
    let target = Target::of(args)?;
    let mut taken = Taken::by(&sources, args.mask.as_deref());
    let mut formats = args.format.clone();
    match &target {
        Target::Stdout => {
            ensure!(count == 1, "-o - takes one picture, but there are {count}");
            ensure!(
                formats.len() <= 1 && !args.preview && !args.turntable,
                "-o - takes one file: one format, no preview, no turntable"
            );
        }
        Target::File(format, path) => {
            let shown = path.display();
            ensure!(
                count == 1,
                "{shown} is one file, but there are {count} pictures; name a folder"
            );
            formats.insert(0, *format);
        }
        Target::Folder(_) | Target::Beside => {}
    }
    if formats.is_empty() {
        formats.push(Format::Glb);
    }
    let mut distinct: Vec<Format> = Vec::new();
    formats.retain(|format| {
        let new = !distinct.contains(format);
        distinct.push(*format);
        new
    });
    sources
        .into_iter()
        .map(|source| {
            let place = target.place(&source, &formats, args, &mut taken)?;
            Ok(Plan {
                source,
                formats: formats.clone(),
                place,
            })
        })
        .collect()
}

/// What `-o` means.
enum Target {
    Stdout,
    File(Format, PathBuf),
    Folder(PathBuf),
    Beside,
}

impl Target {
    fn of(args: &Args) -> anyhow::Result<Self> {
        let Some(output) = &args.output else {
            let from_stdin = args.inputs.iter().any(|input| input == Path::new("-"));
            ensure!(
                !from_stdin,
                "a picture from standard input needs -o: a file, a folder, or - for standard output"
            );
            return Ok(Self::Beside);
        };
        if output == Path::new("-") {
            return Ok(Self::Stdout);
        }
        let text = output.to_string_lossy();
        if output.is_dir() || text.ends_with(['/', std::path::MAIN_SEPARATOR]) {
            return Ok(Self::Folder(output.clone()));
        }
        if let Some((format, _)) = extension(&text) {
            return Ok(Self::File(format, output.clone()));
        }
        match output.extension() {
            Some(unknown) => bail!(
                "{} names no format: .{} is none of .glb, .obj, .obj.zip, .stl and .ply (end it with / for a folder)",
                output.display(),
                unknown.display()
            ),
            None => Ok(Self::Folder(output.clone())),
        }
    }

    fn place(
        &self,
        source: &Source,
        formats: &[Format],
        args: &Args,
        taken: &mut Taken,
    ) -> anyhow::Result<Place> {
        let folder = match self {
            Self::Stdout => return Ok(Place::Stdout),
            Self::File(format, path) => return named(*format, path, formats, args, taken),
            Self::Folder(folder) => folder.clone(),
            Self::Beside => match source {
                Source::Stdin => PathBuf::new(),
                Source::File(path) => path.parent().unwrap_or(Path::new("")).to_path_buf(),
            },
        };
        let own = match source {
            Source::Stdin => "stdin".to_owned(),
            Source::File(path) => {
                let stem = path.file_stem().unwrap_or_default();
                file_stem(&stem.to_string_lossy())
            }
        };
        let numbered = (2_u32..).map(|n| format!("{own}-{n}"));
        let stem = std::iter::once(own.clone())
            .chain(numbered)
            .find(|stem| {
                let files = file_names(stem, formats, args);
                taken.claim(
                    &files
                        .iter()
                        .map(|name| folder.join(name))
                        .collect::<Vec<_>>(),
                )
            })
            .unwrap_or(own);
        Ok(Place::Folder {
            folder,
            stem,
            named: None,
        })
    }
}

/// The place of the one picture whose file the person named.
fn named(
    format: Format,
    path: &Path,
    formats: &[Format],
    args: &Args,
    taken: &mut Taken,
) -> anyhow::Result<Place> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // The named file keeps its name; what lies beside it gets one that every system takes.
    let stem = file_stem(extension(&name).map_or(&*name, |(_, stem)| stem));
    let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
    let mut files: Vec<_> = file_names(&stem, formats, args)
        .iter()
        .map(|name| folder.join(name))
        .collect();
    files.push(path.to_path_buf());
    if let Some(picture) = taken.clash(&files) {
        bail!(
            "{} is a picture that is read; it is never written over",
            picture.display()
        );
    }
    Ok(Place::Folder {
        folder,
        stem,
        named: Some((format, path.to_path_buf())),
    })
}

/// The format that a file's name ends with, and the rest of the name.
fn extension(name: &str) -> Option<(Format, &str)> {
    Format::ALL.into_iter().find_map(|format| {
        let end = name.len().checked_sub(format.extension().len() + 1)?;
        let (stem, ending) = (name.get(..end)?, name.get(end..)?);
        let fits = ending.starts_with('.') && ending[1..].eq_ignore_ascii_case(format.extension());
        fits.then_some((format, stem))
    })
}

/// Every file that may be written for a picture.
fn file_names(stem: &str, formats: &[Format], args: &Args) -> Vec<String> {
    let mut names = Vec::new();
    for format in formats {
        names.push(format!("{stem}.{}", format.extension()));
        if *format == Format::Obj {
            let with_it = [".mtl", "_texture.jpg", "_texture.png"];
            names.extend(with_it.map(|end| format!("{stem}{end}")));
        }
    }
    if args.preview {
        names.push(preview_name(stem));
    }
    if args.turntable {
        names.push(turntable_name(stem));
    }
    names
}

pub(super) fn preview_name(stem: &str) -> String {
    format!("{stem}.preview.png")
}

pub(super) fn turntable_name(stem: &str) -> String {
    format!("{stem}.turntable.png")
}

/// Files that are read, and files that are promised to a picture already.
struct Taken {
    read: HashSet<PathBuf>,
    promised: HashSet<String>,
}

impl Taken {
    fn by(sources: &[Source], mask: Option<&Path>) -> Self {
        let files = sources.iter().filter_map(|source| match source {
            Source::Stdin => None,
            Source::File(path) => Some(path.as_path()),
        });
        Self {
            read: files.chain(mask).map(place_of).collect(),
            promised: HashSet::new(),
        }
    }

    /// The first of `files` that is a picture.
    fn clash<'a>(&self, files: &'a [PathBuf]) -> Option<&'a Path> {
        files
            .iter()
            .map(PathBuf::as_path)
            .find(|file| self.read.contains(&place_of(file)))
    }

    /// Takes all of `files`, or none when one of them is taken.
    fn claim(&mut self, files: &[PathBuf]) -> bool {
        // Some file systems do not tell capitals from small letters.
        let key = |file: &PathBuf| place_of(file).to_string_lossy().to_lowercase();
        let keys: Vec<String> = files.iter().map(key).collect();
        if self.clash(files).is_some() || keys.iter().any(|key| self.promised.contains(key)) {
            return false;
        }
        self.promised.extend(keys);
        true
    }
}

/// One path for each file, however it was named and whether it exists or not.
fn place_of(file: &Path) -> PathBuf {
    if let Ok(place) = file.canonicalize() {
        return place;
    }
    let folder = match file.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    match (folder.canonicalize(), file.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => file.to_path_buf(),
    }
}
