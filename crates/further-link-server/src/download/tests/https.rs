//! HTTPS: who is trusted, and that nobody else is.

use super::*;
use crate::download::tls;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// Who signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn certificate(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// Returns the certificate of a server, as `change` wants it.
    fn server(
        &self,
        resolver: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> TlsAcceptor {
        let resolver: Vec<_> = resolver.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(resolver).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// One that trusts these authorities.
fn trusting(authorities: &[&Authority], resolver: Arc<Table>) -> Downloader {
    let authorities = authorities.iter().map(|authority| authority.certificate());
    let tls = tls(authorities.collect()).unwrap();
    Downloader(Arc::new(Inner {
        settings: TEST_SETTINGS,
        network: Connector::new(resolver, || Ok(AddressFilter::Open), SHORT_TIMEOUTS),
        tls: OnceCell::new_with(Some(tls)),
    }))
}

/// A server with TLS. `close` says whether it ends as TLS wants it.
async fn encrypted(
    acceptor: TlsAcceptor,
    answer: impl Into<Vec<u8>>,
    close: bool,
) -> (SocketAddr, JoinSet<()>) {
    let answer = answer.into();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut task = JoinSet::new();
    task.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(&answer).await.unwrap();
            stream.flush().await.unwrap();
            if close {
                let _ = stream.shutdown().await;
            }
        }
    });
    (address, task)
}

#[tokio::test]
async fn certificate_of_trusted_authority_is_accepted() {
    let authority = Authority::new("school");
    let acceptor = authority.server(&["school.example", "127.0.0.1"], |_| {});
    let (address, _task) = encrypted(acceptor, ok("by https"), true).await;
    let resolver = Table::with([
        ("school.example", vec![address]),
        ("school.example.", vec![address]),
    ]);
    let downloader = trusting(&[&Authority::new("another"), &authority], resolver);
    for host in ["127.0.0.1", "school.example", "school.example."] {
        let url = format!("https://{host}:{}/", address.port());
        let (result, content) = fetch(&downloader, &url).await;
        assert_eq!(content, b"by https", "{result:?}");
    }
}

#[tokio::test]
async fn certificate_of_unknown_authority_is_refused() {
    let trusted = Authority::new("school");
    let unknown = Authority::new("unknown").server(&["127.0.0.1"], |_| {});
    let other_name = trusted.server(&["other.example"], |_| {});
    let long_ago = trusted.server(&["127.0.0.1"], |params| {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    let not_yet = trusted.server(&["127.0.0.1"], |params| {
        params.not_before = rcgen::date_time_ymd(2900, 1, 1);
    });
    for (acceptor, reason) in [
        (unknown, "UnknownIssuer"),
        (other_name, "not valid for name"),
        (long_ago, "expired"),
        (not_yet, "not valid yet"),
    ] {
        let (address, _task) = encrypted(acceptor, ok("x"), true).await;
        let downloader = trusting(&[&trusted], Table::with([]));
        let sentence = failure(&downloader, &format!("https://{address}/?SECRET")).await;
        assert!(
            sentence.starts_with("127.0.0.1 cannot be trusted: ") && sentence.contains(reason),
            "{sentence}"
        );
        assert!(!sentence.contains("SECRET"), "{sentence}");
    }
}

/// With the authorities that this machine has, whichever they are.
#[tokio::test]
async fn system_authorities_refuse_made_up_certificate() {
    let acceptor = Authority::new("unknown").server(&["127.0.0.1"], |_| {});
    let (address, _task) = encrypted(acceptor, ok("x"), true).await;
    let sentence = failure(&open(), &format!("https://{address}/")).await;
    let reason = match rustls_native_certs::load_native_certs().certs.is_empty() {
        true => "no certificates",
        false => "UnknownIssuer",
    };
    assert!(sentence.contains(reason), "{sentence}");
}

#[test]
fn https_fails_without_authorities() {
    assert!(tls(Vec::new()).is_none());
    assert!(tls(vec![CertificateDer::from(vec![1, 2, 3])]).is_none());
}

#[tokio::test]
async fn host_without_tls_fails() {
    let authority = Authority::new("school");
    let downloader = trusting(&[&authority], Table::with([]));
    let plain = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("https://{}/", plain.local_addr().unwrap());
    let mut task: JoinSet<()> = JoinSet::new();
    task.spawn(async move {
        let (mut stream, _) = plain.accept().await.unwrap();
        let _ = stream.write_all(b"220 mail.example ready\r\n").await;
        std::future::pending().await
    });
    let sentence = failure(&downloader, &url).await;
    assert!(sentence.contains("with https"), "{sentence}");

    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let begin = Instant::now();
    let url = format!("https://{}/", silent.local_addr().unwrap());
    let sentence = failure(&downloader, &url).await;
    assert!(sentence.contains("waiting"), "{sentence}");
    assert!(begin.elapsed() < TEST_SETTINGS.timeout / 2);
}

/// Without its end, nobody knows whether there was more: somebody on the way may have cut it.
#[tokio::test]
async fn truncated_tls_body_fails() {
    let authority = Authority::new("school");
    let answer = "HTTP/1.1 200 OK\r\n\r\nabc";
    for close in [true, false] {
        let acceptor = authority.server(&["127.0.0.1"], |_| {});
        let (address, _task) = encrypted(acceptor, answer, close).await;
        let downloader = trusting(&[&authority], Table::with([]));
        let (result, content) = fetch(&downloader, &format!("https://{address}/")).await;
        if close {
            assert_eq!(content, b"abc", "{result:?}");
        } else {
            let sentence = result.unwrap_err().to_string();
            assert!(sentence.contains("close_notify"), "{sentence}");
        }
    }
}

#[tokio::test]
async fn redirect_from_https_to_http_is_forbidden() {
    let authority = Authority::new("school");
    let downloader = trusting(&[&authority], Table::with([]));

    let acceptor = authority.server(&["127.0.0.1"], |_| {});
    let (address, _task) = encrypted(acceptor, ok("safe"), true).await;
    let plain = Site::sending(redirect_to(&format!("https://{address}/"))).await;
    assert_eq!(fetch(&downloader, &plain.url("/")).await.1, b"safe");

    let plain = Site::sending(ok("unsafe")).await;
    let acceptor = authority.server(&["127.0.0.1"], |_| {});
    let (address, _task) = encrypted(acceptor, redirect_to(&plain.url("/")), true).await;
    let sentence = refusal(&downloader, &format!("https://{address}/")).await;
    assert!(sentence.contains("from https to http"), "{sentence}");
    assert_eq!(plain.heads(), Vec::<String>::new());
}
