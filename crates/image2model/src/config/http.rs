use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Network;

/// Who may call, and how much of this server a connection may hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSettings {
    /// Host names, besides IP addresses and `localhost`, that requests may name.
    pub hosts: Vec<String>,
    /// Origins, besides the server's own, whose pages may call.
    pub origins: Vec<String>,
    /// Addresses or networks (`10.0.0.0/8`) of proxies before this server. What they say in `X-Forwarded-For` of who
    /// asks is believed; nobody else's word is.
    pub trusted_proxies: Vec<Network>,
    /// Whether a server without any key may listen where others than this machine reach it.
    pub insecure_open: bool,
    /// Files in PEM with which API and page are served over TLS: the certificate with those that lead to its authority,
    /// and its key. They are read again when they change.
    pub tls_cert: PathBuf,
    pub tls_key: PathBuf,
    /// Seconds for the TLS handshake, and for the head of a request from its first byte on.
    pub header_timeout: u64,
    /// Bytes of a request's head.
    pub max_header_bytes: u32,
    /// Seconds without a request after which a kept connection is closed. Longer than proxies keep theirs (60 s for
    /// nginx), so that it is they who close.
    pub idle_timeout: u64,
    /// Seconds after which a client that takes nothing of its answer is given up.
    pub write_timeout: u64,
    /// Connections in all, 0 for as many as come. Never more than the limit of open files has room for.
    pub max_connections: usize,
    /// Connections of one address, or of one /64 of IPv6; 0 for as many as come. Trusted proxies have any number.
    pub max_connections_per_address: usize,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            origins: Vec::new(),
            trusted_proxies: Vec::new(),
            insecure_open: false,
            tls_cert: PathBuf::new(),
            tls_key: PathBuf::new(),
            header_timeout: 10,
            max_header_bytes: 32 * 1024,
            idle_timeout: 75,
            write_timeout: 60,
            max_connections: 16_384,
            max_connections_per_address: 1024,
        }
    }
}
