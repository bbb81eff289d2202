//! A real S3 server in this process, for the tests of the artifacts and of the whole service: it checks signatures
//! and keeps what it is given in a folder.

use std::{fs, path::PathBuf};

use axum::{Router, error_handling::HandleError};
use s3s::{HttpError, auth::SimpleAuth, service::S3ServiceBuilder};
use tempfile::TempDir;

/// A server with one empty bucket. It ends with the runtime that it was started on.
pub(crate) struct S3Server {
    dir: TempDir,
    port: u16,
}

impl S3Server {
    pub(crate) const BUCKET: &str = "models";
    pub(crate) const KEY_ID: &str = "test-key";
    pub(crate) const SECRET: &str = "test-secret";

    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(Self::BUCKET)).unwrap();
        let files = s3s_fs::FileSystem::new(dir.path()).unwrap();
        let mut server = S3ServiceBuilder::new(files);
        server.set_auth(SimpleAuth::from_single(Self::KEY_ID, Self::SECRET));
        let broken = |error: HttpError| async move { format!("the S3 server broke: {error:?}") };
        let server = HandleError::new(server.build(), broken);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let router: Router = Router::new().fallback_service(server);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { dir, port }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The objects in the bucket, but for the one that says whose they are, and the parts of uploads that are not
    /// finished, by their paths.
    pub(crate) fn kept(&self) -> Vec<PathBuf> {
        let mut kept = Vec::new();
        let mut folders = vec![self.dir.path().to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                if path.is_dir() {
                    folders.push(path);
                } else if name != "store-name"
                    && (folder != self.dir.path() || name.starts_with(".upload"))
                {
                    kept.push(path);
                }
            }
        }
        kept.sort();
        kept
    }
}
