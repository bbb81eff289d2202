//! The service's stories, one module each, in one binary.

#![cfg(test)]

mod apart;
mod api_description;
mod architecture;
mod balancer;
mod chaos;
mod conversion;
mod convert;
mod dead;
mod disk;
mod failover;
mod fairness;
mod hostile;
mod http;
mod keys;
mod layering;
mod logs;
mod many_streams;
mod memory;
mod metrics;
mod models_pass_outside_judges;
mod page;
mod redis_fleets;
mod redis_guide;
mod redis_refusals;
mod redis_trouble;
mod requirements;
mod restart;
mod rewound;
mod roles;
mod security;
mod server;
mod shared_artifacts;
mod shared_limits;
mod shared_store;
mod start;
mod store_copy;
mod support;
mod work;
