//! Links that a browser opens without a header: `path?link=<until>.<owner>.<signature>`, good for that path until then.
//!
//! HMAC-SHA256 (RFC 2104), cut to 128 bits, over path, time and owner. Two secrets are valid at a time, so that one can
//! be replaced without breaking the links that are out.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::token::hex;
use crate::job::{Owner, Timestamp};

/// Milliseconds that a link is good for.
pub const LIFETIME_MS: i64 = 3_600_000;
/// Bytes of a signature.
const SIGNATURE: usize = 16;

/// What links are signed with: 64 hex digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Secret(String);

impl Secret {
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(hex(bytes))
    }

    /// As it was kept.
    #[must_use]
    pub fn kept(text: String) -> Self {
        Self(text)
    }

    /// To be kept.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    fn signature(&self, path: &str, until: i64, owner: &Owner) -> String {
        // A key of any length is taken.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()) else {
            return String::new();
        };
        let owner = &owner.0;
        mac.update(format!("{until}\n{owner}\n{path}").as_bytes());
        hex(&mac.finalize().into_bytes()[..SIGNATURE])
    }
}

/// Never the secret itself: it may stand in a log.
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// The value of `link` that opens `path` for `owner`'s things until `until`.
#[must_use]
pub fn sign(secret: &Secret, path: &str, owner: &Owner, until: Timestamp) -> String {
    let Timestamp(until) = until;
    let signature = secret.signature(path, until, owner);
    format!("{until}.{}.{signature}", owner.0)
}

/// Whose things the link opens: `None` when it was signed with none of the secrets, for another path, or is over.
#[must_use]
pub fn opened(secrets: &[Secret], path: &str, link: &str, now: Timestamp) -> Option<Owner> {
    let (until, rest) = link.split_once('.')?;
    let (owner, signature) = rest.rsplit_once('.')?;
    let (until, owner): (i64, _) = (until.parse().ok()?, Owner(owner.to_owned()));
    let is_signed = |secret: &Secret| -> bool {
        let made = secret.signature(path, until, &owner);
        !made.is_empty() && bool::from(made.as_bytes().ct_eq(signature.as_bytes()))
    };
    (now.0 < until && secrets.iter().any(is_signed)).then_some(owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/api/v1/download/a/b.glb";

    #[test]
    fn a_link_opens_its_path_for_its_owner_until_its_end() {
        let secret = Secret::from_bytes(&[1; 32]);
        let owner = Owner("anna".to_owned());
        let link = sign(&secret, PATH, &owner, Timestamp(100));
        let secrets = [Secret::from_bytes(&[2; 32]), secret.clone()];
        let open = |path, link: &str, now| opened(&secrets, path, link, Timestamp(now));
        assert_eq!(open(PATH, &link, 99), Some(owner));
        assert_eq!(open(PATH, &link, 100), None, "its time is over");
        assert_eq!(open("/api/v1/download/a/c.glb", &link, 0), None);
        assert_eq!(opened(&secrets[..1], PATH, &link, Timestamp(0)), None);
        for wrong in [
            link.replacen("100", "900", 1),
            link.replacen("anna", "otto", 1),
            link[..link.len() - 1].to_owned(),
            String::new(),
            "..".to_owned(),
            "100.anna.".to_owned(),
        ] {
            assert_eq!(open(PATH, &wrong, 0), None, "{wrong}");
        }
    }

    #[test]
    fn owners_with_dots_sign_nothing_for_another() {
        let secret = Secret::from_bytes(&[1; 32]);
        let link = sign(&secret, PATH, &Owner("a.b".to_owned()), Timestamp(9));
        let opens = opened(&[secret], PATH, &link, Timestamp(0));
        assert_eq!(opens, Some(Owner("a.b".to_owned())));
    }
}
