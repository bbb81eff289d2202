//! What the crate promises, seen from outside; one module per story.

#![cfg(test)]

mod decode;
mod draw;
mod drawn;
mod files;
mod memory;
mod mesh_memory;
mod pipeline;
mod robust;
mod segment;
mod shape;
mod texture;
