//! Where the files lie, as `artifacts.url` says it.

use std::path::{Path, PathBuf};

use url::Url;

/// What is said of an address that is none.
const KNOWN: &str = "it is empty, file:///folder or s3://bucket/prefix";

/// Where the files lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Folder(PathBuf),
    /// A bucket, and what stands before each key in it; empty is nothing.
    Bucket {
        name: String,
        prefix: String,
    },
}

impl Place {
    /// Reads an address; an empty one is the folder `own`.
    ///
    /// # Errors
    /// What is wrong with it, without anything secret that stands in it.
    pub(super) fn read(address: &str, own: &Path) -> Result<Self, String> {
        if address.is_empty() {
            return Ok(Self::Folder(own.to_owned()));
        }
        // A text that is no address may hold a secret all the same, so it is not repeated.
        let url = Url::parse(address).map_err(|why| format!("no address ({why}): {KNOWN}"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "an address with credentials in it: they belong into AWS_ACCESS_KEY_ID and \
                        AWS_SECRET_ACCESS_KEY"
                    .to_owned(),
            );
        }
        if url.query().is_some() || url.fragment().is_some() || url.port().is_some() {
            return Err(format!(
                "more than a place: {KNOWN}; an endpoint belongs into AWS_ENDPOINT_URL"
            ));
        }
        match url.scheme() {
            "file" => url.to_file_path().map(Self::Folder).map_err(|()| {
                "no folder of this machine: write file:///folder, with three slashes".to_owned()
            }),
            "s3" => {
                let Some(name) = url.host_str().filter(|name| !name.is_empty()) else {
                    let why = "without a bucket: write s3://bucket or s3://bucket/prefix";
                    return Err(why.to_owned());
                };
                let prefix = url.path().trim_matches('/');
                if !is_plain(prefix) {
                    let why =
                        "with a prefix of other characters than letters, digits and - _ . = /";
                    return Err(why.to_owned());
                }
                Ok(Self::Bucket {
                    name: name.to_owned(),
                    prefix: prefix.to_owned(),
                })
            }
            other => Err(format!("of an unknown kind, {other}: {KNOWN}")),
        }
    }
}

/// Whether a prefix is the same however it is written: nothing in it is escaped, and no part of it is empty.
fn is_plain(prefix: &str) -> bool {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-_.=/".contains(letter);
    prefix.chars().all(allowed) && !prefix.contains("//")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(address: &str) -> Result<Place, String> {
        Place::read(address, Path::new("data/artifacts"))
    }

    #[test]
    fn an_address_is_a_folder_or_a_bucket() {
        let folder = |path: &str| Ok(Place::Folder(path.into()));
        let bucket = |name: &str, prefix: &str| {
            Ok(Place::Bucket {
                name: name.to_owned(),
                prefix: prefix.to_owned(),
            })
        };
        for (address, place) in [
            ("", folder("data/artifacts")),
            ("file:///srv/models", folder("/srv/models")),
            ("file:///srv/my%20models/", folder("/srv/my models/")),
            ("s3://models", bucket("models", "")),
            ("s3://models/", bucket("models", "")),
            (
                "s3://My_models.2/team/one/",
                bucket("My_models.2", "team/one"),
            ),
        ] {
            assert_eq!(read(address), place, "{address}");
        }
    }

    #[test]
    fn what_is_no_place_is_told_without_secrets() {
        for (address, told) in [
            ("models", "no address"),
            ("me:secret", "unknown kind, me"),
            ("https://models.example", "unknown kind, https"),
            ("s3:///prefix", "without a bucket"),
            ("s3://", "without a bucket"),
            ("s3://key:secret@models", "AWS_ACCESS_KEY_ID"),
            ("s3://models/my%20models", "prefix"),
            ("s3://models/a//b", "prefix"),
            ("s3://models?secret", "AWS_ENDPOINT_URL"),
            ("s3://localhost:9000/models", "AWS_ENDPOINT_URL"),
            ("file://srv/models", "three slashes"),
        ] {
            let said = read(address).unwrap_err();
            assert!(said.contains(told), "{address}: {said}");
            assert!(!said.contains("secret"), "{address}: {said}");
        }
    }
}
