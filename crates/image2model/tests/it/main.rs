//! The service's stories, one module each, in one binary.

#![cfg(test)]

mod architecture;
mod convert;
mod disk;
mod fairness;
mod http;
mod layering;
mod many_streams;
mod memory;
mod metrics;
mod models_pass_outside_judges;
mod page;
mod requirements;
mod restart;
mod shared_artifacts;
mod shared_store;
mod start;
mod support;
mod work;
