//! A redis-server alone.

use std::sync::Arc;

use redis::FromRedisValue;

use super::{
    certificates::Certificates,
    process::{Frozen, Part, Process},
};

/// A redis-server of its own, in a folder of its own.
pub(crate) struct RealServer {
    process: Process,
}

impl RealServer {
    /// On a socket. It keeps nothing on disk unless `options` say so.
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::run(Part::OnSocket, options)
    }

    /// On a free port of 127.0.0.1.
    pub(crate) fn on_tcp(options: &[&str]) -> Self {
        Self::run(Part::OnTcp, options)
    }

    /// On a free port of 127.0.0.1 that speaks TLS only; with `asks_clients`, to those with a certificate.
    pub(crate) fn on_tls(asks_clients: bool, options: &[&str]) -> Self {
        let certificates = Arc::new(Certificates::make());
        let part = Part::OnTls {
            certificates,
            asks_clients,
        };
        Self::run(part, options)
    }

    fn run(part: Part, options: &[&str]) -> Self {
        let mut process = Process::spawn(part, options);
        process.wait_until_ready();
        Self { process }
    }

    /// Without a user or password.
    pub(crate) fn url(&self) -> String {
        match self.process.part() {
            Part::OnSocket => format!("redis+unix://{}", self.process.socket().display()),
            Part::OnTls { .. } => format!("rediss://{}", self.process.address()),
            _ => format!("redis://{}", self.process.address()),
        }
    }

    /// The URL with `user:password`, or `:password` for the default user; not for one on a socket.
    pub(crate) fn url_for(&self, who: &str) -> String {
        self.url().replacen("://", &format!("://{who}@"), 1)
    }

    /// Of one that speaks TLS.
    pub(crate) fn certificates(&self) -> &Certificates {
        match self.process.part() {
            Part::OnTls { certificates, .. } => certificates,
            _ => panic!("{} speaks no TLS", self.url()),
        }
    }

    /// A command's answer, as the default user.
    #[track_caller]
    pub(crate) fn ask<T: FromRedisValue>(&self, command: &[&str]) -> T {
        self.process.ask(command)
    }

    /// It answers nothing, and keeps its connections, until what is returned is dropped.
    pub(crate) fn freeze(&self) -> Frozen {
        self.process.freeze()
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) fn end(&mut self) {
        self.process.end();
    }

    /// After its end, in the same folder and on the same port.
    pub(crate) fn restart(&mut self, options: &[&str]) {
        self.process.restart_with(options);
    }
}
