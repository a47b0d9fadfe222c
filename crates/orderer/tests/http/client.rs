//! A client that sees every byte, and the certificates of a small organisation.

use std::{collections::BTreeMap, net::SocketAddr, path::Path, sync::Arc};

use orderer::settings::{Endpoint, Tls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// A reply, taken apart.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no reply: {text:?}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        Self { status, headers, body: body.to_owned() }
    }
}

/// Sends one request as it stands and reads the reply to its end.
pub(crate) async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &[u8],
) -> std::io::Result<Reply> {
    stream.write_all(request).await?;
    let mut reply = Vec::new();
    // A listener that closes without a TLS goodbye has still answered.
    match stream.read_to_end(&mut reply).await {
        Err(error) if reply.is_empty() => Err(error),
        _ => Ok(Reply::parse(&reply)),
    }
}

/// A request's bytes; `headers` are whole lines.
pub(crate) fn request(method: &str, path: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
    head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    for header in headers {
        head.push_str(&format!("{header}\r\n"));
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

/// One request over plain TCP.
pub(crate) async fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &[u8],
) -> Reply {
    let stream = TcpStream::connect(address).await.unwrap();
    exchange(stream, &request(method, path, headers, body)).await.unwrap()
}

/// A CA that issues certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key.
pub(crate) struct Issued {
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    key_pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn issue(&self) -> Issued {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(vec!["localhost".into()]).unwrap();
        let certificate = parameters.signed_by(&key, &self.0).unwrap();
        Issued {
            certificate: certificate.der().clone(),
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        }
    }

    /// An endpoint on a free port with a certificate of this CA, which it trusts for clients.
    pub(crate) fn endpoint(&self, directory: &Path, client_auth_required: bool) -> Endpoint {
        let issued = self.issue();
        let [certificate, private_key, roots] =
            ["server.crt", "server.key", "roots.crt"].map(|name| directory.join(name));
        std::fs::write(&certificate, &issued.certificate_pem).unwrap();
        std::fs::write(&private_key, &issued.key_pem).unwrap();
        std::fs::write(&roots, self.0.pem()).unwrap();
        let tls = Tls {
            enabled: true,
            certificate,
            private_key,
            client_auth_required,
            client_root_cas: vec![roots],
            ..Tls::default()
        };
        Endpoint { tls, ..plain() }
    }

    /// One request over TLS, as `client` if there is one.
    pub(crate) async fn send(
        &self,
        address: SocketAddr,
        client: Option<&Issued>,
        request: &[u8],
    ) -> std::io::Result<Reply> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        let config = match client {
            Some(client) => {
                let key = PrivateKeyDer::from_pem_slice(client.key_pem.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![client.certificate.clone()], key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        exchange(stream, request).await
    }
}

/// An endpoint on a free port without TLS.
pub(crate) fn plain() -> Endpoint {
    Endpoint { listen_address: "127.0.0.1:0".into(), tls: Tls::default() }
}
