//! What fuzzing calls: one function for each place at which bytes of others are read.
//!
//! `fuzz/` gives them what it invents, and the tests below what it found: `fuzz/corpus/<target>/` holds inputs that are
//! worth keeping. Each takes any bytes, returns on those that are refused, and panics where a promise is broken.
//! What is private is reached by a `fuzzing.rs` of its own beside it.

mod archives;
mod models;
mod texts;

use crate::{http, provider, store};

pub use archives::archive;
pub use models::{mesh, picture};
pub use texts::{links, options};

/// Forms of uploads: one byte for what the files are, one for where the body is parted, and the body.
pub fn multipart(bytes: &[u8]) {
    http::fuzzing::multipart(bytes);
}

/// Queries with cursors, numbers and ids: a line of path and query, and one of the last event's id.
pub fn query(bytes: &[u8]) {
    http::fuzzing::query(bytes);
}

/// What a decoder in a process of its own says: one byte for what it is granted, and its pipe.
pub fn frames(bytes: &[u8]) {
    provider::frames(bytes);
}

/// What a Redis answers: one byte for the kind of it, and what was kept.
pub fn replies(bytes: &[u8]) {
    store::redis::fuzzing::replies(bytes);
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    /// Gives a target all that is kept of its inputs.
    fn replay(name: &str, target: fn(&[u8])) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = root.join("../../fuzz/corpus").join(name);
        let kept = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut count = 0;
        for entry in kept {
            let path = entry.unwrap().path();
            println!("{}", path.display());
            target(&fs::read(&path).unwrap());
            count += 1;
        }
        assert!(count > 0, "{} is empty", folder.display());
    }

    macro_rules! every_input_keeps_the_promises_of {
        ($($target:ident),*) => {$(
            #[test]
            fn $target() {
                replay(stringify!($target), super::$target);
            }
        )*};
    }

    every_input_keeps_the_promises_of!(
        picture, mesh, multipart, archive, options, query, links, frames, replies
    );
}
