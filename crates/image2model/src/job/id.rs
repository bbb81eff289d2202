use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Most images of one job.
pub const MAX_ITEMS: usize = 25;

/// A job's id: a UUID whose last byte is 00, so that its items' ids need no index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Uuid")]
pub struct JobId(Uuid);

/// An item's id: its job's UUID with the item's number (1 to 25) as last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Uuid")]
pub struct ItemId(Uuid);

impl JobId {
    /// A fresh random id.
    #[must_use]
    pub fn random() -> Self {
        Self::from_uuid(Uuid::new_v4())
    }

    /// The id that `owner`'s idempotency `key` always gives (UUID version 8 over SHA-256).
    #[must_use]
    pub fn derived(owner: &str, key: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update((owner.len() as u64).to_be_bytes());
        hash.update(owner);
        hash.update(key);
        let digest = hash.finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Self::from_uuid(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// The job that this UUID belongs to, whether it is the job's own or an item's.
    #[must_use]
    pub fn from_uuid(uuid: Uuid) -> Self {
        let mut bytes = uuid.into_bytes();
        bytes[15] = 0;
        Self(Uuid::from_bytes(bytes))
    }

    /// The id of its item `number`.
    #[must_use]
    pub fn item(self, number: u8) -> ItemId {
        let mut bytes = self.0.into_bytes();
        bytes[15] = number;
        ItemId(Uuid::from_bytes(bytes))
    }

    #[must_use]
    pub fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl ItemId {
    #[must_use]
    pub fn job(self) -> JobId {
        JobId::from_uuid(self.0)
    }

    /// 1 to 25 for an item that may exist.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0.as_bytes()[15]
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Not an id of the expected kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID of a {0}")]
pub struct IdError(&'static str);

impl TryFrom<Uuid> for JobId {
    type Error = IdError;

    fn try_from(uuid: Uuid) -> Result<Self, IdError> {
        match uuid.as_bytes()[15] {
            0 => Ok(Self(uuid)),
            _ => Err(IdError("job")),
        }
    }
}

impl TryFrom<Uuid> for ItemId {
    type Error = IdError;

    fn try_from(uuid: Uuid) -> Result<Self, IdError> {
        match uuid.as_bytes()[15] {
            0 => Err(IdError("file")),
            _ => Ok(Self(uuid)),
        }
    }
}

impl FromStr for JobId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        parse(text).ok_or(IdError("job"))?.try_into()
    }
}

impl FromStr for ItemId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        parse(text).ok_or(IdError("file"))?.try_into()
    }
}

/// Hyphenated form only, as clients know it.
fn parse(text: &str) -> Option<Uuid> {
    (text.len() == 36)
        .then(|| Uuid::try_parse(text).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_items_id_leads_back_to_its_job_and_number() {
        let job = JobId::random();
        let item = job.item(7);
        assert_eq!((item.job(), item.number()), (job, 7));
        assert_eq!(item.to_string().parse::<ItemId>(), Ok(item));
        assert_eq!(job.to_string().parse::<JobId>(), Ok(job));
    }

    #[test]
    fn a_record_whose_id_is_of_the_other_kind_is_refused() {
        let job = JobId::random();
        let [of_job, of_item] =
            [job.to_string(), job.item(7).to_string()].map(|id| format!("{id:?}"));
        assert_eq!(serde_json::from_str::<JobId>(&of_job).unwrap(), job);
        assert_eq!(
            serde_json::from_str::<ItemId>(&of_item).unwrap(),
            job.item(7)
        );
        let error = serde_json::from_str::<JobId>(&of_item).unwrap_err();
        assert_eq!(error.to_string(), "not a UUID of a job");
        let error = serde_json::from_str::<ItemId>(&of_job).unwrap_err();
        assert_eq!(error.to_string(), "not a UUID of a file");
    }

    #[test]
    fn one_key_gives_one_job_per_owner() {
        assert_eq!(JobId::derived("a", "k"), JobId::derived("a", "k"));
        assert_ne!(JobId::derived("a", "k"), JobId::derived("b", "k"));
        assert_ne!(JobId::derived("ab", "c"), JobId::derived("a", "bc"));
    }

    #[test]
    fn only_the_hyphenated_form_is_an_id() {
        for text in [
            "",
            "not-a-uuid",
            "0123456789abcdef0123456789abcd00",
            "{01234567-89ab-cdef-0123-456789abcd00}",
        ] {
            assert!(text.parse::<JobId>().is_err(), "{text}");
        }
    }
}
