//! The image2model service: one binary whose roles are parts switched on. `ARCHITECTURE.md` has the map.

pub mod app;
pub mod artifacts;
pub mod capacity;
pub mod cli;
pub mod clock;
pub mod config;
pub mod http;
pub mod job;
pub mod provider;
pub mod service;
pub mod store;
pub mod worker;
