//! The real binary on a port of the system's choosing, and what tests need to talk to it.

mod client;
mod hearing;
mod nginx;
mod pictures;
mod process;
mod redis;
mod s3;
mod server;

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

pub(crate) use client::{Client, Event, Sent};
pub(crate) use hearing::{Heard, Told, hear_out, is_for_now};
pub(crate) use nginx::Nginx;
pub(crate) use pictures::{jpeg, tiny};
pub(crate) use process::{allow_many_connections, children, is_there, peak_bytes, processor_time};
pub(crate) use redis::{
    Certificates, ClusterFleet, ClusterShape, Frozen, RealServer, SentinelFleet, SentinelShape,
    eventually, free_port,
};
pub(crate) use s3::S3Server;
pub(crate) use server::{Server, command, refusal, role, wrapped};

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// Whether the long versions are asked for (`make soak`).
pub(crate) fn soak() -> bool {
    environment("I2M_SOAK").is_some_and(|asked| asked == "1")
}

/// Whether the timed versions are asked for (`make e2e`).
pub(crate) fn e2e() -> bool {
    environment("I2M_E2E").is_some_and(|asked| asked == "1")
}

/// Whether the long version of the story of killed processes is asked for (`make chaos`).
pub(crate) fn chaos() -> bool {
    environment("I2M_CHAOS").is_some_and(|asked| asked == "1")
}

/// Whether all hostile pictures are asked for (`make hostile`).
pub(crate) fn hostile() -> bool {
    environment("I2M_HOSTILE").is_some_and(|asked| asked == "1")
}

/// What the environment of the tests themselves holds.
#[expect(clippy::disallowed_methods, reason = "no setting of the program")]
pub(crate) fn environment(name: &str) -> Option<OsString> {
    env::var_os(name)
}
