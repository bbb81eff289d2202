//! `image2model convert`: pictures to models, and meshes to other formats, no server, no network.
//!
//! `inputs` finds the pictures, `plan` says where each one's files go (never onto a picture, never twice onto
//! one file), `make` turns one picture into its files. Here the pictures are shared out among the jobs; each
//! waits for its share of memory before it is decoded, and fails alone.

mod inputs;
mod make;
mod plan;

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use reconstruct::{
    Format, ModelKind, Options, Warning, import,
    options::{Kind, specs},
};
use serde::Serialize;

use self::{inputs::Source, make::Maker, plan::Plan};
use super::output::{Report, Style};
use crate::{
    config::Config,
    provider::{Budget, memory_limit},
};

/// Pictures are JPEG, PNG or WebP by content, whatever their names. A GLB, OBJ, STL or PLY is written in other formats: it
/// keeps its faces and size unless --face-limit or --size says otherwise, and what shapes pictures does not apply to it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Pictures or meshes, folders of pictures (not their subfolders), globs, or `-` for standard input
    #[arg(required = true, value_name = "PICTURE")]
    inputs: Vec<PathBuf>,

    /// File whose extension names the format, or folder, or `-` for standard output [default: beside each
    /// picture]
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,

    /// Shape: inflate (a rounded body), relief (height from brightness) or extrude (a silhouette)
    #[arg(long, default_value = "inflate", value_parser = model, value_name = "SHAPE")]
    model: ModelKind,

    /// glb, obj (with mtl and texture beside it), obj.zip, stl or ply; several by comma or again
    #[arg(long, value_delimiter = ',', value_parser = format, value_name = "FORMAT")]
    format: Vec<Format>,

    /// Most triangles, 100 to 500000; fewer count as 100 [default: 20000]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    face_limit: Option<String>,

    /// Longest edge in millimetres [default: 100]
    #[arg(
        long,
        visible_alias = "size-mm",
        value_name = "MM",
        allow_hyphen_values = true
    )]
    size: Option<String>,

    /// Longest side of the texture in pixels, 64 to 4096 [default: 1024]
    #[arg(long, value_name = "PIXELS", allow_hyphen_values = true)]
    texture_size: Option<String>,

    /// Any option of the shape; again for several (a wrong name shows what there is)
    #[arg(long = "option", value_parser = pair, value_name = "NAME=VALUE")]
    options: Vec<(String, String)>,

    /// Picture of what belongs to the object: white, or opaque, is object
    #[arg(long, value_name = "FILE")]
    mask: Option<PathBuf>,

    /// Also draw each model, as NAME.preview.png
    #[arg(long)]
    preview: bool,

    /// Also draw 24 views around each model, as NAME.turntable.png
    #[arg(long)]
    turntable: bool,

    /// One JSON object a line for each picture
    #[arg(long)]
    json: bool,

    /// Pictures worked on at once [default: one per core]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024), value_name = "N")]
    jobs: Option<u16>,
}

fn model(name: &str) -> Result<ModelKind, String> {
    ModelKind::from_name(name).ok_or_else(|| "there are inflate, relief and extrude".to_owned())
}

fn format(name: &str) -> Result<Format, String> {
    Format::from_extension(name.trim_start_matches('.'))
        .ok_or_else(|| "there are glb, obj, obj.zip, stl and ply".to_owned())
}

fn pair(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .ok_or_else(|| "it must be NAME=VALUE, for example depth=0.5".to_owned())
}

/// What `--option` knows for each shape.
pub(super) fn shape_options() -> String {
    let mut text = String::from("Options of the shapes, each by --option NAME=VALUE:\n");
    for shape in ModelKind::ALL {
        text.push_str(&format!("\n  {}\n", shape.name()));
        // The common ones have flags of their own.
        for spec in specs(shape)
            .iter()
            .filter(|spec| !COMMON.contains(&spec.name))
        {
            let values = match &spec.kind {
                Kind::Integer { min, max, default } => format!("{min} to {max} [{default}]"),
                Kind::Number {
                    min, max, default, ..
                } => {
                    let default = default.map_or(String::new(), |value| format!(" [{value}]"));
                    format!("{min} to {max}{default}")
                }
                Kind::Choice { values, default } => format!("{} [{default}]", values.join(" or ")),
                Kind::Boolean { default } => format!("true or false [{default}]"),
            };
            text.push_str(&format!(
                "    {}: {values}\n      {}\n",
                spec.name, spec.help
            ));
        }
    }
    text
}

/// Options that have a flag.
const COMMON: [&str; 3] = ["face_limit", "texture_size", "size_mm"];

/// How one picture ended.
pub(super) struct Outcome {
    /// As given, `-` for standard input.
    pub(super) input: String,
    pub(super) result: Result<Made, Failure>,
    pub(super) took: Duration,
}

/// What became of a picture.
#[derive(Debug, Serialize)]
pub(super) struct Made {
    pub(super) files: Vec<Written>,
    pub(super) faces: usize,
    /// Edges of the bounding box: width, height, depth.
    pub(super) size_mm: [f32; 3],
    #[serde(skip)]
    pub(super) warnings: Vec<Warning>,
}

