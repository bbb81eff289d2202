//! Who may call, and how often: keys, signed links and rates.
//!
//! Pure, as `job/` is: time and randomness come in, and nothing of storage or HTTP. A [`Key`] is what the store keeps of
//! a [`Token`], which is shown once; [`link`] lets a browser open one path without a header; [`rate`] is the arithmetic
//! of limits that every store follows.

pub mod link;
pub mod rate;
mod tally;
mod token;

use serde::{Deserialize, Serialize};

use crate::job::{Owner, Timestamp};

pub use tally::Tally;
pub use token::{KeyId, Token};

/// What a key opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Its owner's jobs.
    User,
    /// Those, and what administers the service.
    Admin,
}

impl Scope {
    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
        }
    }
}

/// What is kept of a key. The key itself is not: its SHA-256 is enough to know it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    pub id: KeyId,
    /// SHA-256 of the token, hex.
    pub digest: String,
    /// Whose the jobs are that are made with it: its own unless it stands in for another key.
    pub owner: Owner,
    /// For people.
    pub label: String,
    pub scope: Scope,
    /// Whether it may ask for `priority: high`.
    pub priority: bool,
    /// Whether it is held to no rate.
    pub unlimited: bool,
    pub created: Timestamp,
    pub expires: Option<Timestamp>,
    pub revoked: Option<Timestamp>,
    /// Its last use, to within some seconds.
    pub used: Option<Timestamp>,
}

/// Why a key opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    #[error("the key is not known")]
    Unknown,
    #[error("the key was revoked")]
    Revoked,
    #[error("the key has expired")]
    Expired,
}

impl Key {
    /// The record of a token that may do what its scope says and no more.
    #[must_use]
    pub fn of(token: &Token, scope: Scope, now: Timestamp) -> Self {
        let id = token.id();
        Self {
            owner: Owner(id.as_str().to_owned()),
            id,
            digest: token.digest(),
            label: String::new(),
            scope,
            priority: false,
            unlimited: false,
            created: now,
            expires: None,
            revoked: None,
            used: None,
        }
    }

    /// # Errors
    /// [`Closed`] when it has had its time.
    pub fn check(&self, now: Timestamp) -> Result<(), Closed> {
        if self.revoked.is_some() {
            Err(Closed::Revoked)
        } else if self.expires.is_some_and(|expires| expires <= now) {
            Err(Closed::Expired)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_opens_until_it_expires_or_is_revoked() {
        let token = Token::from_bytes(&[7; 32]);
        let mut key = Key::of(&token, Scope::User, Timestamp(0));
        assert_eq!(key.check(Timestamp(10)), Ok(()));
        assert_eq!(key.owner.0, key.id.as_str(), "its jobs are its own");
        key.expires = Some(Timestamp(10));
        assert_eq!(key.check(Timestamp(9)), Ok(()));
        assert_eq!(key.check(Timestamp(10)), Err(Closed::Expired));
        key.revoked = Some(Timestamp(5));
        assert_eq!(key.check(Timestamp(6)), Err(Closed::Revoked));
    }
}
