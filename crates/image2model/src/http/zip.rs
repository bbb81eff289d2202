//! Pictures in one archive: taken in as an upload's pictures are, with the archive between the form and them.

use axum::{
    extract::{State, multipart::MultipartRejection},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde_json::json;

use crate::{
    archive::{Archive, Reason, Refusal},
    service::{ArchiveError, Caller, Service},
};

use super::{
    code::Code,
    error::Problem,
    form::{Form, Intake},
    openapi::{self, Doc},
    parts::{Part, Parts},
    upload,
};

/// `POST /upload/zip`: as an upload, but the pictures are in one archive.
pub(super) async fn create(
    State(service): State<Service>,
    caller: Caller,
    headers: HeaderMap,
    parts: Result<Parts, MultipartRejection>,
) -> Result<Response, Problem> {
    let parts = parts.map_err(|_| upload::no_form(Intake::Archive, &headers))?;
    upload::accept(service, caller, &headers, parts, Intake::Archive).await
}

impl Form<'_> {
    /// Takes the archive in. Its members wait until the form has ended: what else is wrong costs nothing then.
    pub(super) async fn take_archive(&mut self, field: &mut Part<'_>) -> Result<(), Problem> {
        if self.archive.is_some() {
            let message = "file is given twice; all pictures are sent in one archive.";
            return Err(Problem::field("file", message, "repeated"));
        }
        let limit = self.settings.max_archive_bytes;
        let mut spool = self.submission.spool().await?;
        while let Some(chunk) = field.chunk().await.map_err(|e| self.broken(&e))? {
            if spool.size() + chunk.len() as u64 > limit {
                let message = format!("The archive is over the limit of {limit} bytes.");
                return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, message));
            }
            spool.write(&chunk).await?;
        }
        self.archive = Some(spool.finish().await?);
        Ok(())
    }

    /// Stores the archive's files in its order.
    pub(super) async fn unpack(&mut self, archive: &Archive) -> Result<(), Problem> {
        let limit = self.settings.max_file_bytes;
        for member in archive.members() {
            if !self.checked(&member.name, media_type(&member.name)) {
                continue;
            }
            match member.size {
                0 => self.refuse_empty(&member.name),
                size if size > limit => self.refuse_large(&member.name, limit),
                _ => {}
            }
        }
        self.none_refused()?;
        for member in archive.members() {
            let media_type = media_type(&member.name).to_owned();
            self.submission.unpack(archive, member, media_type).await?;
        }
        Ok(())
    }
}

/// What an archive does not tell, by the name's ending; any image for one that pictures do not have.
fn media_type(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "webp" => "image/webp",
        _ => "image/jpeg",
    }
}

impl From<ArchiveError> for Problem {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Refused(refusal) => refusal.into(),
            ArchiveError::Service(error) => error.into(),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        let details = json!({"reason": refusal.reason, "member": refusal.member});
        let problem = match refusal.reason {
            Reason::TooLarge => Self::new(StatusCode::PAYLOAD_TOO_LARGE, message),
            _ => Self::bad_request(message).with_code(Code::BadArchive),
        };
        problem.with_details(details)
    }
}

pub(super) fn docs() -> Vec<Doc> {
    vec![
        upload::answered(Doc::post("/api/v1/upload/zip", "upload", "upload_zip"))
            .says(
                "Pictures in an archive to models",
                "As an upload, but the pictures are in one ZIP archive, in folders or not, and become a job in its order. \
                 Folders and what systems add (`__MACOSX`, `.DS_Store`, `Thumbs.db`) are passed over.",
            )
            .takes_form(openapi::archive),
    ]
}
