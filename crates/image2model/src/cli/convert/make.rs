//! One picture, or one mesh, to its files.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use reconstruct::{
    Bounds, Error, Format, Limits, Model, Observer, Options, Step, format, import, preview,
};
use tokio::runtime::Handle;

use super::{
    Failure, Made, Written,
    inputs::Source,
    plan::{Place, Plan, preview_name, turntable_name},
};
use crate::{
    cli::output::{self, Bar},
    provider::Budget,
};

const PREVIEW_SIDE: u32 = 768;
const TURNTABLE_SIDE: u32 = 320;

/// Bytes of the largest mesh.
const MESH_BYTES: u64 = 1 << 30;

/// What all pictures have in common.
pub(super) struct Maker {
    pub(super) options: Options,
    /// The same for meshes.
    pub(super) conversion: import::Request,
    /// The encoded picture of the person's own mask.
    pub(super) mask: Option<Vec<u8>>,
    /// What [`read_stdin`] gave, until the one picture that it is takes it.
    pub(super) stdin: Mutex<Option<Result<Vec<u8>, Failure>>>,
    pub(super) preview: bool,
    pub(super) turntable: bool,
    pub(super) budget: Budget,
    pub(super) cancelled: AtomicBool,
}

impl Maker {
    /// Reads, waits for memory, makes and writes. Blocks; a fault in the program fails this picture alone.
    pub(super) fn make(&self, plan: &Plan, bar: &Bar, handle: &Handle) -> Result<Made, Failure> {
        catch_unwind(AssertUnwindSafe(|| self.make_one(plan, bar, handle))).unwrap_or_else(|_| {
            Err(Failure {
                code: "panicked",
                message: "the model could not be made because of a fault in the program".to_owned(),
            })
        })
    }

    fn make_one(&self, plan: &Plan, bar: &Bar, handle: &Handle) -> Result<Made, Failure> {
        let limits = Limits::default();
        let watch = Watch { maker: self, bar };
        watch.checkpoint(Step::Decode)?;
        let source = match &plan.source {
            Source::Stdin => self.take_stdin()?,
            Source::File(path) => read_file(path)?,
        };
        let is_mesh = import::Source::of(&source).is_some();
        let mask = self.mask.as_deref();
        let needed = if is_mesh {
            import::peak_bytes(&source)?
        } else {
            let needed = reconstruct::peak_bytes(&source, mask, &self.options, &limits);
            needed.map_err(|error| match (error, &plan.source) {
                (Error::UnknownFormat, Source::File(path)) if names_mesh(path) => {
                    Error::UnknownMesh
                }
                (error, _) => error,
            })?
        };
        let room = handle.block_on(self.budget.take(needed));
        let _room = room.map_err(|refused| Failure {
            code: "over_budget",
            message: refused.to_string(),
        })?;
        let model = if is_mesh {
            import::import(&source, &self.conversion, &watch)?
        } else {
            reconstruct::reconstruct(&source, mask, &self.options, &limits, &watch)?
        };
        drop(source);
        let files = match &plan.place {
            Place::Stdout => vec![to_stdout(&model, plan.formats[0])?],
            Place::Folder { .. } => self.to_folder(&model, plan, &watch)?,
        };
        Ok(Made {
            files,
            faces: model.triangles.len(),
            size_mm: Bounds::of(&model.positions).size().map(|v| v * 1000.0),
            warnings: model.warnings,
        })
    }

    fn take_stdin(&self) -> Result<Vec<u8>, Failure> {
        let mut stdin = self.stdin.lock().unwrap_or_else(PoisonError::into_inner);
        stdin.take().unwrap_or_else(|| Ok(Vec::new()))
    }

