//! Keys come over before any job, revoked ones too: else the target would be open to everybody, with all the jobs.

use super::{CopyError, Side, on};
use crate::{job::Timestamp, store::Keys};

/// Adds what the target has not of the source's keys and of what links are signed with; nothing is taken away.
pub(super) async fn copy(from: &dyn Keys, to: &dyn Keys) -> Result<(), CopyError> {
    let source = on(Side::Source, from.register().await)?;
    let target = on(Side::Target, to.register().await)?;
    let mut uses = Vec::new();
    for key in source.keys {
        let id = key.id.clone();
        uses.extend(key.used.map(|at| (id.clone(), at)));
        let revoked = key.revoked;
        if !target.keys.iter().any(|known| known.id == id) {
            on(Side::Target, to.add_key(key).await)?;
        }
        if let Some(at) = revoked {
            on(Side::Target, to.revoke_key(&id, at).await)?;
        }
    }
    on(Side::Target, to.note_used(&uses).await)?;
    // The newest comes last, and stays the newest.
    for secret in source.secrets.into_iter().rev() {
        if !target.secrets.contains(&secret) {
            on(Side::Target, to.add_secret(secret, Timestamp(0)).await)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::copy;
    use crate::{
        access::{Key, Scope, Token, link::Secret},
        clock::SystemClock,
        job::{Owner, RetryPolicy, Timestamp},
        store::{
            Keys, Register, embedded,
            redis::{self, Settings, tests::real::RealServer},
        },
    };

    fn folder(dir: &std::path::Path) -> Arc<dyn Keys> {
        let clock = Arc::new(SystemClock);
        let store = embedded::open(dir, clock, RetryPolicy::default());
        store.unwrap().keys
    }

    async fn register(keys: &dyn Keys) -> Register {
        let mut register = keys.register().await.unwrap();
        register
            .keys
            .sort_by(|a, b| a.id.as_str().cmp(b.id.as_str()));
        register
    }

    #[tokio::test]
    async fn keys_and_secrets_come_over_as_they_are_and_a_repeat_changes_nothing() {
        let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [source, back] = homes.each_ref().map(|home| folder(home.path()));
        let server = RealServer::start(&[]);
        let settings = Settings::new(&server.url(), RetryPolicy::default());
        let middle = redis::open(settings).await.unwrap().keys;
        for seed in 1..4 {
            let token = Token::from_bytes(&[seed; 32]);
            let mut key = Key::of(&token, Scope::Admin, Timestamp(i64::from(seed)));
            key.owner = Owner("anna".to_owned());
            key.expires = Some(Timestamp(1000));
            source.add_key(key).await.unwrap();
            let secret = Secret::from_bytes(&[seed; 32]);
            source.add_secret(secret, Timestamp(5)).await.unwrap();
        }
        let ids: Vec<_> = register(&*source)
            .await
            .keys
            .into_iter()
            .map(|key| key.id)
            .collect();
        source.revoke_key(&ids[1], Timestamp(7)).await.unwrap();
        source
            .note_used(&[(ids[2].clone(), Timestamp(8))])
            .await
            .unwrap();

        for (from, to) in [(&source, &middle), (&source, &middle), (&middle, &back)] {
            copy(&**from, &**to).await.unwrap();
            assert_eq!(register(&**from).await, register(&**to).await);
        }
        source.revoke_key(&ids[0], Timestamp(9)).await.unwrap();
        copy(&*source, &*middle).await.unwrap();
        assert_eq!(register(&*source).await, register(&*middle).await);
    }
}
