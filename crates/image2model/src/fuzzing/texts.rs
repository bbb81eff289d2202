//! Options of every kind, keys and signed links.

use std::{fmt::Display, str::FromStr};

use crate::{
    access::{
        Token,
        link::{self, Secret},
    },
    config::{Keep, Memory, Network},
    http,
    job::{About, Owner, Timestamp},
    provider::ModelRequest,
};

/// Lines of `name=value`; without a name the model, `format=…` once for each format. The whole is taken for a JSON body
/// and for each kind of setting, too.
///
/// What is taken is written and read the same again.
pub fn options(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (mut model, mut options, mut formats) = (None, Vec::new(), Vec::new());
    for line in text.lines() {
        match line.split_once('=') {
            Some(("format", value)) => formats.push(value.to_owned()),
            Some((name, value)) => options.push((name.to_owned(), value.to_owned())),
            None => model = Some(line),
        }
    }
    let asked = [
        ModelRequest::parse(model, &options, &formats),
        ModelRequest::parse_conversion(&options, &formats),
        ModelRequest::from_stored(&options, &formats),
    ];
    asked.iter().flatten().for_each(http::fuzzing::stays);
    http::fuzzing::body(text);
    let labels = text.lines().map(str::to_owned).collect();
    if let Ok(about) = About::new(labels, model.map(str::to_owned)) {
        let again = About::new(about.labels.clone(), about.reference.clone());
        assert_eq!(again.as_ref(), Ok(&about));
    }
    stays::<Memory>(text);
    stays::<Keep>(text);
    stays::<Network>(text);
}

/// A setting that is read is written, and read the same again.
fn stays<T: FromStr + Display + PartialEq>(text: &str) {
    if let Ok(read) = text.parse::<T>() {
        assert!(read.to_string().parse().ok() == Some(read), "{text:?}");
    }
}

/// Two bytes for a place and a change, 32 of a token, eight of a time, and lines: path, owner, and anything.
///
/// A link opens its path for its owner until its time, a token is well formed; with any byte changed neither is so, and
/// nothing that was not signed opens anything.
pub fn links(bytes: &[u8]) {
    let Some(([place, change], rest)) = bytes.split_first_chunk() else {
        return;
    };
    let Some((random, rest)) = rest.split_first_chunk() else {
        return;
    };
    let Some((until, text)) = rest.split_first_chunk() else {
        return;
    };
    let text = String::from_utf8_lossy(text);
    let mut lines = text.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (path, owner, anything) = (line(), Owner(line().to_owned()), line());
    let until = i64::from_le_bytes(*until);
    let secrets = [Secret::from_bytes(random), Secret::from_bytes(&[7; 32])];
    let opens =
        |path: &str, link: &str, now: i64| link::opened(&secrets, path, link, Timestamp(now));
    let link = link::sign(&secrets[1], path, &owner, Timestamp(until));
    assert_eq!(opens(path, &link, until), None, "its time is over");
    let before = until.saturating_sub(1);
    if before < until {
        assert_eq!(opens(path, &link, before), Some(owner));
    }
    assert_eq!(opens(&format!("{path}/"), &link, before), None);
    if let Some(changed) = changed(&link, *place, *change) {
        assert_eq!(opens(path, &changed, i64::MIN), None, "{changed} of {link}");
    }
    assert_eq!(
        opens(path, anything, i64::MIN),
        None,
        "nobody signed {anything}"
    );

    let token = Token::from_bytes(random);
    assert!(token.is_well_formed() && token.has_digest(&token.digest()));
    if let Some(changed) = changed(token.reveal(), *place, *change) {
        let changed = Token::given(&changed);
        assert!(!changed.is_well_formed() && !changed.has_digest(&token.digest()));
    }
    let _ = Token::given(anything).is_well_formed();
}

/// The text with one of its bytes changed; `None` where that is no text.
fn changed(text: &str, place: u8, change: u8) -> Option<String> {
    let mut bytes = text.as_bytes().to_vec();
    let place = usize::from(place) % bytes.len();
    bytes[place] ^= change.max(1);
    String::from_utf8(bytes).ok()
}
