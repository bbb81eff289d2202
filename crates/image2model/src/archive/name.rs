//! What a member's header and name say about it before any byte of it is read.

use super::{
    Reason, Refusal,
    record::{DEFLATED, Header, STORED},
};

/// Bytes of a member's whole name.
const LONGEST: usize = 1024;

/// What a member is by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A file, by its name without folders.
    File(String),
    /// A folder, or what a system has added.
    PassedOver,
}

/// # Errors
/// It is packed in a way that is not read, or its name leads elsewhere.
pub(super) fn judge(header: Header, name: &[u8]) -> Result<Kind, Refusal> {
    let refused = |reason, what: &str| Err(Refusal::of(name, reason, what));
    if header.is_encrypted() {
        return refused(Reason::Encrypted, "is encrypted");
    }
    if ![STORED, DEFLATED].contains(&header.method) {
        let what = format!(
            "is packed by method {}; stored (0) and deflated (8) are read",
            header.method
        );
        return Err(Refusal::of(name, Reason::Method, what));
    }
    let Some(text) = decoded(name, header.is_utf_8()) else {
        return refused(
            Reason::UnsafeName,
            "has a name that is not UTF-8, as it says",
        );
    };
    if let Some(what) = fault(&text) {
        return Err(Refusal::of(name, Reason::UnsafeName, what));
    }
    Ok(kind(&text))
}

/// # Errors
/// The name is too long to be looked at.
pub(super) fn check_length(bytes: usize) -> Result<(), Refusal> {
    if bytes <= LONGEST {
        return Ok(());
    }
    let what = format!("has a member whose name has {bytes} bytes; the limit is {LONGEST}");
    Err(Refusal::of_archive(Reason::UnsafeName, what))
}

/// What makes a name lead elsewhere, or be no name.
fn fault(name: &str) -> Option<&'static str> {
    let is_drive = matches!(name.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    if name.is_empty() {
        Some("has no name")
    } else if name.contains('\0') {
        Some("has a NUL in its name")
    } else if name.contains('\\') {
        Some("has a backslash in its name; folders are told apart by /")
    } else if name.starts_with('/') {
        Some("has an absolute path for a name")
    } else if is_drive {
        Some("has a drive's letter in its name")
    } else if name.split('/').any(|part| part == "..") {
        Some("has a name that leads out of its folder")
    } else {
        None
    }
}

fn kind(name: &str) -> Kind {
    let mut parts = name.split('/').rev();
    let base = parts.next().unwrap_or_default();
    let is_added = ["", ".", ".DS_Store", "Thumbs.db", "desktop.ini"].contains(&base)
        || base.starts_with("._")
        || parts.any(|folder| folder == "__MACOSX");
    match is_added {
        true => Kind::PassedOver,
        false => Kind::File(base.to_owned()),
    }
}

/// `None` for a name that says that it is UTF-8 and is not. One that says nothing is UTF-8 where it can be, as macOS
/// writes it, and else of the code page that the format has for it.
fn decoded(name: &[u8], is_utf_8: bool) -> Option<String> {
    match str::from_utf8(name) {
        Ok(text) => Some(text.to_owned()),
        Err(_) if is_utf_8 => None,
        Err(_) => Some(name.iter().map(|byte| of_437(*byte)).collect()),
    }
}

/// Whether the extra field of a name in Unicode (version, checksum of the other name, UTF-8) names what the header does.
pub(super) fn is_path(field: &[u8], name: &[u8], is_utf_8: bool) -> bool {
    let said = field.get(5..).unwrap_or_default();
    said == name || decoded(name, is_utf_8).is_some_and(|text| text.as_bytes() == said)
}

/// The upper half of IBM's code page 437.
const UPPER_437: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀\
    αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

fn of_437(byte: u8) -> char {
    match byte.checked_sub(128) {
        Some(upper) => UPPER_437.chars().nth(upper.into()).unwrap_or('\u{fffd}'),
        None => char::from(byte),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(flags: u16, method: u16) -> Header {
        Header {
            flags,
            method,
            crc: 0,
            packed: 1,
            size: 1,
            name: 0,
            extra: 0,
        }
    }

    fn judged(name: &[u8]) -> Result<Kind, Reason> {
        judge(header(0, STORED), name).map_err(|refused| refused.reason)
    }

    #[test]
    fn a_file_is_known_by_its_name_without_folders() {
        for (name, base) in [
            ("cat.png", "cat.png"),
            ("./cat.png", "cat.png"),
            ("holiday/2026/cat.png", "cat.png"),
            ("holiday//cat.png", "cat.png"),
            ("..cat.png", "..cat.png"),
            ("a..b/c...png", "c...png"),
            ("at 10:30.png", "at 10:30.png"),
            ("Käse/Bär.png", "Bär.png"),
        ] {
            let file = Kind::File(base.to_owned());
            assert_eq!(judged(name.as_bytes()), Ok(file), "{name}");
        }
        let dos = Kind::File("Bär.png".to_owned());
        assert_eq!(judged(b"B\x84r.png"), Ok(dos));
        assert_eq!(UPPER_437.chars().count(), 128);
    }

    #[test]
    fn folders_and_what_systems_add_are_passed_over() {
        for name in [
            "holiday/",
            "a/b/",
            "./",
            ".DS_Store",
            "a/.DS_Store",
            "a/Thumbs.db",
            "desktop.ini",
            "__MACOSX/",
            "__MACOSX/._cat.png",
            "__MACOSX/a/cat.png",
            "a/._cat.png",
        ] {
            assert_eq!(judged(name.as_bytes()), Ok(Kind::PassedOver), "{name}");
        }
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_refused_whatever_it_ends_in() {
        for name in [
            "",
            "/cat.png",
            "//host/cat.png",
            "../cat.png",
            "a/../../cat.png",
            "a/..",
            "..",
            "../",
            "__MACOSX/../cat.png",
            "a/../.DS_Store",
            "C:cat.png",
            "c:/cat.png",
            "..\\cat.png",
            "a\\cat.png",
            "\\\\host\\cat.png",
            "cat.png\0.exe",
            "\0",
        ] {
            assert_eq!(judged(name.as_bytes()), Err(Reason::UnsafeName), "{name:?}");
        }
        let broken = judge(header(1 << 11, STORED), b"B\x84r.png");
        assert_eq!(broken.unwrap_err().reason, Reason::UnsafeName);
    }

    #[test]
    fn what_is_encrypted_or_packed_otherwise_is_refused() {
        for (flags, method, reason) in [
            (1, STORED, Reason::Encrypted),
            (1 << 6, DEFLATED, Reason::Encrypted),
            (1 << 13, DEFLATED, Reason::Encrypted),
            (0, 9, Reason::Method),
            (0, 12, Reason::Method),
            (0, 99, Reason::Method),
        ] {
            let refused = judge(header(flags, method), b".DS_Store").unwrap_err();
            assert_eq!(refused.reason, reason, "{flags} {method}");
        }
    }

    proptest! {
        /// Whatever a name is made of, what comes of it is one step and stays where it is put.
        #[test]
        fn no_name_becomes_a_path(name in r"(\.|\.\.|/|\\|C:|a|\x00|\.png|é){0,8}", dos in any::<Vec<u8>>()) {
            for name in [name.as_bytes(), &dos] {
                if let Ok(Kind::File(base)) = judged(name) {
                    let bad = ["", ".", ".."].contains(&&*base) || base.contains(['/', '\\', '\0']);
                    prop_assert!(!bad, "{base:?}");
                }
            }
        }
    }
}
