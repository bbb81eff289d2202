//! Keys, so that whoever could see a job in one store can in the other, and the store's name, so that the files are its
//! own, too.

use super::{CopyError, Side, on};
use crate::{
    access::Key,
    job::Timestamp,
    store::{Keys, StoreError},
};

/// Puts the source's keys and secrets into the target, whose own stay, and its name.
///
/// # Errors
/// A store cannot be used.
pub(super) async fn copy(from: &dyn Keys, to: &dyn Keys) -> Result<(), CopyError> {
    let register = on(Side::Source, from.register().await)?;
    let present = on(Side::Target, to.register().await)?;
    for key in &register.keys {
        on(Side::Target, put(to, key).await)?;
    }
    // The newest last, so that it is the newest again.
    for secret in register.secrets.iter().rev() {
        if !present.secrets.contains(secret) {
            let added = to.add_secret(secret.clone(), Timestamp(0)).await;
            on(Side::Target, added)?;
        }
    }
    match on(Side::Source, from.store_name().await)? {
        Some(name) => on(Side::Target, to.name_store(&name, true).await),
        None => Ok(()),
    }
}

async fn put(to: &dyn Keys, key: &Key) -> Result<(), StoreError> {
    match to.add_key(key.clone()).await {
        // Of an earlier copy.
        Ok(()) | Err(StoreError::Conflict(_)) => {}
        Err(error) => return Err(error),
    }
    if let Some(at) = key.revoked {
        to.revoke_key(&key.id, at).await?;
    }
    let used = key.used.map(|at| (key.id.clone(), at));
    to.note_used(used.as_slice()).await
}
