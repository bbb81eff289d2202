//! Whose the files in the artifact store are. A store has a name, which is noted among its files, too. So a process that
//! was started on other files than the rest, or on another store, does not start, and a store that has lost what it
//! knew does not have everybody's files collected as nobody's.

use uuid::Uuid;

use crate::{
    artifacts::{ArtifactError, ArtifactKey, Artifacts},
    store::{Keys, StoreError},
};

use super::Worker;

/// Before the name while it may not be noted among the files yet.
const NEW: &str = "new:";

/// Why store and files do not belong together.
#[derive(Debug, thiserror::Error)]
pub enum Foreign {
    /// The files are another store's.
    #[error("they are the files of another store")]
    Files,
    /// The store's files, which has that name, are elsewhere.
    #[error("the files of this store, {0}, are elsewhere")]
    Place(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Artifacts(#[from] ArtifactError),
}

/// Whether any store's files lie here.
///
/// # Errors
/// The files cannot be read.
pub async fn are_anybodys(artifacts: &Artifacts) -> Result<bool, ArtifactError> {
    Ok(noted(artifacts).await?.is_some())
}

/// Makes sure that the files are this store's; of a store without a name and files of nobody, they become it.
///
/// # Errors
/// They are another's, or one of the two cannot be asked.
pub async fn claim(keys: &dyn Keys, artifacts: &Artifacts) -> Result<(), Foreign> {
    let name = match keys.store_name().await? {
        Some(name) => name,
        None => {
            let name = format!("{NEW}{}", Uuid::new_v4());
            keys.name_store(&name, false).await?;
            // Another process may have been first.
            keys.store_name().await?.unwrap_or_default()
        }
    };
    let Some(new) = name.strip_prefix(NEW) else {
        return match noted(artifacts).await? {
            Some(noted) if noted == name => Ok(()),
            Some(_) => Err(Foreign::Files),
            None => Err(Foreign::Place(name)),
        };
    };
    let note = format!("{new}\n").into();
    match artifacts.put(&ArtifactKey::store_name(), note).await {
        Ok(()) => {}
        Err(ArtifactError::Exists) if noted(artifacts).await?.as_deref() == Some(new) => {}
        Err(ArtifactError::Exists) => return Err(Foreign::Files),
        Err(error) => return Err(error.into()),
    }
    Ok(keys.name_store(new, true).await?)
}

/// Whether the files are this store's still: one that has lost what it knew knows its name no more. Where nobody ever
/// claimed them, they are.
pub(super) async fn stands(worker: &Worker) -> bool {
    let asked = async {
        let name = worker.store.keys.store_name().await?;
        Ok::<_, Foreign>((name, noted(&worker.artifacts).await?))
    };
    match asked.await {
        Ok((name, noted)) if name == noted => true,
        Ok((name, noted)) => {
            tracing::error!(
                store = name,
                files = noted,
                "no files are collected: the store does not know that they are its own; bring back what it has lost, or \
                 start on the store that they are of"
            );
            false
        }
        Err(error) => {
            tracing::warn!(%error, "no files are collected: it is not known whose they are");
            false
        }
    }
}

async fn noted(artifacts: &Artifacts) -> Result<Option<String>, ArtifactError> {
    match artifacts.get(&ArtifactKey::store_name()).await {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).trim().to_owned())),
        Err(ArtifactError::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tempfile::TempDir;

    use super::*;
    use crate::{
        clock::SystemClock,
        job::RetryPolicy,
        store::{Store, embedded},
    };

    fn store() -> (TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let opened = embedded::open(dir.path(), Arc::new(SystemClock), RetryPolicy::default());
        (dir, opened.unwrap())
    }

    fn files() -> (TempDir, Artifacts) {
        let dir = tempfile::tempdir().unwrap();
        let files = Artifacts::local(dir.path()).unwrap();
        (dir, files)
    }

    #[tokio::test]
    async fn a_store_takes_the_files_of_nobody_and_no_others() {
        let ((_a, one), (_b, other)) = (store(), store());
        let ((_c, its), (_d, elsewhere)) = (files(), files());
        assert!(!are_anybodys(&its).await.unwrap());
        for _ in 0..2 {
            claim(&*one.keys, &its).await.unwrap();
        }
        assert!(are_anybodys(&its).await.unwrap());
        let refused = claim(&*other.keys, &its).await;
        assert!(matches!(refused, Err(Foreign::Files)), "{refused:?}");
        let refused = claim(&*one.keys, &elsewhere).await;
        assert!(matches!(refused, Err(Foreign::Place(_))), "{refused:?}");
        claim(&*other.keys, &elsewhere).await.unwrap();
        let refused = claim(&*other.keys, &its).await;
        assert!(matches!(refused, Err(Foreign::Files)), "{refused:?}");
    }

    #[tokio::test]
    async fn a_claim_that_broke_off_is_gone_on_with() {
        let ((_a, one), (_b, its)) = (store(), files());
        one.keys.name_store("new:this", false).await.unwrap();
        claim(&*one.keys, &its).await.unwrap();
        assert_eq!(noted(&its).await.unwrap().as_deref(), Some("this"));
        one.keys.name_store("new:this", true).await.unwrap();
        claim(&*one.keys, &its).await.unwrap();
        let name = one.keys.store_name().await.unwrap();
        assert_eq!(name.as_deref(), Some("this"));
    }
}
