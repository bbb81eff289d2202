//! The nginx of `deploy/nginx/`, before servers of a test.

use std::{
    fs::{self, File},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use super::{eventually, free_port, root};

/// A real nginx with the configuration that is shipped, in a folder of its own. It ends with the test.
pub(crate) struct Nginx {
    /// A shell that ends nginx as soon as its input ends, however this process ends.
    keeper: Child,
    pub(crate) port: u16,
    dir: TempDir,
}

impl Nginx {
    /// What is shipped, as text.
    pub(crate) fn shipped() -> String {
        fs::read_to_string(root().join("deploy/nginx/nginx.conf")).unwrap()
    }

    /// Returns once it listens. Only addresses are replaced, and folders that the system's own nginx has elsewhere.
    pub(crate) fn start(servers: [u16; 2]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let mut text = Self::shipped();
        let own = "http {\n    access_log off;\n    client_body_temp_path body;\n    proxy_temp_path proxy;\n    \
                   fastcgi_temp_path fastcgi;\n    uwsgi_temp_path uwsgi;\n    scgi_temp_path scgi;\n";
        for (shipped, here) in [
            ("127.0.0.1:8080", format!("127.0.0.1:{port}")),
            ("127.0.0.1:8081", format!("127.0.0.1:{}", servers[0])),
            ("127.0.0.1:8082", format!("127.0.0.1:{}", servers[1])),
            ("http {\n", own.to_owned()),
        ] {
            assert_eq!(text.matches(shipped).count(), 1, "{shipped} in nginx.conf");
            text = text.replace(shipped, &here);
        }
        fs::write(dir.path().join("nginx.conf"), text).unwrap();
        let nginx = Self {
            keeper: keep(dir.path()),
            port,
            dir,
        };
        eventually(
            "nginx starts; scripts/install-test-tools.sh installs it",
            || {
                let told = nginx.log();
                assert!(!told.contains("[emerg]"), "no start:\n{told}");
                TcpStream::connect(("127.0.0.1", port)).ok()
            },
        );
        nginx
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(log(self.dir.path())).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("What nginx told:\n{}", self.log());
        }
        drop(self.keeper.stdin.take());
        self.keeper.wait().unwrap();
    }
}

/// In the foreground under a shell, with all of its files in `dir`.
fn keep(dir: &Path) -> Child {
    // Debian keeps it where only root looks for commands.
    let script =
        "PATH=$PATH:/usr/sbin; nginx \"$@\" & server=$!; read _; kill $server; wait $server";
    Command::new("sh")
        .args(["-c", script, "sh", "-c"])
        .arg(dir.join("nginx.conf"))
        .arg("-p")
        .arg(dir)
        .args(["-g", "daemon off; pid nginx.pid; error_log stderr warn;"])
        .stdin(Stdio::piped())
        .stderr(File::create(log(dir)).unwrap())
        .spawn()
        .unwrap()
}

fn log(dir: &Path) -> PathBuf {
    dir.join("log")
}