    fn to_folder(
        &self,
        model: &Model,
        plan: &Plan,
        watch: &Watch<'_>,
    ) -> Result<Vec<Written>, Failure> {
        let Place::Folder {
            folder,
            stem,
            named,
        } = &plan.place
        else {
            return Ok(Vec::new());
        };
        fs::create_dir_all(folder).map_err(|e| cannot_write(folder, &e))?;
        let mut files = Files::default();
        watch.begin(Step::Write);
        for format in &plan.formats {
            watch.checkpoint(Step::Write)?;
            let path = match named {
                Some((own, path)) if own == format => path.clone(),
                _ => folder.join(format!("{stem}.{}", format.extension())),
            };
            files.put_model(&path, model, *format, stem)?;
        }
        watch.begin(Step::Preview);
        let staged = import::staged(model);
        if self.preview {
            let view = preview::View::three_quarter(PREVIEW_SIDE);
            let picture = preview::render(&staged, &view)?;
            files.put(&folder.join(preview_name(stem)), &picture)?;
        }
        if self.turntable {
            let strip = preview::turntable(&staged, TURNTABLE_SIDE, watch)?;
            files.put(&folder.join(turntable_name(stem)), &strip)?;
        }
        Ok(files.0)
    }
}

/// What has been written for one picture.
#[derive(Default)]
struct Files(Vec<Written>);

impl Files {
    fn put(&mut self, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
        replace(path, bytes).map_err(|e| cannot_write(path, &e))?;
        self.0.push(Written {
            path: path.display().to_string(),
            bytes: bytes.len(),
        });
        Ok(())
    }

    fn put_model(
        &mut self,
        path: &Path,
        model: &Model,
        format: Format,
        stem: &str,
    ) -> Result<(), Failure> {
        if format != Format::Obj {
            return self.put(path, &format::write(model, format, stem)?);
        }
        // What the OBJ names is there before the OBJ is.
        let files = format::write_obj_files(model, stem);
        self.put(&path.with_file_name(&files.texture_name), &files.texture)?;
        self.put(&path.with_file_name(&files.mtl_name), &files.mtl)?;
        self.put(path, &files.obj)
    }
}

/// Moves a picture's bar, and ends its work when the person has had enough.
struct Watch<'a> {
    maker: &'a Maker,
    bar: &'a Bar,
}

impl Observer for Watch<'_> {
    fn begin(&self, step: Step) {
        self.bar.step(step.percent_before(), step.name());
    }

    fn cancelled(&self) -> bool {
        self.maker.cancelled.load(Ordering::Relaxed)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            code: error.code(),
            message: error.to_string(),
        }
    }
}

/// All bytes of standard input; one over the limit is not read further.
pub(super) fn read_stdin() -> Result<Vec<u8>, Failure> {
    // A picture that is larger than pictures may be is refused by its own limit.
    read(io::stdin(), MESH_BYTES)
}

fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let file = File::open(path).map_err(|e| cannot_read(&e))?;
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let limit = if names_mesh(path) {
        MESH_BYTES
    } else {
        Limits::default().bytes
    };
    if length > limit {
        return Err(Failure::from(Error::TooLarge {
            what: "the file's size in bytes",
            value: length,
            limit,
        }));
    }
    read(file, limit)
}

/// Whether a file may be as large as a mesh: what it is, its content tells.
fn names_mesh(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        let known = import::Source::ALL.map(import::Source::name);
        known
            .iter()
            .any(|name| extension.eq_ignore_ascii_case(name))
    })
}

/// All bytes of a picture or a mesh; one over `limit` is not read further.
fn read(from: impl io::Read, limit: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = from.take(limit + 1).read_to_end(&mut bytes);
    read.map_err(|e| cannot_read(&e))?;
    Ok(bytes)
}

fn cannot_read(error: &io::Error) -> Failure {
    Failure {
        code: "unreadable",
        message: format!("it cannot be read: {error}"),
    }
}

fn to_stdout(model: &Model, format: Format) -> Result<Written, Failure> {
    let bytes = format::write(model, format, "model")?;
    output::bytes(&bytes).map_err(|e| cannot_write(Path::new("standard output"), &e))?;
    Ok(Written {
        path: "-".to_owned(),
        bytes: bytes.len(),
    })
}

/// Writes beside the place and moves it there when it is whole, so that nobody ever sees half a file.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".image2model-");
    #[cfg(unix)]
    {
        // Temporary files are private by default; a model is a file like any other.
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure {
        code: "unwritable",
        message: format!("cannot write {}: {error}", path.display()),
    }
}
