//! What TLS needs, made anew for each test: an authority, and what it signed for a server and for a client.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

/// No more than openssl insists on, so that no system's own settings matter.
const CONFIG: &str = "[req]\ndistinguished_name = name\n[name]\n";

/// Files in the PEM format, for two days.
pub(crate) struct Certificates {
    dir: TempDir,
}

impl Certificates {
    pub(crate) fn make() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("config"), CONFIG).unwrap();
        let made = Self { dir };
        made.sign("authority", None, "basicConstraints=critical,CA:TRUE");
        let names = "subjectAltName=IP:127.0.0.1,DNS:localhost";
        made.sign("server", Some("authority"), names);
        made.sign("client", Some("authority"), names);
        made
    }

    /// Who has signed the others.
    pub(crate) fn authority(&self) -> PathBuf {
        self.dir.path().join("authority.crt")
    }

    /// Certificate and key for 127.0.0.1 and localhost.
    pub(crate) fn server(&self) -> (PathBuf, PathBuf) {
        pair(self.dir.path(), "server")
    }

    /// Certificate and key.
    pub(crate) fn client(&self) -> (PathBuf, PathBuf) {
        pair(self.dir.path(), "client")
    }

    fn sign(&self, name: &str, by: Option<&str>, extension: &str) {
        let (certificate, key) = pair(self.dir.path(), name);
        let mut command = Command::new("openssl");
        command
            .args(["req", "-x509", "-nodes", "-days", "2", "-newkey", "ec"])
            .args(["-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-subj", &format!("/CN={name}"), "-addext", extension])
            .arg("-config")
            .arg(self.dir.path().join("config"))
            .arg("-out")
            .arg(certificate)
            .arg("-keyout")
            .arg(key);
        if let Some(by) = by {
            let (certificate, key) = pair(self.dir.path(), by);
            command.args(["-addext", "basicConstraints=critical,CA:FALSE", "-CA"]);
            command.arg(certificate).arg("-CAkey").arg(key);
        }
        let made = command.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "openssl: {said}");
    }
}

/// How URLs of those begin that have certificates, or none.
pub(super) fn scheme(certificates: Option<&Certificates>) -> &'static str {
    match certificates {
        Some(_) => "rediss",
        None => "redis",
    }
}

fn pair(dir: &Path, name: &str) -> (PathBuf, PathBuf) {
    (
        dir.join(format!("{name}.crt")),
        dir.join(format!("{name}.key")),
    )
}
