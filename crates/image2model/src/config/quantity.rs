use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// An amount of memory: a share of what the machine or the cgroup allows, or bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Memory {
    /// 1 to 100 percent of the limit.
    Percent(u8),
    Bytes(u64),
}

/// How long the results of ended jobs are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Keep {
    /// Until space runs low.
    Auto,
    Hours(u32),
}

impl Memory {
    /// In bytes, where `limit` is what the machine or the cgroup allows.
    #[must_use]
    pub fn of(self, limit: u64) -> u64 {
        match self {
            Self::Percent(share) => limit / 100 * u64::from(share),
            Self::Bytes(bytes) => bytes,
        }
    }
}

const MEMORY_UNITS: [(&str, u64); 6] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];

impl FromStr for Memory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is no amount of memory; write 60%, 2 GB, 512 MiB or a number of bytes"
            )
        };
        let trimmed = text.trim();
        if let Some(share) = trimmed.strip_suffix('%') {
            let share: u8 = share.trim().parse().map_err(|_| wrong())?;
            return (1..=100)
                .contains(&share)
                .then_some(Self::Percent(share))
                .ok_or_else(wrong);
        }
        let (number, unit) = MEMORY_UNITS
            .iter()
            .find_map(|(name, bytes)| Some((trimmed.strip_suffix(name)?.trim(), *bytes)))
            .unwrap_or((trimmed, 1));
        let number: u64 = number.parse().map_err(|_| wrong())?;
        number
            .checked_mul(unit)
            .filter(|bytes| *bytes > 0)
            .map(Self::Bytes)
            .ok_or_else(wrong)
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percent(share) => write!(f, "{share}%"),
            Self::Bytes(bytes) => write!(f, "{bytes}"),
        }
    }
}

impl FromStr for Keep {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "auto" => Ok(Self::Auto),
            hours => hours
                .parse()
                .ok()
                .filter(|hours| *hours > 0)
                .map(Self::Hours)
                .ok_or_else(|| format!("{text:?} is no time to keep results; write auto or a number of hours from 1")),
        }
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Hours(hours) => write!(f, "{hours}"),
        }
    }
}

impl TryFrom<String> for Memory {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Memory> for String {
    fn from(memory: Memory) -> Self {
        memory.to_string()
    }
}

impl TryFrom<String> for Keep {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Keep> for String {
    fn from(keep: Keep) -> Self {
        keep.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_as_people_write_it() {
        for (text, bytes) in [
            ("60%", 600),
            ("2 GB", 2_000_000_000),
            ("512MiB", 512 << 20),
            ("123", 123),
        ] {
            assert_eq!(
                text.parse::<Memory>().map(|m| m.of(1000)),
                Ok(bytes),
                "{text}"
            );
        }
        for text in [
            "",
            "0",
            "0%",
            "101%",
            "-5",
            "lots",
            "99999999999999999999 GB",
            "18446744073709551615 GB",
        ] {
            assert!(text.parse::<Memory>().is_err(), "{text}");
        }
    }

    #[test]
    fn results_are_kept_by_space_or_by_hours() {
        assert_eq!("auto".parse(), Ok(Keep::Auto));
        assert_eq!("24".parse(), Ok(Keep::Hours(24)));
        assert!("0".parse::<Keep>().is_err());
    }
}
