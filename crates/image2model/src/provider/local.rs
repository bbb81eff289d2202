//! `reconstruct` on this machine's own threads.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use reconstruct::{Error, Format, Limits, Model, Observer, Step, format, import, preview};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{
    Budget, Generated, Making, ModelRequest, OnProgress, Produced, Provider, memory_limit,
};
use crate::{
    config::WorkerSettings,
    job::{
        Notice,
        transition::{Failure, Retry},
    },
};

/// Side of the picture of a finished model, in pixels.
const PREVIEW_SIDE: u32 = 512;

/// Makes models on a bounded number of blocking threads under a byte budget.
#[derive(Debug, Clone)]
pub struct LocalProvider {
    all_threads: usize,
    threads: Arc<Semaphore>,
    budget: Budget,
    limits: Limits,
}

impl LocalProvider {
    /// `worker.threads` threads (one per core for 0) under `worker.memory`.
    #[must_use]
    pub fn new(settings: &WorkerSettings) -> Self {
        let threads = threads(settings);
        Self {
            all_threads: threads,
            threads: Arc::new(Semaphore::new(threads)),
            budget: Budget::new(settings.memory.of(memory_limit())),
            limits: Limits::default(),
        }
    }

    /// Runs `work` on a thread of its own as soon as `needed` bytes and a thread are free.
    async fn run<T: Send + 'static>(
        &self,
        needed: u64,
        cancel: &CancellationToken,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Failure> {
        let room = async {
            // Memory first: a thread that waited for memory would be a thread less for work that has it.
            let share = self.budget.take(needed).await;
            let thread = self.threads.clone().acquire_owned().await;
            share.map(|share| (share, thread))
        };
        let held = tokio::select! {
            room = room => room.map_err(|refused| failure("over_budget", &refused))?,
            () = cancel.cancelled() => return Err(cancelled()),
        };
        on_thread(move || {
            // Held by the thread itself, which may outlive whoever waits for it.
            let _held = held;
            work()
        })
        .await
    }
}

#[async_trait]
impl Provider for LocalProvider {
    /// One more than there are threads: it is read or handed in while the others are computed.
    fn at_once(&self) -> usize {
        self.all_threads + 1
    }

    async fn generate(
        &self,
        source: Bytes,
        request: &ModelRequest,
        stem: &str,
        progress: OnProgress,
        cancel: CancellationToken,
    ) -> Result<Generated, Failure> {
        let limits = self.limits;
        let (header, making) = (source.clone(), request.making.clone());
        let needed = on_thread(move || peak_bytes(&header, &making, &limits)).await?;
        let observer = Attempt {
            progress,
            cancel: cancel.clone(),
        };
        let (request, stem) = (request.clone(), stem.to_owned());
        self.run(needed, &cancel, move || {
            make(&source, &request, &stem, &limits, &observer)
        })
        .await
    }

    async fn convert(&self, glb: Bytes, format: Format, stem: &str) -> Result<Produced, Failure> {
        let needed = conversion_peak(glb.len()).min(self.budget.total());
        let stem = stem.to_owned();
        self.run(needed, &CancellationToken::new(), move || {
            write(&format::read_glb(&glb)?, format, &stem)
        })
        .await
    }
}

/// As many as are set, or one per core.
pub(super) fn threads(settings: &WorkerSettings) -> usize {
    let threads = match settings.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    threads.min(Semaphore::MAX_PERMITS)
}

/// Tells the worker of each step and asks it whether to go on.
struct Attempt {
    progress: OnProgress,
    cancel: CancellationToken,
}

impl Observer for Attempt {
    fn begin(&self, step: Step) {
        (self.progress)(step.percent_before(), step.name());
    }

    fn cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }
}

/// Bytes that [`make`] will hold at most.
///
/// # Errors
/// The source is no picture or mesh, or over a limit.
pub(super) fn peak_bytes(source: &[u8], making: &Making, limits: &Limits) -> Result<u64, Error> {
    match making {
        Making::Reconstruct(options) => reconstruct::peak_bytes(source, None, options, limits),
        Making::Import(_) => import::peak_bytes(source),
    }
}

