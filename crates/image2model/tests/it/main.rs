//! The service's stories, one module each, in one binary.

mod layering;
mod requirements;
