//! Image bytes to a closed, textured 3D model, and that model to a file.
//!
//! Pure and synchronous: no network, no clock, no file system, no threads of its own. The same bytes
//! and options give the same bytes out, wherever and beside whatever it runs; callers get parallelism
//! by running several pictures at once.
//!
//! It never learns about jobs, queues or HTTP. Callers hand in bytes, [`Options`] and an [`Observer`]
//! (which hears of each step and may cancel between and inside them), and get a [`Model`] that has
//! passed every check in [`mesh::check`], or an [`Error`] that names what was wrong. [`peak_bytes`] tells
//! beforehand how much memory that takes.
//!
//! Data runs through `pipeline.rs` in one direction: bytes → [`image::Picture`] → [`segment::Matte`] →
//! [`shape`] → [`mesh::Mesh`] → [`texture`] → [`Model`] → [`mod@format`] or [`preview`]. [`mod@import`] is the other way
//! to a [`Model`]: from a mesh that somebody else made.

mod error;
#[cfg(test)]
mod fixtures;
pub mod format;
pub mod image;
pub mod import;
mod memory;
pub mod mesh;
mod model;
pub mod options;
mod pipeline;
pub mod preview;
mod sampler;
pub mod segment;
pub mod shape;
pub mod texture;

pub use error::Error;
pub use format::Format;
pub use image::{Inspection, Limits, inspect};
pub use memory::peak_bytes;
pub use model::{Bounds, Model, Texture, Warning};
pub use options::{ModelKind, OptionError, Options};
pub use pipeline::{Observer, Silent, Step, reconstruct};
