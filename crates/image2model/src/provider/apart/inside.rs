//! A child: confines itself, reads work from its input and answers on its output, until its input ends.

use std::{
    io::{self, Stdout},
    sync::{
        Arc, Barrier, Mutex, PoisonError,
        mpsc::{self, Receiver, SyncSender},
    },
    thread,
};

use reconstruct::{Error, Format, Limits, Observer, Step, format};

use super::{
    confinement::{Bounds, confine},
    frame::{self, Answer, Ask, Work},
};
use crate::{
    job::{
        Notice,
        transition::{Failure, Retry},
    },
    provider::{
        Generated, ModelRequest,
        local::{conversion_peak, failed, make, peak_bytes, write},
    },
};

/// Bytes of stack for the thread that reads.
const READING_STACK: usize = 256 << 10;

/// Works for the parent at the other end of standard input and output, and ends with it: at the end of its input it
/// ends at once, whatever it does.
///
/// # Errors
/// It could not be confined, and has read nothing; or the parent listens no more.
pub fn serve_apart(bounds: Bounds) -> io::Result<()> {
    let (tell, asked) = mpsc::sync_channel(1);
    // No thread can start later: this one is there before, and reads nothing until it may.
    let stages = Arc::new(Barrier::new(2));
    let seen = stages.clone();
    thread::Builder::new()
        .stack_size(READING_STACK)
        .spawn(move || {
            seen.wait();
            seen.wait();
            listen(&tell);
        })?;
    stages.wait();
    let is_filtered = confine(bounds)?;
    let mut answers = io::stdout();
    frame::write(&mut answers, &Answer::Ready { is_filtered }, &[])?;
    stages.wait();
    work(&asked, answers)
}

/// Passes on what the parent says, and ends the process when it says nothing more.
#[expect(
    clippy::disallowed_methods,
    clippy::exit,
    reason = "nothing is open here, and nobody is left to work for"
)]
fn listen(tell: &SyncSender<(Ask, Vec<u8>)>) {
    let mut parent = io::stdin().lock();
    while let Ok(asked) = frame::read(&mut parent) {
        if tell.send(asked).is_err() {
            break;
        }
    }
    std::process::exit(0)
}

fn work(asked: &Receiver<(Ask, Vec<u8>)>, answers: Stdout) -> io::Result<()> {
    let mut told = None;
    let parent = Parent(Mutex::new(answers));
    while let Ok((ask, body)) = asked.recv() {
        match ask {
            Ask::Prepare(work) => {
                // Before another one comes in, so that two are never held.
                told = None;
                match needs(&work, &body) {
                    Ok(bytes) => {
                        parent.tell(&Answer::Needs { bytes }, &[])?;
                        told = Some((work, body));
                    }
                    Err(failure) => parent.tell_failure(failure)?,
                }
            }
            Ask::Begin => {
                let Some((work, body)) = told.take() else {
                    return Err(io::Error::other("nothing was told that could begin"));
                };
                match done(&work, &body, &parent) {
                    Ok(made) => parent.hand_over(made)?,
                    Err(failure) => parent.tell_failure(failure)?,
                }
            }
        }
    }
    Ok(())
}

/// Bytes that the work will hold at most.
fn needs(work: &Work, body: &[u8]) -> Result<u64, Failure> {
    match work {
        Work::Generate {
            options, formats, ..
        } => {
            let request = request(options, formats)?;
            peak_bytes(body, &request.making, &Limits::default()).map_err(|error| failed(&error))
        }
        Work::Convert { .. } => Ok(conversion_peak(body.len())),
    }
}

fn done(work: &Work, body: &[u8], parent: &Parent) -> Result<Generated, Failure> {
    match work {
        Work::Generate {
            options,
            formats,
            stem,
        } => {
            let request = request(options, formats)?;
            make(body, &request, stem, &Limits::default(), parent).map_err(|error| failed(&error))
        }
        Work::Convert { format, stem } => {
            let format = Format::from_extension(format).ok_or_else(|| unknown("format", format))?;
            let written = format::read_glb(body).and_then(|model| write(&model, format, stem));
            Ok(Generated {
                files: vec![written.map_err(|error: Error| failed(&error))?],
                warnings: Vec::new(),
            })
        }
    }
}

fn request(options: &[(String, String)], formats: &[String]) -> Result<ModelRequest, Failure> {
    ModelRequest::from_stored(options, formats)
        .map_err(|error| unknown("options", &error.to_string()))
}

/// Only a parent of another version asks for such things.
fn unknown(code: &str, what: &str) -> Failure {
    Failure {
        error: Notice {
            code: code.to_owned(),
            message: format!("the decoder does not know {what:?}"),
        },
        retry: Retry::Never,
    }
}

/// The other end of standard output.
struct Parent(Mutex<Stdout>);

impl Parent {
    fn tell(&self, answer: &Answer, body: &[u8]) -> io::Result<()> {
        let mut output = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        frame::write(&mut *output, answer, body)
    }

    fn tell_failure(&self, Failure { error, retry }: Failure) -> io::Result<()> {
        self.tell(&Answer::failed(error, retry), &[])
    }

    fn hand_over(&self, made: Generated) -> io::Result<()> {
        for file in made.files {
            let format = file.format.to_owned();
            self.tell(&Answer::File { format }, &file.bytes)?;
        }
        let warnings = made.warnings;
        self.tell(&Answer::Done { warnings }, &[])
    }
}

impl Observer for Parent {
    fn begin(&self, step: Step) {
        let name = step.name().to_owned();
        // A parent that is gone ends this process by the end of its input.
        let _ = self.tell(&Answer::Step { name }, &[]);
    }

    /// Never: who does not want the result kills.
    fn cancelled(&self) -> bool {
        false
    }
}
