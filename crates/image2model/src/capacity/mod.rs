//! Metrics of what the service does and could do.