/// A finished file.
#[derive(Debug, Serialize)]
pub(super) struct Written {
    pub(super) path: String,
    pub(super) bytes: usize,
}

/// Why a picture has no model.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: &'static str,
    pub(super) message: String,
}

/// Turns all pictures into models; 1 when some failed.
///
/// # Errors
/// Wrong usage, before anything is read or written.
pub(super) fn run(args: &Args, config: &Config) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let options = options(args)?;
    let (sources, missing) = inputs::find(&args.inputs);
    let plans = plan::lay_out(sources, missing.len(), args)?;
    let mask = args.mask.as_ref().map(read_mask).transpose()?;

    let style = match (args.json, plans.first()) {
        (_, Some(plan)) if plan.is_stdout() => Style::Quiet,
        (true, _) => Style::Json,
        (false, _) => Style::Lines,
    };
    let report = Report::new(style);
    let mut failed = missing.len();
    for (input, message) in missing {
        let outcome = Outcome {
            input,
            result: Err(Failure {
                code: "no_picture",
                message,
            }),
            took: Duration::ZERO,
        };
        report.end(report.begin(&outcome.input), &outcome);
    }
    let is_stdin = |plan: &Plan| plan.source == Source::Stdin;
    let maker = Maker {
        options,
        conversion: conversion(args)?,
        mask,
        // Read before Ctrl-C is listened for: until then it ends the program, however silent the input.
        stdin: Mutex::new(plans.iter().any(is_stdin).then(make::read_stdin)),
        preview: args.preview,
        turntable: args.turntable,
        budget: Budget::new(config.worker.memory.of(memory_limit())),
        cancelled: AtomicBool::new(false),
    };
    let total = plans.len();
    let made = convert_all(plans, jobs(args, config), &maker, &report)?;
    failed += total - made;
    report.sum_up(made, failed, begun.elapsed());
    Ok(ExitCode::from(u8::from(failed > 0)))
}

fn options(args: &Args) -> anyhow::Result<Options> {
    let texture_size = args.texture_size.as_deref().map(|v| ("texture_size", v));
    let named = args.options.iter().map(|(n, v)| (n.as_str(), v.as_str()));
    let given = common(args).chain(texture_size).chain(named);
    Ok(Options::parse(args.model, given)?)
}

/// What is asked of meshes.
fn conversion(args: &Args) -> anyhow::Result<import::Request> {
    Ok(import::Request::parse(common(args))?)
}

/// The options that pictures and meshes have in common, as far as they were given.
fn common(args: &Args) -> impl Iterator<Item = (&str, &str)> {
    [("face_limit", &args.face_limit), ("size_mm", &args.size)]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?)))
}

fn read_mask(path: &PathBuf) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read the mask {}", path.display()))
}

fn jobs(args: &Args, config: &Config) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    match (args.jobs, config.worker.threads) {
        (Some(jobs), _) => usize::from(jobs),
        (None, 0) => cores(),
        (None, threads) => threads,
    }
}

/// Runs `jobs` threads over the plans and says how many pictures became models. The first Ctrl-C ends it
/// between steps, the second at once.
fn convert_all(
    plans: Vec<Plan>,
    jobs: usize,
    maker: &Maker,
    report: &Report,
) -> anyhow::Result<usize> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .context("cannot listen for Ctrl-C")?;
    let handle = runtime.handle();
    let threads = jobs.min(plans.len());
    let made = AtomicUsize::new(0);
    let queue = Mutex::new(plans.into_iter());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    // Each thread holds a sender: when the last one has ended, so has the channel.
    let (alive, mut all_ended) = tokio::sync::mpsc::channel::<()>(1);
    let (next, made_here) = (&next, &made);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let alive = alive.clone();
            scope.spawn(move || {
                let _alive = alive;
                while let Some(plan) = next() {
                    let begun = Instant::now();
                    let bar = report.begin(&plan.input());
                    let result = maker.make(&plan, &bar, handle);
                    made_here.fetch_add(usize::from(result.is_ok()), Ordering::Relaxed);
                    let outcome = Outcome {
                        input: plan.input(),
                        result,
                        took: begun.elapsed(),
                    };
                    report.end(bar, &outcome);
                }
            });
        }
        drop(alive);
        runtime.block_on(async {
            tokio::select! {
                _ = all_ended.recv() => {}
                () = interrupted_twice(&maker.cancelled) => end_at_once(),
            }
        });
    });
    Ok(made.into_inner())
}

/// Sets `once` at the first Ctrl-C and returns at the second.
async fn interrupted_twice(once: &AtomicBool) {
    interrupted().await;
    once.store(true, Ordering::Relaxed);
    interrupted().await;
}

async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        // It cannot be heard, so it never comes.
        std::future::pending::<()>().await;
    }
}

#[expect(
    clippy::disallowed_methods,
    clippy::exit,
    reason = "a thread may wait for a pipe or a disk for ever, and nothing else ends it"
)]
fn end_at_once() {
    // As shells tell of a program that Ctrl-C has ended.
    std::process::exit(130);
}

impl Source {
    /// As the person named it.
    fn name(&self) -> String {
        match self {
            Self::Stdin => "-".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }
}
