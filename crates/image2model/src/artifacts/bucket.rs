//! Files in a bucket of an S3 server: how it is reached, tried at start, and what is said when it fails.
//!
//! Credentials, region and endpoint come from the usual AWS variables, which `object_store` reads by itself. Only
//! single `PUT`s can be conditional everywhere; the end of a multipart upload is not, so there a key is looked for
//! first, and no two writers ever share one.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures::TryStreamExt;
use object_store::{
    BackoffConfig, ClientConfigKey, Error, ObjectStore, ObjectStoreExt, PutMode, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    path::Path as Location,
    prefix::PrefixStore,
};
use uuid::Uuid;

use super::ArtifactError;

/// What the trials at start are kept under: no key of a job begins so.
const TRIALS: &str = "trials";

/// The least that S3 takes as a part, unless it is the last.
pub(super) const PART: usize = 5 * 1024 * 1024;

/// Time in which a server must have answered the trial.
const TRIAL: Duration = Duration::from_secs(20);

/// Silence after which a request is given up. A slow reader of a download takes as long as it likes.
const SILENCE: &str = "60s";
/// There is no "never"; [`SILENCE`] ends what hangs.
const NO_LIMIT: &str = "1day";

/// How long a request is tried again by itself: what answers again within this time costs nobody an attempt.
const PATIENT: RetryConfig = RetryConfig {
    backoff: BackoffConfig {
        init_backoff: Duration::from_millis(500),
        max_backoff: Duration::from_secs(5),
        base: 2.0,
    },
    max_retries: 10,
    retry_timeout: Duration::from_secs(30),
};

/// Where instances are given their credentials, which is asked when the environment has none.
const METADATA: &str = "169.254.169.254";

/// Codes by which S3 servers say that there is no room.
const FULL: [&str; 3] = ["QuotaExceeded", "XMinioStorageFull", "InsufficientCapacity"];

/// Opens a bucket of the server that `server` leads to, and tries it.
///
/// # Errors
/// In one sentence, without secrets: which bucket, and why it cannot be used.
pub(super) async fn open(
    server: AmazonS3Builder,
    name: &str,
    prefix: &str,
) -> Result<Arc<dyn ObjectStore>, String> {
    // `object_store`'s client takes the process's provider of cryptography.
    crate::tls::install_provider();
    let builder = server
        .with_bucket_name(name)
        .with_config(client(ClientConfigKey::Timeout), NO_LIMIT)
        .with_config(client(ClientConfigKey::ReadTimeout), SILENCE)
        .with_disable_bulk_delete(true);
    let (endpoint, is_plain) = endpoint(&builder);
    let unusable = |why: String| format!("cannot use the bucket {name} at {endpoint}: {why}");
    if is_plain && !is_plain_allowed(&builder) {
        let why = "this endpoint is not encrypted; set AWS_ALLOW_HTTP=true if that is meant";
        return Err(unusable(why.to_owned()));
    }
    let built = |retry: RetryConfig| {
        let bucket = builder.clone().with_retry(retry).build();
        let bucket = bucket.map_err(|error| unusable(said(&error)))?;
        Ok::<Arc<dyn ObjectStore>, String>(if prefix.is_empty() {
            Arc::new(bucket)
        } else {
            Arc::new(PrefixStore::new(bucket, prefix))
        })
    };
    // Whoever waits for a start is told soon what is wrong.
    let hasty = RetryConfig {
        max_retries: 3,
        ..RetryConfig::default()
    };
    let tried = try_out(&*built(hasty)?).await;
    tried.map_err(unusable)?;
    built(PATIENT)
}

fn client(key: ClientConfigKey) -> AmazonS3ConfigKey {
    AmazonS3ConfigKey::Client(key)
}

/// The server without what may be secret in its address, and whether its connections are not encrypted.
fn endpoint(builder: &AmazonS3Builder) -> (String, bool) {
    let given = builder
        .get_config_value(&AmazonS3ConfigKey::S3Endpoint)
        .or_else(|| builder.get_config_value(&AmazonS3ConfigKey::Endpoint));
    let Some(given) = given else {
        let region = builder.get_config_value(&AmazonS3ConfigKey::Region);
        let region = region.unwrap_or_else(|| "us-east-1".to_owned());
        return (format!("https://s3.{region}.amazonaws.com"), false);
    };
    match url::Url::parse(&given) {
        Ok(url) => {
            let shown = url.origin().ascii_serialization();
            (shown, url.scheme() == "http")
        }
        Err(_) => ("the address in AWS_ENDPOINT_URL".to_owned(), false),
    }
}

