//! The whole HTTP surface: route table and layer order on this screen; one file per resource; `error.rs` is the
//! only map to status codes. Handlers parse, call `service`, wrap.

use axum::Router;

use crate::service::Service;

/// All routes over `service`.
pub fn router(service: Service) -> Router {
    let _ = service;
    todo!()
}
