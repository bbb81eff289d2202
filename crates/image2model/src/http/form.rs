//! Reading an upload's form: images or meshes are streamed on as they come, options are collected, and everything that the
//! request itself shows to be wrong is found before a job is made.

use std::mem;

use axum::{extract::multipart::MultipartError, http::StatusCode};
use serde_json::json;

use crate::{
    archive::Archive,
    config::UploadSettings,
    job::{About, Priority},
    provider::{ModelRequest, RequestError},
    service::{Receiving, Submission},
};

use super::{
    caller::shortened,
    error::Problem,
    form_field::{FormField, LONGEST_VALUE},
    parts::{self, Part, Parts},
    words,
};

const EXTENSIONS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];
/// Options of one request; far more than any model has.
pub(super) const MOST_FIELDS: usize = 64;
/// Bytes of a file's name, as file systems allow.
const LONGEST_NAME: usize = 255;
/// Room for everything in a request that is not an image.
const OVERHEAD: u64 = 1 << 20;

/// What the files of a form are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intake {
    /// To become models.
    Pictures,
    /// To become models, and all in one archive.
    Archive,
    /// To be converted. Their content tells what they are, once they are read.
    Meshes,
}

impl Intake {
    /// The names that a file may have in a form; the first is the one that is asked for.
    pub(super) fn parts(self) -> &'static [&'static str] {
        match self {
            Self::Pictures => &["files"],
            Self::Archive => &["file"],
            Self::Meshes => &["file", "files"],
        }
    }

    pub(super) fn part(self) -> &'static str {
        self.parts()[0]
    }

    /// Bytes of the largest file that becomes a job's.
    pub(super) fn max_file_bytes(self, settings: &UploadSettings) -> u64 {
        match self {
            Self::Pictures | Self::Archive => settings.max_file_bytes,
            Self::Meshes => settings.max_mesh_bytes,
        }
    }

    /// Bytes of the longest request that can be right.
    pub(super) fn body_limit(self, settings: &UploadSettings) -> usize {
        let files = match self {
            Self::Archive => settings.max_archive_bytes,
            _ => (self.max_file_bytes(settings)).saturating_mul(settings.max_files as u64),
        };
        usize::try_from(files.saturating_add(OVERHEAD)).unwrap_or(usize::MAX)
    }
}

/// What an upload asks for, once its images are stored.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) request: ModelRequest,
    pub(super) priority: Priority,
    pub(super) about: About,
}

impl Asked {
    /// # Errors
    /// 403 when it asks for what the key does not give.
    pub(super) fn allowed(self, may_hurry: bool) -> Result<Self, Problem> {
        if self.priority == Priority::High && !may_hurry {
            return Err(Problem::forbidden(
                "priority is high, which this key may not ask for.",
            ));
        }
        Ok(self)
    }
}

/// The form as read so far.
pub(super) struct Form<'a> {
    intake: Intake,
    pub(super) settings: &'a UploadSettings,
    pub(super) submission: &'a mut Submission,
    /// Where the files come in one: it has come in whole, and nothing has been taken out of it.
    pub(super) archive: Option<Archive>,
    options: Vec<(String, String)>,
    formats: Vec<String>,
    labels: Vec<String>,
    /// A part for files was there, even if no file was chosen.
    has_files: bool,
    images: usize,
    refused: Vec<Refused>,
}

/// An image that the request itself shows to be wrong.
struct Refused {
    name: String,
    reason: String,
    too_large: bool,
}

/// What came of a file.
enum Filled {
    Whole,
    Empty,
    Over(u64),
}

/// Reads the whole form into `submission`.
///
/// # Errors
/// The first thing wrong with the request, or all wrong images together.
pub(super) async fn read(
    intake: Intake,
    settings: &UploadSettings,
    submission: &mut Submission,
    parts: &mut Parts,
) -> Result<Asked, Problem> {
    let mut form = Form {
        intake,
        settings,
        submission,
        archive: None,
        options: Vec::new(),
        formats: Vec::new(),
        labels: Vec::new(),
        has_files: false,
        images: 0,
        refused: Vec::new(),
    };
    while let Some(mut part) = parts.next().await.map_err(|e| form.broken(&e))? {
        form.part(&mut part).await?;
        // Of what is passed over, too.
        part.drain().await.map_err(|e| form.broken(&e))?;
    }
    form.finish().await
}