/// All that is asked for of one picture or mesh, wherever it runs.
///
/// # Errors
/// As `reconstruct`, and its formats.
pub(super) fn make(
    source: &[u8],
    request: &ModelRequest,
    stem: &str,
    limits: &Limits,
    observer: &dyn Observer,
) -> Result<Generated, Error> {
    let model = match &request.making {
        Making::Reconstruct(options) => {
            reconstruct::reconstruct(source, None, options, limits, observer)?
        }
        Making::Import(request) => import::import(source, request, observer)?,
    };
    observer.begin(Step::Write);
    let mut files = Vec::new();
    for format in std::iter::once(Format::Glb).chain(request.formats.iter().copied()) {
        observer.checkpoint(Step::Write)?;
        files.push(write(&model, format, stem)?);
    }
    observer.begin(Step::Preview);
    observer.checkpoint(Step::Preview)?;
    let view = preview::View::three_quarter(PREVIEW_SIDE);
    let drawn = preview::render(&import::staged(&model), &view)?;
    files.push(Produced::preview(drawn.into()));
    Ok(Generated {
        files,
        warnings: model.warnings.iter().map(notice).collect(),
    })
}

pub(super) fn write(model: &Model, format: Format, stem: &str) -> Result<Produced, Error> {
    let written = format::write(model, format, stem)?;
    Ok(Produced::model(format, written.into()))
}

fn notice(warning: &reconstruct::Warning) -> Notice {
    Notice {
        code: warning.code().to_owned(),
        message: warning.to_string(),
    }
}

/// Reading a model decodes its texture and unpacks its mesh: several times the file, and a base for small ones.
pub(super) fn conversion_peak(file: usize) -> u64 {
    file as u64 * 8 + (64 << 20)
}

/// Runs `work` where blocking is allowed. A panic fails this one attempt.
async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| failed(&error)),
        Err(stopped) if stopped.is_panic() => Err(Failure {
            error: Notice {
                code: "panicked".to_owned(),
                message: "the model could not be made because of a fault in the program".to_owned(),
            },
            retry: Retry::Backoff,
        }),
        Err(_) => Err(cancelled()),
    }
}

pub(super) fn failed(error: &Error) -> Failure {
    failure(error.code(), error)
}

pub(super) fn failure(code: &str, error: &dyn std::error::Error) -> Failure {
    Failure {
        error: Notice {
            code: code.to_owned(),
            message: error.to_string(),
        },
        retry: Retry::Never,
    }
}

