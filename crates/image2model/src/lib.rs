//! The image2model service: one binary whose roles are parts switched on. `ARCHITECTURE.md` has the map.

pub mod access;
pub mod app;
pub mod archive;
pub mod artifacts;
pub mod capacity;
pub mod cli;
pub mod clock;
pub mod config;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod http;
pub mod job;
pub mod logs;
pub mod provider;
pub mod service;
pub mod store;
mod tls;
pub mod worker;

/// Half the CPU time of a small job goes with the system's allocator, and glibc's gives what one thread has freed to no
/// other: a server's memory would grow with every thread that has ever worked.
#[cfg(not(any(target_env = "msvc", feature = "fuzzing")))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A few heaps for all threads; what is free goes back to the system within a second, and pieces from 1 MB on at once.
#[cfg(not(any(target_env = "msvc", feature = "fuzzing")))]
#[unsafe(export_name = "_rjem_malloc_conf")]
#[expect(unsafe_code, reason = "jemalloc reads its settings from this name")]
pub static ALLOCATOR_SETTINGS: &[u8] =
    b"narenas:2,oversize_threshold:1048576,background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0\0";