impl Form<'_> {
    async fn part(&mut self, field: &mut Part<'_>) -> Result<(), Problem> {
        let name = field.name().unwrap_or_default().to_owned();
        let is_file = self.intake.parts().contains(&name.as_str());
        match (is_file, field.file_name()) {
            (true, Some("")) => {
                self.has_files = true;
                Ok(())
            }
            (true, Some(_)) => {
                self.has_files = true;
                match self.intake {
                    Intake::Archive => self.take_archive(field).await,
                    Intake::Pictures | Intake::Meshes => self.image(field).await,
                }
            }
            (true, None) => Err(Problem::field(
                &name,
                format!("{name} must be files, each with a file name."),
                "file_expected",
            )),
            (false, Some(_)) => Err(Problem::field(
                &shortened(&name),
                format!(
                    "There is no part {:?} for files; {}.",
                    shortened(&name),
                    match self.intake {
                        Intake::Pictures =>
                            "send images in parts named files, an archive to /api/v1/upload/zip",
                        Intake::Archive => "send the archive in the part file",
                        Intake::Meshes => "send meshes in parts named file",
                    },
                ),
                "unexpected_file",
            )),
            (false, None) => self.option(name, field).await,
        }
    }

    async fn image(&mut self, field: &mut Part<'_>) -> Result<(), Problem> {
        self.images += 1;
        if self.images > self.settings.max_files {
            return Ok(());
        }
        let name = base_name(field.file_name().unwrap_or_default()).to_owned();
        let media_type = field.content_type().unwrap_or_default().to_owned();
        if !self.checked(&name, &media_type) {
            return Ok(());
        }
        let mut image = self.submission.receive().await?;
        let filled = self.fill(&mut image, field).await;
        if matches!(filled, Ok(Filled::Whole)) {
            return Ok(self.submission.keep(image, name, media_type).await?);
        }
        image.abort().await;
        match filled? {
            Filled::Whole => {}
            Filled::Empty => self.refuse_empty(&name),
            Filled::Over(limit) => self.refuse_large(&name, limit),
        }
        Ok(())
    }

    /// Whether name and declared type are right; if not, the file is refused.
    pub(super) fn checked(&mut self, name: &str, media_type: &str) -> bool {
        let checked = check(self.intake, name, media_type);
        if let Err(reason) = checked {
            self.refuse(name, reason, false);
            return false;
        }
        true
    }

    pub(super) fn refuse_empty(&mut self, name: &str) {
        self.refuse(name, "the file is empty".to_owned(), false);
    }

    pub(super) fn refuse_large(&mut self, name: &str, limit: u64) {
        let reason = format!("the file is over the limit of {limit} bytes");
        self.refuse(name, reason, true);
    }

    /// Streams a file on until its end or its limit.
    async fn fill(&self, image: &mut Receiving, field: &mut Part<'_>) -> Result<Filled, Problem> {
        let limit = self.intake.max_file_bytes(self.settings);
        while let Some(chunk) = field.chunk().await.map_err(|e| self.broken(&e))? {
            if image.size() + chunk.len() as u64 > limit {
                return Ok(Filled::Over(limit));
            }
            image.write(chunk).await?;
        }
        Ok(match image.size() {
            0 => Filled::Empty,
            _ => Filled::Whole,
        })
    }

    async fn option(&mut self, name: String, field: &mut Part<'_>) -> Result<(), Problem> {
        if self.options.len() + self.formats.len() + self.labels.len() >= MOST_FIELDS {
            return Err(Problem::field(
                &shortened(&name),
                format!("There are more than {MOST_FIELDS} options."),
                "too_many_fields",
            ));
        }
        let known = FormField::named(self.intake, &name);
        let longest = known.map_or(LONGEST_VALUE, FormField::longest);
        let mut value = Vec::new();
        while let Some(chunk) = field.chunk().await.map_err(|e| self.broken(&e))? {
            value.extend_from_slice(&chunk);
            if value.len() > longest || name.len() > LONGEST_VALUE {
                return Err(Problem::field(
                    &shortened(&name),
                    format!(
                        "{:?} is over the limit of {longest} bytes.",
                        shortened(&name)
                    ),
                    "too_long",
                ));
            }
        }
        let Ok(value) = String::from_utf8(value) else {
            return Err(Problem::field(
                &shortened(&name),
                "The value is not UTF-8.",
                "not_text",
            ));
        };
        // A form without scripts sends fields that were left empty.
        if value.is_empty() {
            return Ok(());
        }
        match known {
            Some(FormField::Format) => self.formats.push(value),
            Some(FormField::Label) => self.labels.push(value),
            Some(FormField::Labels) => self.labels.extend(words::labels(&value)?),
            Some(FormField::Model | FormField::Priority | FormField::Reference) | None => {
                if self.options.iter().any(|(known, _)| *known == name) {
                    let message = format!("{:?} is given twice.", shortened(&name));
                    return Err(Problem::field(&shortened(&name), message, "repeated"));
                }
                self.options.push((name, value));
            }
        }
        Ok(())
    }

    fn refuse(&mut self, name: &str, reason: String, too_large: bool) {
        self.refused.push(Refused {
            name: shortened(name),
            reason,
            too_large,
        });
    }

    async fn finish(mut self) -> Result<Asked, Problem> {
        if self.images > self.settings.max_files {
            return Err(self.too_many());
        }
        self.none_refused()?;
        if !self.has_files {
            let part = self.intake.part();
            return Err(Problem::field(
                part,
                format!("{part} is missing."),
                "missing",
            ));
        }
        if self.submission.is_empty() && self.archive.is_none() {
            return Err(Problem::bad_request("No files were given."));
        }
        let options = mem::take(&mut self.options);
        let labels = mem::take(&mut self.labels);
        let asked = ask(self.intake, options, &self.formats, labels)?;
        // Last, since it is the most work.
        if let Some(archive) = self.archive.take() {
            self.unpack(&archive).await?;
        }
        Ok(asked)
    }

    /// # Errors
    /// All files that were refused so far.
    pub(super) fn none_refused(&self) -> Result<(), Problem> {
        match self.refused.as_slice() {
            [] => Ok(()),
            refused => Err(refusal(refused)),
        }
    }

    fn too_many(&self) -> Problem {
        Problem::bad_request(format!(
            "There are {} files; the limit is {}.",
            self.images, self.settings.max_files
        ))
    }

    /// The body ended early, came too late, is no form, or is longer than any right one.
    pub(super) fn broken(&self, error: &MultipartError) -> Problem {
        if let Some(fault) = parts::fault(error) {
            return fault;
        }
        if error.status() != StatusCode::PAYLOAD_TOO_LARGE {
            return Problem::bad_request("The multipart form is malformed or ended early.");
        }
        if self.images > self.settings.max_files {
            return self.too_many();
        }
        let limit = self.intake.body_limit(self.settings);
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("The request is over the limit of {limit} bytes."),
        )
    }
}

