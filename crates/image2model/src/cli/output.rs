//! The only place that prints.
//!
//! Results go to standard output, complaints and progress to standard error. On a terminal every running
//! picture has a progress bar; elsewhere each ended picture is one plain line, or one JSON object with
//! `--json`. A reader who has gone away is no error: the work goes on.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde::Serialize;

use super::convert::{Made, Outcome};

/// Prints `text` as it is.
pub(super) fn text(text: &str) {
    let _ = bytes(text.as_bytes());
}

/// Prints a refusal.
pub(super) fn error(message: &str) {
    let _ = writeln!(io::stderr(), "error: {message}");
}

/// Tells something beside the result.
pub(super) fn note(message: &str) {
    let _ = writeln!(io::stderr(), "note: {message}");
}

/// Writes a file to standard output.
///
/// # Errors
/// When it cannot be written whole.
pub(super) fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// How the ends of pictures are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Lines,
    Json,
    /// Standard output carries the model itself.
    Quiet,
}

/// Tells of each picture as it runs and ends.
pub(super) struct Report {
    style: Style,
    bars: MultiProgress,
    animated: bool,
}

impl Report {
    pub(super) fn new(style: Style) -> Self {
        Self {
            style,
            bars: MultiProgress::new(),
            animated: style != Style::Json && io::stderr().is_terminal(),
        }
    }

    /// A bar for a picture that begins.
    pub(super) fn begin(&self, input: &str) -> Bar {
        if !self.animated {
            return Bar(None);
        }
        let bar = ProgressBar::new(100);
        let style = ProgressStyle::with_template("{bar:24} {pos:>3}%  {prefix}  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(input.to_owned());
        Bar(Some(self.bars.add(bar)))
    }

    /// Tells how a picture ended.
    pub(super) fn end(&self, bar: Bar, outcome: &Outcome) {
        if let Some(bar) = bar.0 {
            bar.finish_and_clear();
        }
        let (out, err) = match self.style {
            Style::Json => (json(outcome), String::new()),
            Style::Lines => (result_line(outcome), complaints(outcome)),
            Style::Quiet => (String::new(), complaints(outcome)),
        };
        self.bars.suspend(|| {
            let _ = io::stdout().write_all(out.as_bytes());
            let _ = io::stderr().write_all(err.as_bytes());
        });
    }

    /// Sums up a run over several pictures.
    pub(super) fn sum_up(&self, made: usize, failed: usize, took: Duration) {
        if self.style == Style::Lines && made + failed > 1 {
            let total = made + failed;
            let seconds = took.as_secs_f64();
            text(&format!(
                "{made} of {total} pictures became models in {seconds:.1} s\n"
            ));
        }
    }
}

/// Shows how far one picture is.
pub(super) struct Bar(Option<ProgressBar>);

impl Bar {
    pub(super) fn step(&self, percent: u8, step: &'static str) {
        if let Some(bar) = &self.0 {
            bar.set_position(u64::from(percent));
            bar.set_message(step);
        }
    }
}

/// A count on a terminal, for what is one task of many like parts; elsewhere nothing.
pub(super) struct Count(Option<ProgressBar>);

impl Count {
    pub(super) fn new() -> Self {
        if !io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{bar:24} {pos} of {len}  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self(Some(bar))
    }

    pub(super) fn stand(&self, done: usize, of: usize, step: &'static str) {
        if let Some(bar) = &self.0 {
            bar.set_length(of as u64);
            bar.set_position(done as u64);
            bar.set_message(step);
        }
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

fn result_line(outcome: &Outcome) -> String {
    let Ok(made) = &outcome.result else {
        return String::new();
    };
    let Made {
        files,
        faces,
        size_mm: [x, y, z],
        ..
    } = made;
    let paths: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
    let (input, paths) = (&outcome.input, paths.join(", "));
    let seconds = outcome.took.as_secs_f64();
    format!("{input} -> {paths}  ({faces} faces, {x:.1} x {y:.1} x {z:.1} mm, {seconds:.2} s)\n")
}

fn complaints(outcome: &Outcome) -> String {
    let input = &outcome.input;
    let mut lines = String::new();
    match &outcome.result {
        Ok(made) => {
            for warning in &made.warnings {
                let _ = writeln!(lines, "warning: {input}: {warning}");
            }
        }
        Err(failure) => {
            let _ = writeln!(lines, "error: {input}: {}", failure.message);
        }
    }
    lines
}

/// One JSON object on one line.
fn json(outcome: &Outcome) -> String {
    #[derive(Serialize)]
    struct Notice<'a> {
        code: &'a str,
        message: String,
    }
    #[derive(Serialize)]
    struct Line<'a> {
        input: &'a str,
        status: &'static str,
        seconds: f64,
        #[serde(flatten, skip_serializing_if = "Option::is_none")]
        made: Option<&'a Made>,
        #[serde(skip_serializing_if = "Option::is_none")]
        warnings: Option<Vec<Notice<'a>>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<Notice<'a>>,
    }
    let made = outcome.result.as_ref().ok();
    let line = Line {
        input: &outcome.input,
        status: if made.is_some() {
            "completed"
        } else {
            "failed"
        },
        seconds: (outcome.took.as_secs_f64() * 1000.0).round() / 1000.0,
        made,
        warnings: made.map(|made| {
            let notice = |warning: &'_ reconstruct::Warning| Notice {
                code: warning.code(),
                message: warning.to_string(),
            };
            made.warnings.iter().map(notice).collect()
        }),
        error: outcome.result.as_ref().err().map(|failure| Notice {
            code: failure.code,
            message: failure.message.clone(),
        }),
    };
    serde_json::to_string(&line).map_or_else(|_| String::new(), |text| text + "\n")
}
