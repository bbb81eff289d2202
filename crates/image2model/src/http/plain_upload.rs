//! The form of a browser without scripts on a server with keys: it can set no header, so the key is the form's first
//! field, read before any file.

use axum::{
    extract::{
        State,
        multipart::{MultipartError, MultipartRejection},
    },
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};

use crate::{
    access::{Token, rate::Admission},
    service::{Caller, Service, UploadPlace},
};

use super::{
    access,
    error::Problem,
    form::Intake,
    limits,
    openapi::{self, Doc},
    parts::{self, Parts},
    upload,
};

/// Bytes of the longest key that is read.
pub(super) const LONGEST_KEY: usize = 1024;

/// `POST /plain`: an upload that leads to its job's page, which a signed link opens.
pub(super) async fn create(
    State(service): State<Service>,
    anyone: Caller,
    headers: HeaderMap,
    parts: Result<Parts, MultipartRejection>,
) -> Result<Response, Problem> {
    let mut parts = parts.map_err(|_| no_key())?;
    let (place, caller, admission) = match admitted(&service, anyone, &mut parts).await {
        Ok(admitted) => admitted,
        Err(refused) => {
            upload::hear_out(&mut parts).await;
            return Ok(*refused);
        }
    };
    let now = service.now();
    let accepted =
        upload::accept_at(place, service, caller, &headers, parts, Intake::Pictures).await;
    Ok(limits::told(accepted, &admission, now))
}

/// Who sends the form, counted, and a place for it.
async fn admitted(
    service: &Service,
    anyone: Caller,
    parts: &mut Parts,
) -> Result<(UploadPlace, Caller, Admission), Box<Response>> {
    let refused = |problem: Problem| Box::new(problem.into_response());
    // The address has it until the key is known, whose it is then.
    let place = service.upload_place(&anyone);
    let place = place.map_err(|error| refused(error.into()))?;
    let caller = holder(service, parts).await.map_err(refused)?;
    let caller = caller.unwrap_or(anyone);
    let admission = limits::admit_form(service, &caller).await?;
    let place = place.passed_to(service, &caller);
    let place = place.map_err(|error| refused(error.into()))?;
    Ok((place, caller, admission))
}

pub(super) fn docs() -> Vec<Doc> {
    vec![
        upload::answered(Doc::post("/plain", "upload", "upload_plain"))
            .says(
                "Pictures to models, by a form without scripts",
                "As an upload, with the key as the first part.",
            )
            .takes_form(openapi::plain_form)
            .refuses(401, "The form has no key, and the server has some."),
    ]
}

/// Who sends the form; `None` where nobody needs a key.
async fn holder(service: &Service, form: &mut Parts) -> Result<Option<Caller>, Problem> {
    let first = form.next().await.map_err(|error| broken(&error))?;
    let named = |name: Option<&str>| name == Some("key");
    let Some(mut field) = first.filter(|field| named(field.name()) && field.file_name().is_none())
    else {
        return Err(no_key());
    };
    let mut key = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|error| broken(&error))? {
        key.extend_from_slice(&chunk);
        if key.len() > LONGEST_KEY {
            let message = format!("key is over the limit of {LONGEST_KEY} bytes.");
            return Err(Problem::field("key", message, "too_long"));
        }
    }
    let key = String::from_utf8_lossy(&key);
    if key.trim().is_empty() && !service.keyring.is_open().await? {
        let message = "This server needs a key, in the form's field for it.";
        let problem = Problem::new(StatusCode::UNAUTHORIZED, message);
        return Err(access::closed(service, problem));
    }
    access::holder(service, &Token::given(key.trim())).await
}

fn no_key() -> Problem {
    let message =
        "key is missing: send multipart/form-data with a part named key before the files.";
    Problem::field("key", message, "missing")
}

fn broken(error: &MultipartError) -> Problem {
    let malformed = "The multipart form is malformed or ended early.";
    parts::fault(error).unwrap_or_else(|| Problem::bad_request(malformed))
}
