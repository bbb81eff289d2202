//! Who asks, by key or by link. Every process reads the register every [`REFRESH`] and decides by itself; a key that it
//! does not know makes it look sooner.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    access::{
        Closed, Key, KeyId, Scope, Token,
        link::{self, Secret},
    },
    clock::Clock,
    config::KeySettings,
    job::{Owner, Timestamp},
    store::{Keys, Register, StoreError},
};

use super::{Caller, ServiceError};

/// Time between two looks at the register: a revoked key is refused after that.
const REFRESH: Duration = Duration::from_secs(10);
/// Time that a register which cannot be read anew is gone by.
const STALE: Duration = Duration::from_secs(30);
/// Time until the next look after one that has failed.
const AFTER_TROUBLE: Duration = Duration::from_secs(3);
/// Time between two looks at whether what stays open still may: with the age that the register may have then, 30 s.
pub const REVIEW: Duration = Duration::from_secs(10);
/// Least time between two looks for a key that is not known, and between two that callers wait for while they fail.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The keys as this process knows them.
#[derive(Clone)]
pub struct Keyring {
    store: Arc<dyn Keys>,
    clock: Arc<dyn Clock>,
    /// Of the configuration: they need no store.
    configured: Arc<Vec<Key>>,
    known: Arc<Mutex<Known>>,
    /// One look at a time: of two at once, the older could come last and bring back a revoked key.
    looking: Arc<tokio::sync::Mutex<()>>,
    tasks: TaskTracker,
}

#[derive(Default)]
struct Known {
    register: Arc<HashMap<KeyId, Key>>,
    secrets: Arc<[Secret]>,
    read: Option<Instant>,
    /// When a look failed last, and why.
    failed: Option<(Instant, StoreError)>,
    /// A register without keys opens nothing from now on: it is not what it was.
    is_closed: bool,
    used: HashMap<KeyId, Timestamp>,
}

/// Signs links for a caller; where there are no keys, links need no signature.
pub struct Signer {
    with: Option<(Secret, Owner, Timestamp)>,
}

impl Signer {
    /// The path as a browser may open it.
    #[must_use]
    pub fn sign(&self, path: &str) -> String {
        match &self.with {
            Some((secret, owner, until)) => {
                format!("{path}?link={}", link::sign(secret, path, owner, *until))
            }
            None => path.to_owned(),
        }
    }
}

impl Keyring {
    /// Before its first look at the register. The looks that callers wait for are of `tasks`.
    #[must_use]
    pub fn new(
        store: Arc<dyn Keys>,
        clock: Arc<dyn Clock>,
        settings: &KeySettings,
        tasks: TaskTracker,
    ) -> Self {
        let configured = [
            (&settings.user, Scope::User),
            (&settings.admin, Scope::Admin),
        ];
        let configured = configured
            .into_iter()
            .filter(|(text, _)| !text.is_empty())
            .map(|(text, scope)| Key {
                // Where an operator has one key for all, there is one owner, as without keys.
                owner: Owner::open(),
                label: format!("keys.{}", scope.name()),
                priority: true,
                ..Key::of(&Token::given(text), scope, clock.now())
            })
            .collect();
        Self {
            store,
            clock,
            configured: Arc::new(configured),
            known: Arc::default(),
            looking: Arc::default(),
            tasks,
        }
    }

