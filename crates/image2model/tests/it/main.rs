//! The service's stories, one module each, in one binary.

mod convert;
mod http;
mod layering;
mod many_streams;
mod metrics;
mod models_pass_outside_judges;
mod requirements;
mod restart;
mod support;
