//! What the crate promises, seen from outside; one module per story.

mod decode;
mod draw;
mod files;
mod robust;
mod segment;
mod shape;