/// Whether connections need no encryption, in the words that `object_store` takes for a yes.
fn is_plain_allowed(builder: &AmazonS3Builder) -> bool {
    builder
        .get_config_value(&client(ClientConfigKey::AllowHttp))
        .is_some_and(|allowed| {
            ["1", "true", "on", "yes", "y"].contains(&allowed.to_lowercase().as_str())
        })
}

/// Tries a bucket within [`TRIAL`].
async fn try_out(bucket: &dyn ObjectStore) -> Result<(), String> {
    tokio::time::timeout(TRIAL, write_once(bucket))
        .await
        .unwrap_or_else(|_| {
            let seconds = TRIAL.as_secs();
            Err(format!("it does not answer within {seconds} seconds"))
        })
}

/// Writes a small file, sees that it cannot be written again, and deletes it: what every job needs of the server.
async fn write_once(bucket: &dyn ObjectStore) -> Result<(), String> {
    let trial = Location::from(format!("{TRIALS}/{}", Uuid::new_v4().simple()));
    let put = || bucket.put_opts(&trial, "trial".into(), PutMode::Create.into());
    put().await.map_err(|error| said(&error))?;
    let again = put().await;
    bucket.delete(&trial).await.map_err(|error| {
        let why = said(&error);
        format!("a file can be written, but not deleted: {why}")
    })?;
    match again {
        Err(Error::AlreadyExists { .. }) => Ok(()),
        Err(error) => Err(said(&error)),
        Ok(_) => Err(
            "it overwrites files that must be written once (it ignores If-None-Match)".to_owned(),
        ),
    }
}

/// Deletes the files of trials whose process was killed at least `grace` ago; returns how many.
pub(super) async fn tidy(
    bucket: &dyn ObjectStore,
    grace: Duration,
) -> Result<usize, ArtifactError> {
    let Some(before) = SystemTime::now().checked_sub(grace) else {
        return Ok(0);
    };
    let mut removed = 0;
    let mut trials = bucket.list(Some(&TRIALS.into()));
    while let Some(trial) = trials.try_next().await? {
        if SystemTime::from(trial.last_modified) <= before {
            bucket.delete(&trial.location).await?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// What to do about a failed call, and what is worth saying of it.
pub(super) fn failure(error: &Error) -> ArtifactError {
    let text = error.to_string();
    match element(&text, "Code") {
        Some(code) if FULL.contains(&code) => ArtifactError::Full,
        Some(_) => ArtifactError::Unavailable(said(error)),
        None => ArtifactError::Unavailable(first_line(&text)),
    }
}

/// One line of what the server answered or why it was not reached. An answer's whole body would do for neither: it
/// has many lines, and repeats what was signed.
fn said(error: &Error) -> String {
    let text = error.to_string();
    if let Some(code) = element(&text, "Code") {
        let message = element(&text, "Message").unwrap_or_default();
        let message: Vec<_> = message.split_whitespace().collect();
        return match message.join(" ") {
            message if message.is_empty() => format!("the server answers {code}"),
            message => format!("{message} ({code})"),
        };
    }
    if text.contains(METADATA) {
        return "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            .to_owned();
    }
    let mut cause: &(dyn std::error::Error + 'static) = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    first_line(&cause.to_string())
}

/// An answer without an explanation ends at its status; what follows may be a page of a proxy.
fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.trim_end_matches([':', ' ']).to_owned()
}

/// The text of an element of an answer.
fn element<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = answer.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(body: &str) -> Error {
        Error::Generic {
            store: "S3",
            source: format!("Server returned non-2xx status code: 403 Forbidden: {body}").into(),
        }
    }

    #[test]
    fn an_answer_is_told_in_a_line_without_what_was_signed() {
        let refused = "<?xml version=\"1.0\"?>\n<Error><Code>SignatureDoesNotMatch</Code><Message>The signature\n \
                       does not match.</Message><AWSAccessKeyId>secret</AWSAccessKeyId>\
                       <StringToSign>secret</StringToSign></Error>";
        let told = "The signature does not match. (SignatureDoesNotMatch)";
        assert_eq!(said(&answered(refused)), told);
        let unexplained = said(&answered("<Error><Code>Busy</Code></Error>"));
        assert_eq!(unexplained, "the server answers Busy");
        let page = said(&answered("\n<html>secret</html>"));
        assert_eq!(page, "Server returned non-2xx status code: 403 Forbidden");
    }

    #[test]
    fn a_bucket_without_room_is_told_from_other_failures() {
        for code in FULL {
            let error = answered(&format!("<Error><Code>{code}</Code></Error>"));
            assert!(matches!(failure(&error), ArtifactError::Full), "{code}");
        }
        let error = answered("<Error><Code>SlowDown</Code></Error>");
        assert!(matches!(failure(&error), ArtifactError::Unavailable(_)));
    }
}
