use std::{collections::BTreeMap, net::IpAddr};

use reqwest::{
    StatusCode,
    header::{AUTHORIZATION, HeaderMap, RETRY_AFTER},
    multipart::{Form, Part},
};
use serde_json::Value;

/// One client of a server, by its own address.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
}

/// An answer: its status and its body as JSON.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    /// Seconds after which another try is worthwhile.
    pub(crate) retry_after: Option<u64>,
}

/// One event of a stream.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) data: Value,
}

impl Event {
    /// The fact's number; `None` of progress and heartbeats.
    pub(crate) fn fact(&self) -> Option<u32> {
        self.id.parse().ok()
    }

    /// Whether it tells that the job has ended.
    pub(crate) fn is_last(&self) -> bool {
        ["task_completed", "task_failed", "task_cancelled"].contains(&&*self.name)
    }
}

impl Client {
    pub(crate) fn new(port: u16) -> Self {
        Self::from([127, 0, 0, 1].into(), port)
    }

    /// A client that is seen to come from `address`, its flow in fair queueing.
    pub(crate) fn from(address: IpAddr, port: u16) -> Self {
        Self::with(address, port, HeaderMap::new())
    }

    /// A client that shows a key.
    pub(crate) fn showing(port: u16, key: &str) -> Self {
        let shown = format!("Bearer {key}").parse().unwrap();
        let headers = HeaderMap::from_iter([(AUTHORIZATION, shown)]);
        Self::with([127, 0, 0, 1].into(), port, headers)
    }

    fn with(address: IpAddr, port: u16, headers: HeaderMap) -> Self {
        // It is asked for whether or not an address is encrypted. One that is installed is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .local_address(address)
            .default_headers(headers)
            .build()
            .unwrap();
        Self {
            http,
            base: format!("http://127.0.0.1:{port}/api/v1"),
        }
    }

    /// Uploads pictures as one job with options. An error means that no whole answer came.
    pub(crate) async fn upload(
        &self,
        pictures: &[Vec<u8>],
        options: &[(&str, &str)],
        key: Option<&str>,
    ) -> reqwest::Result<Sent> {
        let mut form = Form::new();
        for (number, picture) in (1..).zip(pictures) {
            let part = Part::bytes(picture.clone())
                .file_name(format!("{number}.png"))
                .mime_str("image/png")?;
            form = form.part("files", part);
        }
        for (name, value) in options {
            form = form.text((*name).to_owned(), (*value).to_owned());
        }
        let mut request = self.http.post(format!("{}/upload/", self.base));
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        answer(request.multipart(form)).await
    }

    /// Uploads an archive of pictures.
    pub(crate) async fn upload_zip(&self, archive: Vec<u8>) -> Sent {
        let part = Part::bytes(archive).file_name("pictures.zip");
        let form = Form::new().part("file", part);
        let request = self.http.post(format!("{}/upload/zip", self.base));
        answer(request.multipart(form)).await.unwrap()
    }

    /// Sends a mesh to be converted, under its name.
    pub(crate) async fn convert(
        &self,
        name: &str,
        mesh: Vec<u8>,
        options: &[(&str, &str)],
        key: Option<&str>,
    ) -> Sent {
        let part = Part::bytes(mesh).file_name(name.to_owned());
        let mut form = Form::new().part("file", part);
        for (name, value) in options {
            form = form.text((*name).to_owned(), (*value).to_owned());
        }
        let mut request = self.http.post(format!("{}/models/convert", self.base));
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        answer(request.multipart(form)).await.unwrap()
    }

