use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const PREFIX: &str = "i2m_";
/// Of the random part: 190 bits.
const LENGTH: usize = 32;
/// Digits of the checksum, which hold any 32 bits.
const CHECKSUM: usize = 6;

/// A key as its holder has it: `i2m_<random>_<checksum>`, or what an operator chose.
#[derive(Clone)]
pub struct Token(String);

/// A key's name for lists and logs, which opens nothing: the first 16 hex digits of its SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeyId(String);

impl Token {
    /// Bytes of randomness that a token takes.
    pub const RANDOM_BYTES: usize = LENGTH;

    /// The token of random `bytes`.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::RANDOM_BYTES]) -> Self {
        // 256 is no multiple of 62: the first eight letters come up by a fifth more often, which takes less than a
        // hundredth of a bit from each.
        let random: String = bytes
            .iter()
            .map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]))
            .collect();
        let checksum = checksum(&random);
        Self(format!("{PREFIX}{random}_{checksum}"))
    }

    /// What somebody presents or an operator configures, whatever its form.
    #[must_use]
    pub fn given(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Whether it has the form of those that are made here, so that a mistyped one is told without looking it up.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        let parts = self.0.strip_prefix(PREFIX);
        parts
            .and_then(|rest| rest.split_once('_'))
            .is_some_and(|(random, sum)| random.len() == LENGTH && sum == checksum(random))
    }

    /// As its holder has it, to be shown once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Its SHA-256, hex.
    #[must_use]
    pub fn digest(&self) -> String {
        hex(&Sha256::digest(&self.0))
    }

    #[must_use]
    pub fn id(&self) -> KeyId {
        let mut digest = self.digest();
        digest.truncate(16);
        KeyId(digest)
    }

    /// Compares in a time that tells nothing of where the two differ.
    #[must_use]
    pub fn has_digest(&self, digest: &str) -> bool {
        self.digest().as_bytes().ct_eq(digest.as_bytes()).into()
    }
}

/// Never the token itself: it may stand in a log.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self.id().0)
    }
}

impl KeyId {
    /// As somebody typed it.
    #[must_use]
    pub fn given(text: &str) -> Self {
        Self(text.to_owned())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// CRC-32 of the random part in base 62, as GitHub's tokens have it.
fn checksum(random: &str) -> String {
    let mut rest = crc32fast::hash(random.as_bytes()) as usize;
    let mut digits = [b'0'; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[rest % ALPHABET.len()];
        rest /= ALPHABET.len();
    }
    digits.map(char::from).iter().collect()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_token_is_told_by_its_form() {
        let token = Token::from_bytes(&std::array::from_fn(|n| n as u8 * 7));
        assert!(token.is_well_formed(), "{}", token.reveal());
        for wrong in [
            String::new(),
            "secret".to_owned(),
            token.reveal().replacen('9', "8", 1),
            token.reveal()[..token.reveal().len() - 1].to_owned(),
            token.reveal().replace("i2m_", "i2n_"),
            format!("{}x", token.reveal()),
        ] {
            assert!(!Token::given(&wrong).is_well_formed(), "{wrong}");
        }
    }

    #[test]
    fn a_token_is_known_by_its_digest_and_never_printed() {
        let (token, other) = (Token::from_bytes(&[1; 32]), Token::from_bytes(&[2; 32]));
        assert!(token.has_digest(&token.digest()) && !token.has_digest(&other.digest()));
        assert!(!token.has_digest(""));
        assert!(!format!("{token:?}").contains(token.reveal()));
        assert!(token.digest().starts_with(token.id().as_str()));
    }
}
