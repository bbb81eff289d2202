//! All that HTTP may call: submit, get, cancel, list, watch, read files.
//!
//! Owns the checks that hold whoever asks (ownership, limits, the order upload → record) and nothing of
//! status codes or JSON. Speaks to `store` and `artifacts`; never to workers.

use crate::{
    artifacts::Artifacts,
    config::Config,
    job::{Flow, Owner},
    store::Store,
};
use std::sync::Arc;

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    pub owner: Owner,
    pub flow: Flow,
}

/// The service's operations over its parts.
#[derive(Clone)]
pub struct Service {
    pub store: Store,
    pub artifacts: Artifacts,
    pub config: Arc<Config>,
}
