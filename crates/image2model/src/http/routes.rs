//! A router that knows its routes, and asks of each caller what the route asks.

use axum::{
    Router,
    handler::Handler,
    http::Method,
    middleware::from_fn_with_state,
    routing::{MethodFilter, MethodRouter, on},
};

use crate::service::Service;

use super::access::{self, Access};

/// One line of the route table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub method: Method,
    /// As axum writes it, with `{names}`.
    pub path: String,
    pub access: Access,
}

pub(super) struct Routes {
    service: Service,
    prefix: &'static str,
    router: Router<Service>,
    table: Vec<Route>,
}

impl Routes {
    pub(super) fn new(service: &Service) -> Self {
        Self {
            service: service.clone(),
            prefix: "",
            router: Router::new(),
            table: Vec::new(),
        }
    }

    /// Those that follow lie below `prefix`.
    pub(super) fn under(mut self, prefix: &'static str) -> Self {
        self.prefix = prefix;
        self
    }

    pub(super) fn get<H, T>(self, path: &str, access: Access, handler: H) -> Self
    where
        H: Handler<T, Service>,
        T: 'static,
    {
        self.route(Method::GET, path, access, on(MethodFilter::GET, handler))
    }

    pub(super) fn post<H, T>(self, path: &str, access: Access, handler: H) -> Self
    where
        H: Handler<T, Service>,
        T: 'static,
    {
        self.route(Method::POST, path, access, on(MethodFilter::POST, handler))
    }

    pub(super) fn delete<H, T>(self, path: &str, access: Access, handler: H) -> Self
    where
        H: Handler<T, Service>,
        T: 'static,
    {
        let handler = on(MethodFilter::DELETE, handler);
        self.route(Method::DELETE, path, access, handler)
    }

    /// For handlers with layers of their own.
    pub(super) fn route(
        mut self,
        method: Method,
        path: &str,
        access: Access,
        handler: MethodRouter<Service>,
    ) -> Self {
        let path = format!("{}{path}", self.prefix);
        let handler = match access {
            Access::Open => handler,
            _ => {
                let state = (self.service.clone(), access);
                handler.route_layer(from_fn_with_state(state, access::check))
            }
        };
        self.router = self.router.route(&path, handler);
        self.table.push(Route {
            method,
            path,
            access,
        });
        self
    }

    pub(super) fn into_parts(self) -> (Router<Service>, Vec<Route>) {
        (self.router, self.table)
    }
}