pub(super) fn cancelled() -> Failure {
    Failure {
        error: Notice {
            code: "cancelled".to_owned(),
            message: "cancelled".to_owned(),
        },
        retry: Retry::Never,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Barrier, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    };

    use super::*;
    use crate::config::Memory;

    fn provider(memory: u64) -> LocalProvider {
        LocalProvider::new(&WorkerSettings {
            memory: Memory::Bytes(memory),
            threads: 1,
            ..WorkerSettings::default()
        })
    }

    /// A red disc on white, as a PNG.
    fn disc() -> Bytes {
        let picture = image::RgbImage::from_fn(48, 48, |x, y| {
            let (x, y) = (f64::from(x) - 23.5, f64::from(y) - 23.5);
            if x.hypot(y) < 16.0 {
                image::Rgb([200, 30, 30])
            } else {
                image::Rgb([255, 255, 255])
            }
        });
        let mut png = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut png, image::ImageFormat::Png).unwrap();
        png.into_inner().into()
    }

    fn request(formats: &[&str]) -> ModelRequest {
        let formats: Vec<_> = formats.iter().map(|name| (*name).to_owned()).collect();
        let few = [("face_limit".to_owned(), "200".to_owned())];
        ModelRequest::parse(None, &few, &formats).unwrap()
    }

    async fn generate(
        provider: &LocalProvider,
        image: Bytes,
        cancel: &CancellationToken,
    ) -> (Result<Generated, Failure>, Vec<(u8, &'static str)>) {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hears = heard.clone();
        let progress: OnProgress =
            Arc::new(move |percent, step| hears.lock().unwrap().push((percent, step)));
        let made = provider
            .generate(image, &request(&["stl"]), "disc", progress, cancel.clone())
            .await;
        let heard = heard.lock().unwrap().clone();
        (made, heard)
    }

    #[tokio::test]
    async fn a_picture_becomes_a_model_in_each_asked_format_with_a_preview() {
        let (made, heard) = generate(&provider(1 << 30), disc(), &CancellationToken::new()).await;
        let files = made.unwrap().files;
        let formats: Vec<_> = files.iter().map(|file| file.format).collect();
        assert_eq!(formats, ["glb", "stl", "preview"]);
        assert!(files[0].bytes.starts_with(b"glTF"));
        assert!(files[2].bytes.starts_with(b"\x89PNG"));
        assert!(heard.is_sorted(), "{heard:?}");
        let last = Step::Preview;
        let told = (last.percent_before(), last.name());
        assert_eq!(heard.last(), Some(&told), "{heard:?}");
    }

    #[tokio::test]
    async fn a_stored_model_is_written_in_another_format() {
        let provider = provider(1 << 30);
        let (made, _) = generate(&provider, disc(), &CancellationToken::new()).await;
        let made = made.unwrap();
        let converted = provider
            .convert(made.files[0].bytes.clone(), Format::Stl, "disc")
            .await
            .unwrap();
        assert_eq!(
            (converted.format, converted.media_type),
            ("stl", "model/stl")
        );
        assert!(converted.bytes.len() > 84);
        let broken = provider.convert(disc(), Format::Stl, "disc").await;
        assert_eq!(broken.unwrap_err().error.code, "model");
    }

    #[tokio::test]
    async fn a_mesh_becomes_the_same_files_as_a_picture() {
        let provider = provider(1 << 30);
        let (made, _) = generate(&provider, disc(), &CancellationToken::new()).await;
        let made = made.unwrap();
        let stl = made.files[1].bytes.clone();
        let request = ModelRequest::parse_conversion(&[], &["obj".to_owned()]).unwrap();
        let never = CancellationToken::new();
        let convert = async |mesh| {
            let progress: OnProgress = Arc::new(|_, _| {});
            let made = provider.generate(mesh, &request, "disc", progress, never.clone());
            made.await
        };
        let again = convert(stl).await.unwrap();
        let formats: Vec<_> = again.files.iter().map(|file| file.format).collect();
        assert_eq!(formats, ["glb", "obj", "preview"]);
        assert_eq!(again.warnings, []);
        let model = format::read_glb(&again.files[0].bytes).unwrap();
        let before = format::read_glb(&made.files[0].bytes).unwrap();
        assert_eq!(model.triangles.len(), before.triangles.len());
        let picture = convert(disc()).await.unwrap_err();
        assert_eq!(
            (picture.error.code.as_str(), picture.retry),
            ("unknown_format", Retry::Never)
        );
    }

    #[tokio::test]
    async fn bad_input_and_lack_of_memory_are_final_failures_that_say_why() {
        let never = CancellationToken::new();
        let (text, _) = generate(&provider(1 << 30), Bytes::from_static(b"text"), &never).await;
        let text = text.unwrap_err();
        assert_eq!(
            (text.error.code.as_str(), text.retry),
            ("unknown_format", Retry::Never)
        );
        let (large, _) = generate(&provider(2_000_000), disc(), &never).await;
        let large = large.unwrap_err();
        assert_eq!(
            (large.error.code.as_str(), large.retry),
            ("over_budget", Retry::Never)
        );
        assert!(
            large.error.message.contains("budget of 2 MB"),
            "{}",
            large.error.message
        );
    }

    #[tokio::test]
    async fn cancelled_work_stops_and_gives_back_what_it_held() {
        let provider = provider(1 << 30);
        let cancel = CancellationToken::new();
        cancel.cancel();
        let (stopped, _) = generate(&provider, disc(), &cancel).await;
        assert_eq!(stopped.unwrap_err().error.code, "cancelled");
        let (made, _) = generate(&provider, disc(), &CancellationToken::new()).await;
        made.unwrap();
    }

    #[tokio::test]
    async fn no_more_work_runs_at_once_than_there_are_threads() {
        const THREADS: usize = 2;
        let provider = LocalProvider::new(&WorkerSettings {
            threads: THREADS,
            ..WorkerSettings::default()
        });
        let never = CancellationToken::new();
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        // Each piece of work waits for a second one, so that all the threads are really used.
        let met = Arc::new((running, most, Barrier::new(THREADS)));
        let work = (0..20 * THREADS).map(|_| {
            let met = met.clone();
            provider.run(1, &never, move || {
                let (running, most, both) = &*met;
                most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                both.wait();
                running.fetch_sub(1, SeqCst);
                Ok(())
            })
        });
        futures::future::try_join_all(work).await.unwrap();
        assert_eq!(met.1.load(SeqCst), THREADS);

        let cores = std::thread::available_parallelism().unwrap().get();
        let by_default = LocalProvider::new(&WorkerSettings::default());
        assert_eq!(by_default.all_threads, cores);
    }

    #[tokio::test]
    async fn a_panic_fails_one_attempt_and_gives_back_its_thread() {
        let provider = provider(1 << 30);
        let never = CancellationToken::new();
        let broken = provider.run(1, &never, || -> Result<(), Error> { panic!("a fault") });
        let failed = broken.await.unwrap_err();
        assert_eq!(
            (failed.error.code.as_str(), failed.retry),
            ("panicked", Retry::Backoff)
        );
        assert_eq!(provider.run(1, &never, || Ok(7)).await, Ok(7));
    }
}
