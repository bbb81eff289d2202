use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::{House, connect, house, rest, sent};
use crate::support::{Certificates, command, eventually, refusal};

/// Certificate and key where the server reads them.
struct Shown {
    dir: TempDir,
}

impl Shown {
    fn new(certificates: &Certificates) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let shown = Self { dir };
        shown.replace(certificates);
        shown
    }

    fn files(&self) -> (PathBuf, PathBuf) {
        (
            self.dir.path().join("shown.crt"),
            self.dir.path().join("shown.key"),
        )
    }

    fn replace(&self, certificates: &Certificates) {
        let ((certificate, key), (from, of)) = (self.files(), certificates.server());
        fs::copy(from, certificate).unwrap();
        fs::copy(of, key).unwrap();
    }

    fn house(&self, others: &[(&str, &str)]) -> House {
        let (certificate, key) = self.files();
        let own = [
            ("HTTP__TLS_CERT", certificate.to_str().unwrap()),
            ("HTTP__TLS_KEY", key.to_str().unwrap()),
        ];
        house(&[&own, others].concat())
    }
}

/// The version of HTTP that a real client gets an answer of 200 over; `None` without one.
fn asked(port: u16, authority: &Path, options: &[&str]) -> Option<String> {
    let output = Command::new("curl")
        .args(["--silent", "--fail", "--noproxy", "*", "--max-time", "10"])
        .args(["--output", "/dev/null", "--write-out", "%{http_version}"])
        .args(options)
        .arg("--cacert")
        .arg(authority)
        .arg(format!("https://127.0.0.1:{port}/health"))
        .output()
        .expect("curl is missing");
    let version = String::from_utf8(output.stdout).unwrap();
    output.status.success().then_some(version)
}

#[tokio::test]
async fn a_real_client_is_served_over_tls_and_a_stalled_handshake_is_given_up() {
    let certificates = Certificates::make();
    let shown = Shown::new(&certificates);
    let House { server, _dir } = shown.house(&[("HTTP__HEADER_TIMEOUT", "2")]);
    let authority = certificates.authority();
    let ask = |options: &[&str]| asked(server.port, &authority, options);
    assert_eq!(ask(&[]).as_deref(), Some("2"));
    assert_eq!(ask(&["--http1.1"]).as_deref(), Some("1.1"));
    assert_eq!(
        asked(server.port, &Certificates::make().authority(), &[]),
        None
    );
    let plain = rest(&mut sent(server.port, super::HEALTH).await).await;
    assert!(!plain.contains("HTTP/1.1"), "{plain}");
    let mut silent = connect(1, server.port).await.unwrap();
    assert_eq!(rest(&mut silent).await, "");
}

#[test]
fn a_new_certificate_is_shown_without_a_restart_and_a_bad_one_is_not() {
    let (first, second) = (Certificates::make(), Certificates::make());
    let shown = Shown::new(&first);
    let House { server, _dir } = shown.house(&[]);
    assert!(asked(server.port, &first.authority(), &[]).is_some());
    shown.replace(&second);
    eventually("the new certificate is shown", || {
        asked(server.port, &second.authority(), &[])
    });
    assert!(asked(server.port, &first.authority(), &[]).is_none());
    fs::write(shown.files().0, "no certificate").unwrap();
    eventually("the bad certificate is told of", || {
        let log = server.log();
        let told = log.contains("the one before stays");
        (told && log.contains("holds no certificate in PEM")).then_some(())
    });
    assert!(asked(server.port, &second.authority(), &[]).is_some());
}

#[test]
fn a_certificate_that_cannot_be_used_is_named_at_the_start() {
    let (certificates, others) = (Certificates::make(), Certificates::make());
    let home = tempfile::tempdir().unwrap();
    let (certificate, key) = certificates.server();
    let (_, another) = others.server();
    let missing = home.path().join("none.crt");
    for (certificate, key, why) in [
        (&missing, &key, "http.tls_cert"),
        (&key, &key, "holds no certificate in PEM"),
        (&certificate, &certificate, "holds no private key in PEM"),
        (
            &certificate,
            &another,
            "cannot be used with the key in http.tls_key",
        ),
    ] {
        let mut start = command(&home.path().join("data"), 0, &[]);
        start
            .arg("--tls-cert")
            .arg(certificate)
            .arg("--tls-key")
            .arg(key);
        let (code, said) = refusal(start);
        assert_eq!((code, said.lines().count()), (Some(2), 1), "{said}");
        assert!(said.contains(why), "{said}");
    }
}
