//! Keys, what links are signed with, the store's name, and rates: small aggregates of their own, beside the jobs.

use async_trait::async_trait;

use super::StoreError;
use crate::{
    access::{
        Key, KeyId,
        link::Secret,
        rate::{Admission, Window},
    },
    job::{Holding, Owner, Timestamp},
};

/// Secrets that are valid at a time.
pub const VALID_SECRETS: u8 = 2;

/// All keys, revoked ones too, and what links are signed with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Register {
    /// In the order of their making.
    pub keys: Vec<Key>,
    /// The newest first, [`VALID_SECRETS`] at most; none before the first start.
    pub secrets: Vec<Secret>,
}

#[async_trait]
pub trait Keys: Send + Sync {
    async fn register(&self) -> Result<Register, StoreError>;

    /// Keeps a new key.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when there is one of that id.
    async fn add_key(&self, key: Key) -> Result<(), StoreError>;

    /// Revokes a key; of a revoked one the first time stays. It is never forgotten: a service that had a key does not
    /// become open again.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    async fn revoke_key(&self, id: &KeyId, at: Timestamp) -> Result<(), StoreError>;

    /// Notes when keys were last used; an older use than the known one changes nothing.
    async fn note_used(&self, uses: &[(KeyId, Timestamp)]) -> Result<(), StoreError>;

    /// Signs links with this from now on. The one before it stays valid, older ones do not.
    async fn add_secret(&self, secret: Secret, at: Timestamp) -> Result<(), StoreError>;

    /// Which store this is; its copies have the same name. `None` of one that has none yet.
    async fn store_name(&self) -> Result<Option<String>, StoreError>;

    /// Names a store that has no name, or, with `anew`, any.
    async fn name_store(&self, name: &str, anew: bool) -> Result<(), StoreError>;
}

#[async_trait]
pub trait Limits: Send + Sync {
    /// Lets `count` more through under this name if all windows do, exactly over all processes; none at all only reads.
    async fn admit(
        &self,
        name: &str,
        windows: &[Window],
        count: u32,
    ) -> Result<Admission, StoreError>;

    /// What an owner has in the store, kept by each transition of its jobs; nothing is kept of [`Owner::open`].
    async fn holding(&self, owner: &Owner) -> Result<Holding, StoreError>;
}
