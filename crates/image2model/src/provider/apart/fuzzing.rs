//! What fuzzing does to the frames that parent and child say to each other.

use std::sync::Arc;

use futures::FutureExt as _;

use super::{
    child,
    frame::{self, Answer, Ask},
};
use crate::provider::OnProgress;

/// What never has to wait.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("bytes in memory are there")
}

/// One byte for how much of a body is granted, in steps of 16, and what comes through the pipe.
///
/// Whatever is taken as a frame is within what was granted and reads the same once it is written again; and what a
/// parent makes of a child's answers is each file once, all of them within what was granted.
pub(crate) fn frames(bytes: &[u8]) {
    let [granted, pipe @ ..] = bytes else {
        return;
    };
    let most = u64::from(*granted) * 16;
    let mut from = pipe;
    while let Ok((answer, body)) = now(frame::receive::<Answer>(&mut from, most)) {
        assert!(body.len() as u64 <= most, "more than was granted");
        let (mut written, mut sent) = (Vec::new(), Vec::new());
        frame::write(&mut written, &answer, &body).expect("memory takes it");
        now(frame::send(&mut sent, &answer, &body)).expect("memory takes it");
        assert_eq!(written, sent);
        let read = frame::read(&mut written.as_slice()).expect("it was written");
        assert_eq!((answer, body), read);
    }
    let mut from = pipe;
    while let Ok((ask, body)) = now(frame::receive::<Ask>(&mut from, most)) {
        let mut written = Vec::new();
        frame::write(&mut written, &ask, &body).expect("memory takes it");
        let read = frame::read(&mut written.as_slice()).expect("it was written");
        assert_eq!((ask, body), read);
    }
    let nobody: OnProgress = Arc::new(|percent, _| assert!(percent <= 100));
    if let Ok(Ok(made)) = now(child::collect(&mut &pipe[..], most, &nobody)) {
        let size: usize = made.files.iter().map(|file| file.bytes.len()).sum();
        assert!(size as u64 <= most, "{size} bytes of {most}");
        let mut formats: Vec<_> = made.files.iter().map(|file| file.format).collect();
        formats.sort_unstable();
        let all = formats.len();
        formats.dedup();
        assert_eq!(formats.len(), all, "a file came twice");
    }
}
