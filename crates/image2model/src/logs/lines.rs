//! Lines read back.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _},
    path::Path,
};

use serde_json::{Map, Value};

use super::{LogType, files};

/// Bytes of a line that is read; what is longer was not written by us.
const LONGEST: u64 = 1 << 20;

/// From one moment up to before another, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub from: i64,
    pub until: i64,
}

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub kind: LogType,
    /// Milliseconds since 1970.
    pub at: i64,
    /// The same as it was written, in RFC 3339.
    pub time: String,
    pub level: String,
    pub target: String,
    pub message: String,
    /// What was said besides the message.
    pub fields: Map<String, Value>,
}

impl Entry {
    fn parse(kind: LogType, line: &str) -> Option<Self> {
        let Value::Object(mut line) = serde_json::from_str(line).ok()? else {
            return None;
        };
        let mut text = |name: &str| match line.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let (time, level) = (text("timestamp")?, text("level")?);
        let target = text("target").unwrap_or_default();
        let Some(Value::Object(mut fields)) = line.remove("fields") else {
            return None;
        };
        let message = match fields.remove("message") {
            Some(Value::String(message)) => message,
            _ => String::new(),
        };
        let at = time.parse::<jiff::Timestamp>().ok()?.as_millisecond();
        Some(Self {
            kind,
            at,
            time,
            level,
            target,
            message,
            fields,
        })
    }

    /// A field's text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.as_str()
    }

    /// A field's number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<f64> {
        self.fields.get(name)?.as_f64()
    }

    /// As one object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        serde_json::json!({
            "timestamp": self.time,
            "log_type": self.kind,
            "level": self.level,
            "target": self.target,
            "message": self.message,
            "fields": self.fields,
        })
    }

    /// As a line for people.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut line = format!(
            "{} {} {}: {}",
            self.time, self.level, self.target, self.message
        );
        for (name, value) in &self.fields {
            line += &format!(" {name}={value}");
        }
        line.replace(['\n', '\r'], " ")
    }

    /// As a row of `timestamp,log_type,level,target,message,fields` (RFC 4180).
    #[must_use]
    pub fn to_csv(&self) -> String {
        let fields = Value::Object(self.fields.clone()).to_string();
        let cells = [
            &self.time,
            self.kind.name(),
            &self.level,
            &self.target,
            &self.message,
            &fields,
        ];
        cells.map(cell).join(",")
    }
}

/// A quoted cell. A spreadsheet would compute what begins like a formula.
fn cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@']) {
        "'"
    } else {
        ""
    };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

/// The files of these types that may have lines within the range.
pub(super) fn open(
    folder: &Path,
    kinds: &[LogType],
    range: Range,
) -> io::Result<Vec<(LogType, File)>> {
    let files = files::list(folder)?.into_iter();
    // A file's last line is no younger than its last change.
    let files = files.filter(|file| kinds.contains(&file.kind) && file.modified >= range.from);
    let mut opened = Vec::new();
    for file in files {
        match File::open(&file.path) {
            Ok(file_of) => opened.push((file.kind, file_of)),
            // It was removed meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(opened)
}

/// Calls `take` with each line within the range.
pub(super) fn read(
    opened: Vec<(LogType, File)>,
    range: Range,
    take: &mut dyn FnMut(Entry) -> io::Result<()>,
) -> io::Result<()> {
    for (kind, file) in opened {
        let mut lines = BufReader::new(file);
        let mut line = Vec::new();
        while lines.by_ref().take(LONGEST).read_until(b'\n', &mut line)? > 0 {
            let text = String::from_utf8_lossy(&line);
            let entry = Entry::parse(kind, text.trim_end());
            if let Some(entry) = entry.filter(|entry| (range.from..range.until).contains(&entry.at))
            {
                take(entry)?;
            }
            line.clear();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"timestamp":"2026-01-02T03:04:05.006789Z","level":"WARN","fields":{"message":"=a \"b\"","n":3},"target":"x"}"#;

    #[test]
    fn a_line_is_read_and_told_in_each_format() {
        let entry = Entry::parse(LogType::Application, LINE).unwrap();
        assert_eq!(
            (entry.at, entry.number("n")),
            (1_767_323_045_006, Some(3.0))
        );
        assert_eq!(
            entry.to_text(),
            "2026-01-02T03:04:05.006789Z WARN x: =a \"b\" n=3"
        );
        assert_eq!(
            entry.to_csv(),
            r#""2026-01-02T03:04:05.006789Z","application","WARN","x","'=a ""b""","{""n"":3}""#
        );
        assert_eq!(entry.to_json()["log_type"], "application");
        for broken in ["", "text", "[1]", r#"{"level":"INFO"}"#] {
            assert_eq!(Entry::parse(LogType::Access, broken), None, "{broken}");
        }
    }

    #[test]
    fn only_what_is_in_range_and_whole_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let half = &LINE[..40];
        std::fs::write(
            dir.path().join("audit.log"),
            format!("{LINE}\n{half}\n{LINE}\n{half}"),
        )
        .unwrap();
        std::fs::write(dir.path().join("access.log"), LINE).unwrap();
        let count = |kinds: &[LogType], from, until| {
            let mut found = 0;
            let range = Range { from, until };
            let opened = open(dir.path(), kinds, range).unwrap();
            read(opened, range, &mut |_| {
                found += 1;
                Ok(())
            })
            .unwrap();
            found
        };
        let at = 1_767_323_045_006;
        assert_eq!(count(&[LogType::Audit], at, at + 1), 2);
        assert_eq!(count(&LogType::ALL, 0, i64::MAX), 3);
        assert_eq!(count(&LogType::ALL, 0, at), 0);
    }
}
