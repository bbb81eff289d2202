//! Whose cryptography the process's TLS runs on.

/// Has all TLS of this process run on ring. One that was installed before is as good.
pub(crate) fn install_provider() {
    drop(rustls::crypto::ring::default_provider().install_default());
}