/// The last part of a name that some clients send as a path.
fn base_name(name: &str) -> &str {
    name.rsplit(['/', '\\']).next().unwrap_or(name)
}

/// What name and declared type show.
fn check(intake: Intake, name: &str, media_type: &str) -> Result<(), String> {
    if name.len() > LONGEST_NAME {
        return Err(format!(
            "the name has {} bytes; the limit is {LONGEST_NAME}",
            name.len()
        ));
    }
    if name.is_empty() {
        return Err("it has no name".to_owned());
    }
    if name.chars().any(char::is_control) {
        return Err("the name has control characters".to_owned());
    }
    if intake == Intake::Meshes {
        return Ok(());
    }
    let extension = match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => extension.to_ascii_lowercase(),
        _ => String::new(),
    };
    if !EXTENSIONS.contains(&extension.as_str()) {
        return Err(format!(
            "the extension {extension:?} is not one of {}",
            EXTENSIONS.join(", ")
        ));
    }
    let image = media_type
        .get(..6)
        .is_some_and(|start| start.eq_ignore_ascii_case("image/"));
    if !image {
        return Err(format!("the declared type {media_type:?} is not image/*"));
    }
    Ok(())
}

/// One wrong image is named in the message; several have an entry each.
fn refusal(refused: &[Refused]) -> Problem {
    let entries: Vec<_> = refused
        .iter()
        .map(|one| format!("{}: {}", one.name, one.reason))
        .collect();
    let message = match entries.as_slice() {
        [only] => only.clone(),
        _ => "File validation failed".to_owned(),
    };
    let status = if refused.iter().all(|one| one.too_large) {
        StatusCode::PAYLOAD_TOO_LARGE
    } else {
        StatusCode::BAD_REQUEST
    };
    Problem::new(status, message).with_details(json!({"errors": entries}))
}

fn ask(
    intake: Intake,
    mut options: Vec<(String, String)>,
    formats: &[String],
    labels: Vec<String>,
) -> Result<Asked, Problem> {
    let mut take = |field: FormField| {
        FormField::named(intake, field.name())?;
        let place = options.iter().position(|(name, _)| name == field.name())?;
        Some(options.remove(place).1)
    };
    let model = take(FormField::Model);
    let priority = match take(FormField::Priority).as_deref() {
        None | Some("normal") => Priority::Normal,
        Some("high") => Priority::High,
        Some(other) => {
            let message = format!(
                "priority is {:?}; it must be normal or high",
                shortened(other)
            );
            return Err(Problem::field("priority", message, "value_error"));
        }
    };
    let about = words::about(labels, take(FormField::Reference))?;
    let request = match intake {
        Intake::Pictures | Intake::Archive => {
            ModelRequest::parse(model.as_deref(), &options, formats)
        }
        Intake::Meshes => ModelRequest::parse_conversion(&options, formats),
    };
    let request = request.map_err(|error| refused_option(&error, &options))?;
    Ok(Asked {
        request,
        priority,
        about,
    })
}

fn refused_option(error: &RequestError, options: &[(String, String)]) -> Problem {
    let field = match error {
        RequestError::Model(_) => "model",
        RequestError::Format(_) => "format",
        RequestError::Option(option) => &option.name,
    };
    // Existing clients know 400 for a count that is a number but no count.
    let none = |text: &str| text.trim().parse::<i64>().is_ok_and(|value| value <= 0);
    let message = error.to_string();
    if field == "face_limit"
        && options
            .iter()
            .any(|(name, value)| name == field && none(value))
    {
        return Problem::bad_request(message);
    }
    let known = options.iter().any(|(name, _)| name == field);
    let kind = match error {
        RequestError::Option(_) if known && message.contains("has no option") => "unknown_field",
        _ => "value_error",
    };
    Problem::field(&shortened(field), message, kind)
}
