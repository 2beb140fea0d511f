//! Handshakes with certificates that are trusted, unknown and wrong.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConnection, HandshakeKind, ServerConfig, ServerConnection, Stream};

use super::*;
use crate::plan::Protocol;

/// A self-signed certificate for `localhost` and 127.0.0.1, made by the system's `openssl`.
pub(crate) struct Certificate {
    folder: tempfile::TempDir,
}

impl Certificate {
    pub(crate) fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = Command::new("openssl")
            .current_dir(folder.path())
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
            .args(["ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
            .args(["-keyout", "key.pem", "-out", "cert.pem"])
            .args(["-subj", "/CN=localhost"])
            .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .output()
            .expect("this test needs the `openssl` command; install openssl");
        assert!(made.status.success(), "openssl: {made:?}");
        Certificate { folder }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    pub(crate) fn server(&self, alpn: &[&[u8]]) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::from_pem_file(self.folder.path().join("key.pem")).unwrap();
        let certificate = CertificateDer::from_pem_file(self.file()).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Arc::new(config)
    }
}

pub(crate) fn target(ca_file: Option<PathBuf>, insecure_tls: bool) -> Target {
    Target {
        url: "https://localhost".to_owned(),
        host: "localhost".to_owned(),
        port: 443,
        tls: true,
        base_path: String::new(),
        protocol: Protocol::Http2,
        keep_alive: true,
        ca_file,
        insecure_tls,
        production: false,
        permission_file: None,
        redirects_max: 0,
        descriptors: None,
    }
}

/// Shakes hands once and echoes four bytes; tells the agreed protocol and whether a session was resumed.
fn talk(
    server: &Arc<ServerConfig>,
    client: &Arc<ClientConfig>,
    host: &str,
) -> std::io::Result<(Option<Vec<u8>>, Option<HandshakeKind>)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let server = Arc::clone(server);
    let peer = std::thread::spawn(move || -> std::io::Result<()> {
        let (mut tcp, _) = listener.accept()?;
        let mut session = ServerConnection::new(server).map_err(std::io::Error::other)?;
        let mut stream = Stream::new(&mut session, &mut tcp);
        let mut bytes = [0; 4];
        stream.read_exact(&mut bytes)?;
        stream.write_all(&bytes)
    });
    let mut tcp = TcpStream::connect(address)?;
    let name = server_name(host).map_err(std::io::Error::other)?;
    let mut session =
        ClientConnection::new(Arc::clone(client), name).map_err(std::io::Error::other)?;
    let mut stream = Stream::new(&mut session, &mut tcp);
    let talked = stream.write_all(b"ping").and_then(|()| {
        let mut echo = [0; 4];
        stream.read_exact(&mut echo)?;
        assert_eq!(&echo, b"ping");
        Ok(())
    });
    drop(tcp);
    let _ = peer.join().unwrap();
    talked?;
    let protocol = session.alpn_protocol().map(<[u8]>::to_vec);
    Ok((protocol, session.handshake_kind()))
}

#[test]
fn a_certificate_is_trusted_by_its_file_or_by_wish_only() {
    let certificate = Certificate::make();
    let server = certificate.server(&[b"h2", b"http/1.1"]);

    let by_file = client_config(&target(Some(certificate.file()), false), &[b"h2"]).unwrap();
    for host in ["localhost", "127.0.0.1"] {
        let (protocol, _) = talk(&server, &by_file, host).unwrap();
        assert_eq!(protocol.as_deref(), Some(&b"h2"[..]), "{host}");
    }
    let wrong_name = talk(&server, &by_file, "other.example").unwrap_err();
    assert!(
        wrong_name.to_string().contains("not valid for name"),
        "{wrong_name}"
    );

    let public = client_config(&target(None, false), &[b"h2"]).unwrap();
    let unknown = talk(&server, &public, "localhost").unwrap_err();
    assert!(unknown.to_string().contains("UnknownIssuer"), "{unknown}");

    let by_wish = client_config(&target(None, true), &[b"http/1.1"]).unwrap();
    let (protocol, _) = talk(&server, &by_wish, "other.example").unwrap();
    assert_eq!(protocol.as_deref(), Some(&b"http/1.1"[..]));
}

#[test]
fn sessions_are_resumed() {
    let certificate = Certificate::make();
    let server = certificate.server(&[b"h2"]);
    let client = client_config(&target(Some(certificate.file()), false), &[b"h2"]).unwrap();
    let (_, first) = talk(&server, &client, "localhost").unwrap();
    let (_, second) = talk(&server, &client, "localhost").unwrap();
    assert_eq!(first, Some(HandshakeKind::Full));
    assert_eq!(second, Some(HandshakeKind::Resumed));
}

#[test]
fn a_bad_file_or_name_is_told_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("roots.pem");
    let mut told = Vec::new();
    let mut tell = |text: Option<&[u8]>| {
        if let Some(text) = text {
            std::fs::write(&file, text).unwrap();
        }
        let error = client_config(&target(Some(file.clone()), false), &[]).unwrap_err();
        told.push(error.to_string());
    };
    tell(None);
    tell(Some(b"nothing here"));
    tell(Some(
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ));
    tell(Some(&vec![b'x'; CA_FILE_BYTES_MAX as usize + 1]));
    for (error, part) in told.iter().zip([
        "cannot read the root certificates",
        "holds no certificate",
        "is not a certificate",
        "is larger than",
    ]) {
        assert!(error.contains(part), "{error}");
    }
    assert!(server_name("[::1]").is_ok());
    let error = server_name("no host").unwrap_err().to_string();
    assert!(error.contains("`no host` cannot be the name"), "{error}");
}
