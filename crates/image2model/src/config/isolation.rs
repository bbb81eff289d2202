use serde::{Deserialize, Serialize};

/// Whether images are read and models made in confined child processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", try_from = "Written")]
pub enum Isolation {
    /// In those of `image2model worker`; `serve` works in its own.
    Auto,
    On,
    Off,
}

/// As files have it: YAML takes a bare `on` and `off` for truth values.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Truth(bool),
    Word(String),
}

impl TryFrom<Written> for Isolation {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Truth(true) => Ok(Self::On),
            Written::Truth(false) => Ok(Self::Off),
            Written::Word(word) => match word.as_str() {
                "auto" => Ok(Self::Auto),
                "on" => Ok(Self::On),
                "off" => Ok(Self::Off),
                _ => Err(format!("{word:?} is none of auto, on and off")),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_people_write_it() {
        for (text, isolation) in [
            ("auto", Isolation::Auto),
            ("on", Isolation::On),
            ("off", Isolation::Off),
            ("\"off\"", Isolation::Off),
        ] {
            let read: Isolation = serde_saphyr::from_str(text).unwrap();
            assert_eq!(read, isolation, "{text}");
            let written = serde_json::to_string(&read).unwrap();
            assert_eq!(written, format!("\"{}\"", text.trim_matches('"')));
        }
        let refused = serde_json::from_str::<Isolation>("\"maybe\"").unwrap_err();
        let refused = refused.to_string();
        assert_eq!(refused, "\"maybe\" is none of auto, on and off");
    }
}
