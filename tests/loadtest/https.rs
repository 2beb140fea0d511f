//! Targets behind TLS: nginx with a certificate that is trusted, or not.

use std::process::Command;

use super::bench::{alone, run, run_until_believed, shared};
use super::house::Folder;
use super::targets::file_gateway;

/// A self-signed certificate for `localhost`, as `cert.pem` and `key.pem`, and nginx's lines for it.
fn certify(folder: &Folder) -> String {
    let made = Command::new("openssl")
        .current_dir(folder.root())
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
        .args(["ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .args(["-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .output()
        .expect("this test needs the `openssl` command; install openssl");
    assert!(made.status.success(), "openssl: {made:?}");
    format!(
        "ssl_certificate {}; ssl_certificate_key {};",
        folder.text_path("cert.pem"),
        folder.text_path("key.pem")
    )
}

fn write_plan(folder: &Folder, target: &str) {
    folder.write(
        "plan.yaml",
        &format!(
            "target: {target}\nallow: [\"127.0.0.1\", \"localhost\"]\nrequests: [{{path: /feed}}]\n\
             load: {{rate: 100/s, duration: 5s}}\nobjective: {{p99: 1s, success_rate: 99%}}\noutput: {{json: {}}}\n",
            folder.text_path("out.json")
        ),
    );
}

#[test]
fn both_protocols_are_spoken_over_tls_with_a_trusted_certificate() {
    let _turn = alone();
    for (protocol, flags, logged) in [
        ("http1", "ssl", "HTTP/1.1 200 20000"),
        ("http2", "ssl http2", "HTTP/2.0 200 20000"),
    ] {
        let folder = Folder::new();
        let settings = certify(&folder);
        let (_gateway, port) = file_gateway(&folder, flags, &settings);
        let trusted = folder.text_path("cert.pem");
        let target = format!(
            "{{url: \"https://localhost:{port}\", protocol: {protocol}, ca_file: {trusted}}}"
        );
        write_plan(&folder, &target);
        let (ended, found) = run_until_believed(&folder, "plan.yaml", true);
        assert_eq!(ended.code, Some(0), "{protocol}: {}", ended.said);
        let total = &found["total"];
        assert_eq!(total["ok"], total["sent"], "{protocol}");
        let log = folder.read("access.log");
        let whole = log.lines().filter(|line| *line == logged).count() as u64;
        assert!(
            whole > total["ok"].as_u64().unwrap(),
            "{protocol}: {whole} of {total}\n{}",
            log.lines().take(3).collect::<Vec<_>>().join("\n")
        );
    }
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_sent_nothing() {
    let _turn = shared();
    let folder = Folder::new();
    let settings = certify(&folder);
    let (_gateway, port) = file_gateway(&folder, "ssl", &settings);
    write_plan(&folder, &format!("\"https://localhost:{port}\""));
    let ended = run(&folder, "plan.yaml");
    assert_eq!(ended.code, Some(1), "{}", ended.said);
    assert!(
        ended
            .said
            .contains("failed: invalid peer certificate: UnknownIssuer"),
        "{}",
        ended.said
    );
    assert!(ended.said.contains("ca_file"), "{}", ended.said);
    assert_eq!(folder.read("access.log"), "");

    // Whoever knows what he does may leave the certificate unchecked.
    write_plan(
        &folder,
        &format!("{{url: \"https://localhost:{port}\", insecure_tls: true}}"),
    );
    let ended = run(&folder, "plan.yaml");
    assert!(matches!(ended.code, Some(0 | 98 | 99)), "{}", ended.said);
    assert!(
        folder.read("access.log").contains("HTTP/1.1 200 20000"),
        "{}",
        ended.said
    );
}
