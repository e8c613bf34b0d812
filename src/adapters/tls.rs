//! The one cryptography provider of the process.
//!
//! Invariant: it is installed before the first TLS configuration is made; both rustls and reqwest
//! panic otherwise. What is absent: certificates and trust, which belong to each connection.

/// Makes ring the provider of the process. Does nothing when it already is.
pub fn install_provider() {
    // An error means that a provider is there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
