//! What the crate promises, seen from outside; one module per story.
#![expect(
    clippy::unwrap_used,
    reason = "a helper that cannot go on fails its test"
)]

mod decode;
mod draw;
mod drawn;
mod files;
mod memory;
mod pipeline;
mod robust;
mod segment;
mod shape;
mod texture;