    /// Notes when keys were used last, and looks at the register.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn look(&self) -> Result<(), StoreError> {
        // They are noted next time: who reads still must, where nothing can be written.
        if let Err(error) = self.note_uses().await {
            tracing::warn!(%error, "the last uses of keys cannot be noted");
        }
        let _turn = self.looking.lock().await;
        self.look_in_turn().await
    }

    /// By whoever has the turn.
    async fn look_in_turn(&self) -> Result<(), StoreError> {
        let looked = self.read().await;
        let failed = looked.as_ref().err().cloned();
        self.known().failed = failed.map(|error| (Instant::now(), error));
        looked
    }

    /// Takes the register as it is in the store; the first to do so makes a secret for links.
    async fn read(&self) -> Result<(), StoreError> {
        let mut register = self.store.register().await?;
        if register.secrets.is_empty() {
            let secret = Secret::from_bytes(&random()?);
            self.store.add_secret(secret, self.clock.now()).await?;
            // Another may have made one at the same moment.
            register = self.store.register().await?;
        }
        self.take(register);
        Ok(())
    }

    async fn note_uses(&self) -> Result<(), StoreError> {
        let used: Vec<_> = mem::take(&mut self.known().used).into_iter().collect();
        if used.is_empty() {
            return Ok(());
        }
        let noted = self.store.note_used(&used).await;
        if noted.is_err() {
            let mut known = self.known();
            for (id, at) in used {
                let newest = known.used.entry(id).or_insert(at);
                *newest = at.max(*newest);
            }
        }
        noted
    }

    fn take(&self, register: Register) {
        let keys = register.keys.into_iter();
        let mut known = self.known();
        known.register = Arc::new(keys.map(|key| (key.id.clone(), key)).collect());
        known.is_closed |= !known.register.is_empty();
        known.secrets = register.secrets.into();
        known.read = Some(Instant::now());
    }

    /// Looks again and again until `shutdown`.
    pub async fn keep_up(self, shutdown: CancellationToken) {
        loop {
            let pause = match self.look().await {
                Ok(()) => {
                    if self.has_lost_its_keys() {
                        tracing::error!(
                            "the store has no keys any more, so nobody is let in: bring back what it has lost, or make \
                             a key with `image2model keys create`"
                        );
                    }
                    REFRESH
                }
                Err(error) => {
                    tracing::warn!(%error, "the register of keys cannot be read");
                    AFTER_TROUBLE
                }
            };
            let wait = shutdown.run_until_cancelled(tokio::time::sleep(pause));
            if wait.await.is_none() {
                break;
            }
        }
        if let Err(error) = self.note_uses().await {
            tracing::warn!(%error, "the last uses of keys cannot be noted");
        }
    }

    /// Whether anybody may call: no key is configured, and none was ever made. A process that has known a key never
    /// opens again, for a register that has become empty is one that was lost: revoked keys stay in it.
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`] where that is not known.
    pub async fn is_open(&self) -> Result<bool, ServiceError> {
        // A configured key needs no store.
        if !self.configured.is_empty() {
            return Ok(false);
        }
        let register = self.register().await?;
        Ok(self.may_be_open(&register) && !self.known().is_closed)
    }

    /// Never to be open in this process, whatever the register comes to hold: for a server that others reach, which
    /// did not start without keys.
    pub fn stay_closed(&self) {
        self.known().is_closed = true;
    }

    /// Whether nobody can be let in, because the keys that there were are gone from the register.
    #[must_use]
    pub fn has_lost_its_keys(&self) -> bool {
        let known = self.known();
        known.is_closed && known.read.is_some() && self.may_be_open(&known.register)
    }

    fn may_be_open(&self, register: &HashMap<KeyId, Key>) -> bool {
        self.configured.is_empty() && register.is_empty()
    }

    /// The key that `token` is, and is still good.
    ///
    /// # Errors
    /// Within, why it is not; outside, [`ServiceError::Unavailable`].
    pub async fn find(&self, token: &Token) -> Result<Result<Key, Closed>, ServiceError> {
        let matches = |key: &&Key| token.has_digest(&key.digest);
        if let Some(key) = self.configured.iter().find(matches) {
            return Ok(Ok(key.clone()));
        }
        if !token.is_well_formed() {
            return Ok(Err(Closed::Unknown));
        }
        let id = token.id();
        let mut register = self.register().await?;
        if !register.contains_key(&id) {
            register = self.newer_register().await?;
        }
        let Some(key) = register.get(&id).filter(matches) else {
            return Ok(Err(Closed::Unknown));
        };
        let now = self.clock.now();
        let checked = key.check(now).map(|()| key.clone());
        if checked.is_ok() {
            self.known().used.insert(id, now);
        }
        Ok(checked)
    }

    /// The caller that a link to `path` stands for.
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`] where it cannot be known.
    pub async fn by_link(&self, path: &str, link: &str) -> Result<Option<Caller>, ServiceError> {
        let mut register = self.register().await?;
        let now = self.clock.now();
        let opened = || link::opened(&self.known().secrets, path, link, now);
        let mut owner = opened();
        if owner.is_none() {
            // Another process may have signed it with a secret that was made a moment ago.
            register = self.newer_register().await?;
            owner = opened();
        }
        let owner = owner.filter(|owner| self.has_good_key(&register, owner, now));
        Ok(owner.map(Caller::of))
    }

    /// Whether a caller who was let in before still may, to be asked every [`REVIEW`] of what stays open. It goes by
    /// what this process knows, so that ten thousand streams cost the store nothing; a register that could not be read
    /// anew for too long opens nothing.
    #[must_use]
    pub fn still_opens(&self, caller: &Caller) -> bool {
        let now = self.clock.now();
        let register = fresh(&self.known(), STALE.saturating_sub(REVIEW));
        if let Some(id) = &caller.key {
            let is_good = |key: &Key| key.check(now).is_ok();
            return self.configured.iter().any(|key| key.id == *id)
                || register.is_some_and(|register| register.get(id).is_some_and(is_good));
        }
        register.is_some_and(|register| match caller.is_anyone {
            true => self.may_be_open(&register) && !self.known().is_closed,
            false => self.has_good_key(&register, &caller.owner, now),
        })
    }

    /// A link stands for the keys of its owner and ends with the last of them.
    fn has_good_key(&self, register: &HashMap<KeyId, Key>, owner: &Owner, now: Timestamp) -> bool {
        let keys = self.configured.iter().chain(register.values());
        let mut good = keys.filter(|key| key.owner == *owner && key.check(now).is_ok());
        good.next().is_some()
    }

    /// Signs links that a caller gets.
    #[must_use]
    pub fn signer(&self, caller: &Caller) -> Signer {
        let newest = self.known().secrets.first().cloned();
        let until = Timestamp(self.clock.now().0 + link::LIFETIME_MS);
        let with = newest.filter(|_| !caller.is_anyone);
        Signer {
            with: with.map(|secret| (secret, caller.owner.clone(), until)),
        }
    }

    /// The register, which must not be older than [`STALE`].
    async fn register(&self) -> Result<Arc<HashMap<KeyId, Key>>, ServiceError> {
        if let Some(register) = fresh(&self.known(), STALE) {
            return Ok(register);
        }
        self.register_of(STALE).await
    }

    /// The register as of [`LOOK_AGAIN`] ago at most: so often somebody may make this process look by keys that do not
    /// exist.
    async fn newer_register(&self) -> Result<Arc<HashMap<KeyId, Key>>, ServiceError> {
        self.register_of(LOOK_AGAIN).await
    }

    /// The register as of so long ago at most. A store that has just failed is not asked again: all who wait would wait
    /// for one try after the other. The look is a task of its own, which goes on when the caller leaves, so that one
    /// who leaves at once does not have the next one look again.
    async fn register_of(&self, age: Duration) -> Result<Arc<HashMap<KeyId, Key>>, ServiceError> {
        let turn = self.looking.clone().lock_owned().await;
        {
            let known = self.known();
            if let Some(register) = fresh(&known, age) {
                return Ok(register);
            }
            if let Some((at, error)) = &known.failed
                && at.elapsed() < LOOK_AGAIN
            {
                return Err(error.clone().into());
            }
        }
        let keyring = self.clone();
        let look = self.tasks.spawn(async move {
            let _turn = turn;
            keyring.look_in_turn().await
        });
        look.await
            .map_err(|error| StoreError::Unavailable(error.to_string()))??;
        Ok(self.known().register.clone())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The register, where it was read less than `age` ago.
fn fresh(known: &Known, age: Duration) -> Option<Arc<HashMap<KeyId, Key>>> {
    let read = known.read.filter(|read| read.elapsed() < age);
    read.map(|_| known.register.clone())
}

/// From the system's source of randomness.
///
/// # Errors
/// [`StoreError::Unavailable`] where it has none.
pub fn random() -> Result<[u8; 32], StoreError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| StoreError::Unavailable(format!("no randomness: {error}")))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
