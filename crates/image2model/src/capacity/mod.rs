//! Figures of what the service does and could do: metrics, the host's load, the disk's room.

pub mod disk;
pub mod host;
pub mod metrics;
