//! The real binary on a port of the system's choosing, and what tests need to talk to it.

mod client;
mod pictures;
mod redis;
mod server;

pub(crate) use client::{Client, Event};
pub(crate) use pictures::{jpeg, tiny};
pub(crate) use redis::RealServer;
pub(crate) use server::{Server, command, refusal, wrapped};

/// Whether the long versions are asked for (`make soak`).
pub(crate) fn soak() -> bool {
    std::env::var_os("I2M_SOAK").is_some_and(|asked| asked == "1")
}
