//! Encryption towards the target: which certificates are trusted and which protocol is agreed on.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use crate::engine::RunClock;
use crate::plan::Target;
use crate::timing::Nanos;

/// Largest file of root certificates that is read; the public ones together have a fifth of it.
pub const CA_FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Sessions that are remembered for resumption.
const SESSIONS_KEPT_MAX: usize = 256;

/// Why no encrypted connection can be made at all.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of root certificates cannot be read.
    #[error("cannot read the root certificates in `{}`: {source}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is larger than is read.
    #[error("`{}` is larger than {CA_FILE_BYTES_MAX} bytes; keep only the root that signs the target", path.display())]
    CaFileTooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Something in the file is not a certificate.
    #[error("`{}` holds something that is not a certificate: {cause}; write certificates as PEM", path.display())]
    CaCertificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// No certificate in the file.
    #[error("`{}` holds no certificate; write certificates as PEM", path.display())]
    CaFileEmpty {
        /// The file.
        path: PathBuf,
    },
    /// The host cannot be a name in a certificate.
    #[error("`{host}` cannot be the name in a certificate; write a host name or an address")]
    ServerName {
        /// The host as written.
        host: String,
    },
    /// The settings contradict each other.
    #[error("cannot set up encryption: {0}")]
    Settings(#[from] rustls::Error),
}

/// The settings of connections to a target. `alpn` lists the protocols that are offered, best first.
///
/// Roots are the target's `ca_file`, or Mozilla's when it has none. With `insecure_tls` any certificate is
/// accepted; handshake signatures are checked even then, so that what is measured is a whole handshake.
/// Sessions are resumed, as callers of a busy service do.
pub fn client_config(target: &Target, alpn: &[&[u8]]) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = if target.insecure_tls {
        Arc::new(AnyCertificate(Arc::clone(&provider)))
    } else {
        let roots = Arc::new(roots(target.ca_file.as_deref())?);
        WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    config.resumption = Resumption::in_memory_sessions(SESSIONS_KEPT_MAX);
    Ok(Arc::new(config))
}

/// The name that the target's certificate must hold: a host name, or an address with or without brackets.
pub fn server_name(host: &str) -> Result<ServerName<'static>, TlsError> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(ServerName::IpAddress(address.into()));
    }
    ServerName::try_from(host.to_owned()).map_err(|_| TlsError::ServerName {
        host: host.to_owned(),
    })
}

/// Shakes hands once more with a target that failed to, for the reason in words; senders count failures by
/// kind only. `None` when this one went well, or nothing was said within `patience`.
pub(crate) fn why_refused(
    config: &Arc<ClientConfig>,
    host: &str,
    address: SocketAddr,
    clock: &RunClock,
    patience: Duration,
) -> Option<String> {
    let until = clock.now().plus(Nanos::from_duration(patience).0);
    let mut session = ClientConnection::new(Arc::clone(config), server_name(host).ok()?).ok()?;
    let mut stream = TcpStream::connect_timeout(&address, patience).ok()?;
    stream.set_read_timeout(Some(patience)).ok()?;
    stream.set_write_timeout(Some(patience)).ok()?;
    while clock.now() < until {
        while session.wants_write() {
            session.write_tls(&mut stream).ok()?;
        }
        if !session.is_handshaking() || session.read_tls(&mut stream).ok()? == 0 {
            return None;
        }
        if let Err(error) = session.process_new_packets() {
            return Some(error.to_string());
        }
    }
    None
}

fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let Some(path) = ca_file else {
        return Ok(RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        });
    };
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&read_limited(path)?) {
        certificate
            .map_err(|error| error.to_string())
            .and_then(|found| store.add(found).map_err(|error| error.to_string()))
            .map_err(|cause| TlsError::CaCertificate {
                path: path.to_owned(),
                cause,
            })?;
    }
    if store.is_empty() {
        return Err(TlsError::CaFileEmpty {
            path: path.to_owned(),
        });
    }
    Ok(store)
}

fn read_limited(path: &Path) -> Result<Vec<u8>, TlsError> {
    use std::io::Read;

    let unreadable = |source| TlsError::CaFile {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .map_err(unreadable)?
        .take(CA_FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > CA_FILE_BYTES_MAX {
        return Err(TlsError::CaFileTooLarge {
            path: path.to_owned(),
        });
    }
    Ok(bytes)
}

/// Takes every certificate, for targets that have none that anybody signed. Only when the plan asks.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
pub(crate) mod tests;
