//! Lines and numbers of the formats that are text.

/// The lines of `bytes` with their numbers from 1, without what ends them; a backslash at its end joins a line to
/// the next one.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    let mut number = 0;
    std::iter::from_fn(move || {
        if at >= bytes.len() {
            return None;
        }
        let (start, first) = (at, number + 1);
        loop {
            number += 1;
            let rest = &bytes[at..];
            let length = rest.iter().position(|b| *b == b'\n');
            let end = at + length.unwrap_or(rest.len());
            at = (end + 1).min(bytes.len());
            let line = bytes[start..end].trim_ascii_end();
            if line.last() != Some(&b'\\') || at >= bytes.len() {
                return Some((first, line));
            }
        }
    })
}

/// The words of a line; what joined two lines is none.
pub(super) fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty() && *word != b"\\")
}

/// A number as text, infinite and not-a-number included: whoever asks refuses them by name.
pub(super) fn number<T: std::str::FromStr>(word: &[u8]) -> Option<T> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// As many numbers as `N` from the next words.
pub(super) fn numbers<'a, const N: usize>(
    words: &mut impl Iterator<Item = &'a [u8]>,
) -> Option<[f32; N]> {
    let mut values = [0.0; N];
    for value in &mut values {
        *value = number(words.next()?)?;
    }
    Some(values)
}

/// A piece of the file for messages.
pub(super) fn shown(bytes: &[u8]) -> String {
    const LONGEST: usize = 40;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * LONGEST)]);
    text.chars().take(LONGEST).collect()
}
