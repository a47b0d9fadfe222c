//! `/metrics`, `/healthz`, `/logspec`, `/version`.

use std::sync::Arc;

use orderer::{
    health::HealthRegistry,
    http_listener::HttpListener,
    logging::Logging,
    metrics::Metrics,
    operations::{self, Operations},
    settings::{Endpoint, MetricsProvider},
};

use crate::client::{Authority, plain, request, send};

struct Node {
    listener: HttpListener,
    health: Arc<HealthRegistry>,
    metrics: Arc<Metrics>,
}

async fn start(endpoint: &Endpoint, provider: MetricsProvider) -> Node {
    let (metrics, health) = (Arc::new(Metrics::new(false)), Arc::new(HealthRegistry::default()));
    let logging = Logging::new("a.b=debug:warn", "", Box::new(std::io::sink())).unwrap();
    let operations = Operations { metrics: metrics.clone(), provider, health: health.clone(), logging };
    Node { listener: operations::start(endpoint, operations).await.unwrap(), health, metrics }
}

#[tokio::test]
async fn every_endpoint_answers_as_fabrics_does() {
    let node = start(&plain(), MetricsProvider::Prometheus).await;
    let address = node.listener.address();
    let version = env!("CARGO_PKG_VERSION");
    let bad_level = "{\"error\":\"invalid logging specification 'loud': bad segment 'loud'\"}\n";
    for (method, path, body, status, content_type, expected) in [
        (
            "GET",
            "/version",
            "",
            200,
            "application/json",
            format!("{{\"CommitSHA\":\"development build\",\"Version\":\"{version}\"}}"),
        ),
        (
            "POST",
            "/version",
            "",
            400,
            "application/json",
            "{\"Error\":\"invalid request method: POST\"}".into(),
        ),
        ("GET", "/logspec", "", 200, "application/json", "{\"spec\":\"a.b=debug:warn\"}\n".into()),
        ("PUT", "/logspec", r#"{"spec":"loud"}"#, 400, "application/json", bad_level.into()),
        ("PUT", "/logspec", r#"{"spec":"c=error:debug"}"#, 204, "", String::new()),
        ("GET", "/logspec", "", 200, "application/json", "{\"spec\":\"c=error:debug\"}\n".into()),
        ("PUT", "/logspec", r#"{"spec":""}"#, 204, "", String::new()),
        ("GET", "/logspec", "", 200, "application/json", "{\"spec\":\"info\"}\n".into()),
        (
            "DELETE",
            "/logspec",
            "",
            400,
            "application/json",
            "{\"error\":\"invalid request method: DELETE\"}\n".into(),
        ),
        ("POST", "/healthz", "", 405, "", String::new()),
        ("GET", "/nothing", "", 404, "text/plain; charset=utf-8", "404 page not found\n".into()),
    ] {
        let reply = send(address, method, path, &[], body.as_bytes()).await;
        assert_eq!(
            (reply.status, reply.body.as_str()),
            (status, expected.as_str()),
            "{method} {path} {body}"
        );
        assert_eq!(reply.header("content-type"), content_type, "{method} {path}");
        assert_eq!(reply.header("x-request-id").len(), 36, "{method} {path}");
    }
    let reply = send(address, "PUT", "/logspec", &[], b"{").await;
    assert_eq!(reply.status, 400);
    assert!(reply.body.starts_with("{\"error\":\""), "{}", reply.body);
    let reply = send(address, "GET", "/version", &["X-Request-Id: mine"], b"").await;
    assert_eq!(reply.header("x-request-id"), "mine");
}

#[tokio::test]
async fn metrics_are_scraped_as_text() {
    let node = start(&plain(), MetricsProvider::Prometheus).await;
    node.metrics.grpc_comm_conn_opened.with([]).add(2);
    let reply = send(node.listener.address(), "GET", "/metrics", &[], b"").await;
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (200, "text/plain; version=0.0.4; charset=utf-8")
    );
    assert!(reply.body.contains("\ngrpc_comm_conn_opened 2\n"), "{}", reply.body);
    let version = format!("\nfabric_version{{version=\"{}\"}} 1\n", env!("CARGO_PKG_VERSION"));
    assert!(reply.body.contains(&version), "{}", reply.body);
    if cfg!(target_os = "linux") {
        assert!(reply.body.contains("\nprocess_resident_memory_bytes "), "{}", reply.body);
    }

    let node = start(&plain(), MetricsProvider::Disabled).await;
    assert_eq!(send(node.listener.address(), "GET", "/metrics", &[], b"").await.status, 404);
}

#[tokio::test]
async fn healthz_names_what_fails() {
    let node = start(&plain(), MetricsProvider::Disabled).await;
    let address = node.listener.address();
    node.health.register("good", Arc::new(|| Ok(()))).unwrap();
    let reply = send(address, "GET", "/healthz", &[], b"").await;
    assert_eq!(reply.status, 200);
    assert!(
        reply.body.starts_with("{\"status\":\"OK\",\"time\":\"20") && reply.body.ends_with("Z\"}"),
        "{}",
        reply.body
    );

    node.health.register("ch1/ledger", Arc::new(|| Err("disk <full>".to_owned()))).unwrap();
    let reply = send(address, "GET", "/healthz", &[], b"").await;
    assert_eq!((reply.status, reply.header("content-type")), (503, "application/json"));
    assert!(reply.body.starts_with("{\"status\":\"Service Unavailable\",\"time\":\"20"), "{}", reply.body);
    let failed = "\"failed_checks\":[{\"component\":\"ch1/ledger\",\"reason\":\"disk \\u003cfull\\u003e\"}]}";
    assert!(reply.body.ends_with(failed), "{}", reply.body);
}

#[tokio::test]
async fn metrics_and_levels_need_a_client_certificate_where_tls_is_on() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let directory = tempfile::tempdir().unwrap();
    let node = start(&authority.endpoint(directory.path(), false), MetricsProvider::Prometheus).await;
    let address = node.listener.address();
    let client = authority.issue();
    for (path, anonymous, known) in
        [("/metrics", 401, 200), ("/logspec", 401, 200), ("/healthz", 200, 200), ("/version", 200, 200)]
    {
        let get = request("GET", path, &[], b"");
        let reply = authority.send(address, None, &get).await.unwrap();
        assert_eq!(reply.status, anonymous, "{path}");
        assert!(anonymous == 200 || reply.body.is_empty(), "{path}");
        assert_eq!(authority.send(address, Some(&client), &get).await.unwrap().status, known, "{path}");
        let foreign = authority.send(address, Some(&stranger.issue()), &get).await;
        assert!(foreign.is_err(), "a certificate of somebody else was taken for {path}");
    }
}

#[tokio::test]
async fn a_required_client_certificate_is_required_for_everything() {
    let authority = Authority::new();
    let directory = tempfile::tempdir().unwrap();
    let node = start(&authority.endpoint(directory.path(), true), MetricsProvider::Prometheus).await;
    let get = request("GET", "/version", &[], b"");
    assert!(authority.send(node.listener.address(), None, &get).await.is_err());
    let client = authority.issue();
    assert_eq!(authority.send(node.listener.address(), Some(&client), &get).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_listener_that_cannot_start_says_which_setting_is_wrong() {
    let taken = start(&plain(), MetricsProvider::Disabled).await;
    let authority = Authority::new();
    let directory = tempfile::tempdir().unwrap();
    let address = taken.listener.address().to_string();
    let mut no_roots = authority.endpoint(directory.path(), true);
    no_roots.tls.client_root_cas.clear();
    let mut no_key = authority.endpoint(directory.path(), false);
    no_key.tls.private_key = directory.path().join("gone.key");
    for (endpoint, words) in [
        (
            Endpoint { listen_address: address.clone(), ..plain() },
            vec!["Operations.ListenAddress", &address, "in use"],
        ),
        (no_roots, vec!["Operations.TLS.ClientRootCAs"]),
        (no_key, vec!["Operations.TLS", "gone.key"]),
    ] {
        let metrics = Arc::new(Metrics::new(false));
        let logging = Logging::new("", "", Box::new(std::io::sink())).unwrap();
        let parts =
            Operations { metrics, provider: MetricsProvider::Disabled, health: Arc::default(), logging };
        let error = operations::start(&endpoint, parts).await.unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "{word} is missing in {error}");
        }
    }
}

#[tokio::test]
async fn a_stopped_listener_takes_no_more_connections() {
    let node = start(&plain(), MetricsProvider::Disabled).await;
    let address = node.listener.address();
    node.listener.stop().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