    /// Uploads pictures, which must be accepted: the job's id.
    pub(crate) async fn submit(&self, pictures: &[Vec<u8>], options: &[(&str, &str)]) -> String {
        let sent = self.upload(pictures, options, None).await.unwrap();
        assert_eq!(sent.status, StatusCode::OK, "{}", sent.body);
        sent.body["job_id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn get(&self, path: &str) -> Sent {
        self.try_get(path).await.unwrap()
    }

    /// An error means that no whole answer came.
    pub(crate) async fn try_get(&self, path: &str) -> reqwest::Result<Sent> {
        answer(self.http.get(format!("{}{path}", self.base))).await
    }

    pub(crate) async fn post(&self, path: &str) -> Sent {
        let request = self.http.post(format!("{}{path}", self.base));
        answer(request).await.unwrap()
    }

    pub(crate) async fn delete(&self, path: &str) -> Sent {
        let request = self.http.delete(format!("{}{path}", self.base));
        answer(request).await.unwrap()
    }

    /// A file's bytes.
    pub(crate) async fn bytes(&self, path: &str) -> (StatusCode, Vec<u8>) {
        self.try_bytes(path).await.unwrap()
    }

    /// An error means that no whole file came.
    pub(crate) async fn try_bytes(&self, path: &str) -> reqwest::Result<(StatusCode, Vec<u8>)> {
        let request = self.http.get(format!("{}{path}", self.base));
        let got = request.send().await?;
        Ok((got.status(), got.bytes().await?.to_vec()))
    }

    pub(crate) async fn job(&self, id: &str) -> Value {
        let sent = self.get(&format!("/jobs/{id}")).await;
        assert_eq!(sent.status, StatusCode::OK, "{}", sent.body);
        sent.body
    }

    /// Every event of a job until its stream ends, which it does with the job.
    pub(crate) async fn events(&self, id: &str) -> Vec<Event> {
        let mut events = Vec::new();
        self.follow(id, |event| {
            events.push(event);
            false
        })
        .await;
        events
    }

    /// Hands on a job's events until `enough` or the stream's end.
    pub(crate) async fn follow(&self, id: &str, enough: impl FnMut(Event) -> bool) {
        let status = self.listen(id, None, enough).await.unwrap();
        assert_eq!(status, StatusCode::OK);
    }

    /// As [`Client::follow`], of what comes after the event `last`. An error means that the stream was cut off.
    pub(crate) async fn listen(
        &self,
        id: &str,
        last: Option<&str>,
        mut enough: impl FnMut(Event) -> bool,
    ) -> reqwest::Result<StatusCode> {
        let path = format!("{}/status/tasks/{id}/stream", self.base);
        let mut request = self.http.get(path);
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let mut stream = request.send().await?;
        let status = stream.status();
        let mut buffer = Vec::new();
        while let Some(chunk) = stream.chunk().await? {
            buffer.extend_from_slice(&chunk);
            while let Some(end) = buffer.windows(2).position(|two| two == b"\n\n") {
                let text: Vec<u8> = buffer.drain(..end + 2).collect();
                if parsed(&String::from_utf8(text).unwrap()).is_some_and(&mut enough) {
                    return Ok(status);
                }
            }
        }
        Ok(status)
    }

    /// The job as it has ended.
    pub(crate) async fn ended(&self, id: &str) -> Value {
        self.events(id).await;
        self.job(id).await
    }
}

async fn answer(request: reqwest::RequestBuilder) -> reqwest::Result<Sent> {
    let got = request.send().await?;
    let status = got.status();
    let retry_after = got.headers().get(RETRY_AFTER);
    let retry_after = retry_after.map(|seconds| seconds.to_str().unwrap().parse().unwrap());
    let text = got.text().await?;
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Ok(Sent {
        status,
        body,
        retry_after,
    })
}

/// `None` for a comment.
fn parsed(text: &str) -> Option<Event> {
    let fields: BTreeMap<_, _> = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name, value.trim_start()))
        .collect();
    let data = serde_json::from_str(fields.get("data")?).unwrap();
    let field = |name| fields.get(name).copied().unwrap_or_default().to_owned();
    Some(Event {
        id: field("id"),
        name: field("event"),
        data,
    })
}
