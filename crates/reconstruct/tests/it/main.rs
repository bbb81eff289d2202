//! What the crate promises, seen from outside; one module per story.

mod robust;
mod shape;
