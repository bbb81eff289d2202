//! Two owners on one server, and every call of the route table in any order, of one's own and of the other's: neither ever
//! sees a byte of the other's, and neither changes anything of it.

use std::collections::BTreeSet;

use ::zip::CompressionMethod;
use axum::{
    body::Body,
    http::{Method, Request, header},
};
use image2model::{
    access::Token,
    artifacts::ArtifactKey,
    config::Config,
    http::{self, Access, Route},
    job::{
        FileRecord, JobId, Queue, Timestamp,
        transition::{Completion, Retry},
    },
};
use serde_json::json;

use super::{
    Answer, Part, ROOM,
    access::{GENERATE, Tenants, asking, bearer, filled},
    encoded, file, form_with, picture, raw_form, request, text,
    zip::{archive, zipped},
};

/// An id up to its last byte, which an item's has for itself: what all ids of one job have in common.
const COMMON: usize = 34;

/// One of the two, and what is theirs.
struct Person {
    token: Token,
    /// Stands in the names and in the bytes of all that is theirs.
    mark: &'static str,
    /// Those that they can see.
    jobs: BTreeSet<String>,
    /// All that they ever had.
    ever: BTreeSet<String>,
    keys: usize,
}

/// Whom a call is made by, on whose, and how it shows who it is.
#[derive(Debug, Clone, Copy)]
struct Try {
    who: usize,
    whose: usize,
    shown: Shown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Key,
    /// Of the caller's own, for the path that is asked for.
    Link,
    /// Besides the key, one of the other's for another path.
    KeyAndOthersLink,
}

struct Story {
    tenants: Tenants,
    random: fastrand::Rng,
    people: [Person; 2],
}

#[tokio::test]
async fn neither_of_two_owners_sees_a_byte_of_the_others() {
    let mut story = Story::begin().await;
    let table = http::table(&story.tenants.api.service);
    let mut calls = Vec::new();
    for route in &table {
        for (who, whose) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            for shown in [Shown::Key, Shown::Link, Shown::KeyAndOthersLink] {
                calls.push((route, Try { who, whose, shown }));
            }
        }
    }
    story.random.shuffle(&mut calls);
    for (route, call) in calls {
        story.call(route, call).await;
    }
    for who in [0, 1] {
        story.lists_all_that_is_left(who).await;
    }
}

#[tokio::test]
#[should_panic(expected = "nobody has thought of POST /api/v1/jobs/{job_id}/share here")]
async fn a_route_that_nobody_has_thought_of_is_noticed() {
    let mut story = Story::begin().await;
    let route = Route {
        method: Method::POST,
        path: "/api/v1/jobs/{job_id}/share".to_owned(),
        access: Access::Keyed,
    };
    let call = Try {
        who: 0,
        whose: 1,
        shown: Shown::Key,
    };
    story.call(&route, call).await;
}

impl Story {
    async fn begin() -> Self {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let unlimited = |config: &mut Config| {
            config.limits.per_minute = 0;
            config.limits.per_hour = 0;
            config.limits.reads_per_minute = 0;
        };
        let tenants = Tenants::of(super::Api::with(unlimited, ROOM)).await;
        let person = |token: &Token, mark| Person {
            token: token.clone(),
            mark,
            jobs: BTreeSet::new(),
            ever: BTreeSet::new(),
            keys: 0,
        };
        let people = [
            person(&tenants.owner, "annas"),
            person(&tenants.other, "ottos"),
        ];
        Self {
            tenants,
            random: fastrand::Rng::with_seed(seed),
            people,
        }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        self.tenants.api.send(request).await
    }

    /// One call of a route, on a job of its own making.
    async fn call(&mut self, route: &Route, call: Try) {
        let Try { who, whose, shown } = call;
        let name = format!("{} {}", route.method, route.path);
        let has_subject = route.path.contains('{') || name == GENERATE;
        let subject = match has_subject {
            true => self.subject(whose, &name).await,
            false => JobId::random(),
        };
        let request = self.request(&name, route, call, subject);
        let path = request.uri().path().to_owned();
        let answer = self.send(request).await;
        let status = answer.status.as_u16();
        self.sees_nothing_foreign(
            who,
            &answer,
            &[subject.to_string(), subject.item(1).to_string()],
        );

        let expected: &[u16] = match (route.access, shown) {
            (Access::Open | Access::Form, _) => &[200, 303],
            (Access::Keyed | Access::Work | Access::Admin, Shown::Link) => &[401],
            (Access::Admin, _) => &[403],
            // Whichever of the two counts: it opens nothing that is the other's.
            (Access::Linked, Shown::KeyAndOthersLink) if who == whose => &[200, 401],
            _ if has_subject && who != whose => &[401, 404],
            _ => &[200, 202, 204, 303],
        };
        let told = answer.text();
        assert!(
            expected.contains(&status),
            "{name} {call:?}: {status} {told}"
        );
        if status < 400 {
            self.remember(who, &name, &path, &answer);
        }
        if has_subject && who != whose {
            self.changed_nothing(whose, subject, &name, status).await;
        }
    }

    /// A new job as the route needs one: one that has failed for a retry, one that has ended for what tells of models and for
    /// streams, which end with it; else it waits.
    async fn subject(&mut self, whose: usize, name: &str) -> JobId {
        let (key, person) = (self.next_key(whose), &self.people[whose]);
        let parts = self.pictures(whose);
        let bearer = bearer(&person.token);
        let headers = [("idempotency-key", &*key), ("authorization", &*bearer)];
        let answer = self.send(form_with(&parts, &headers)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        self.sees_nothing_foreign(whose, &answer, &[]);
        self.remember(whose, "POST /api/v1/upload", "", &answer);
        let id: JobId = answer.json()["job_id"].as_str().unwrap().parse().unwrap();
        let cancelled = name.ends_with("/stream") && self.random.bool();
        if cancelled {
            self.tenants
                .api
                .service
                .store
                .jobs
                .cancel(id)
                .await
                .unwrap();
        } else if !name.ends_with("/cancel") {
            self.work(id, name.ends_with("/retry")).await;
        }
        id
    }

    /// Does all that waits; of the job `id` with that end.
    async fn work(&self, id: JobId, fails: bool) {
        let api = &self.tenants.api;
        for reserved in api.start(Queue::ModelGeneration).await {
            let lease = reserved.lease;
            if lease.task.job == id && fails {
                api.fail(&lease, Retry::Never).await;
                continue;
            }
            let (job, item) = (lease.task.job, lease.task.work.generated().unwrap());
            let owners = |person: &&Person| person.ever.contains(&job.to_string());
            let mark = self.people.iter().find(owners).unwrap().mark;
            let mut files = Vec::new();
            for (format, extension) in [("glb", "glb"), ("preview", "png")] {
                let name = format!("{job}_{item:02}_{format}.{extension}");
                let key = ArtifactKey::produced(job.item(item), &lease.token, &name);
                let bytes = format!("{mark} {format}").into_bytes();
                files.push(FileRecord {
                    name,
                    format: format.to_owned(),
                    media_type: "model/gltf-binary".to_owned(),
                    size: bytes.len() as u64,
                    key: key.as_str().to_owned(),
                    created: Timestamp(0),
                });
                api.service.artifacts.put(&key, bytes.into()).await.unwrap();
            }
            let completion = Completion {
                files,
                warnings: Vec::new(),
            };
            let jobs = &api.service.store.jobs;
            jobs.complete(&lease, completion).await.unwrap();
        }
    }

    /// Both take the same keys one after the other.
    fn next_key(&mut self, who: usize) -> String {
        let keys = &mut self.people[who].keys;
        *keys += 1;
        keys.to_string()
    }

    fn pictures(&self, who: usize) -> Vec<Part> {
        let mark = self.people[who].mark;
        vec![
            picture(&format!("{mark}.png"), mark.as_bytes()),
            text("reference", mark),
            text("label", mark),
        ]
    }

    /// What the route is asked, of that job. A part or a `POST` that is new must be thought of here.
    fn request(&mut self, name: &str, route: &Route, call: Try, job: JobId) -> Request<Body> {
        let Try { who, shown, .. } = call;
        let path = filled(&route.path, job);
        let person = &self.people[who];
        let mark = person.mark;
        let body = match name {
            "POST /api/v1/upload" | "POST /api/v1/upload/batch" => Some(self.pictures(who)),
            "POST /api/v1/upload/zip" => {
                let member = (&*format!("{mark}.png"), mark.as_bytes());
                Some(vec![archive(&zipped(&[member], CompressionMethod::Stored))])
            }
            "POST /api/v1/models/convert" => {
                let mesh = file(&format!("{mark}.glb"), "model/gltf-binary", mark.as_bytes());
                Some(vec![mesh])
            }
            "POST /plain" => {
                let mut parts = vec![text("key", person.token.reveal())];
                parts.extend(self.pictures(who));
                Some(parts)
            }
            _ => None,
        };
        let body = match (body, name) {
            (Some(parts), _) => raw_form(encoded(&parts).into(), &[]),
            (None, GENERATE) => {
                let ask = json!({"file_id": job.item(1)}).to_string();
                let asked = request("POST", "/").header("content-type", "application/json");
                asked.body(ask.into()).unwrap()
            }
            (
                None,
                "POST /api/v1/jobs/{job_id}/cancel"
                | "POST /api/v1/jobs/{job_id}/retry"
                | "POST /api/v1/admin/cleanup"
                | "POST /api/v1/admin/cleanup-job"
                | "POST /api/v1/admin/dead-letters/{id}/requeue"
                | "POST /api/v1/logs/rotate"
                | "POST /api/v1/logs/export",
            ) => request("POST", "/").body(Body::empty()).unwrap(),
            (None, _) if route.method == Method::GET || route.method == Method::DELETE => {
                asking(&route.method, "/", None)
            }
            _ => panic!("nobody has thought of {name} here"),
        };
        let mut query = match name {
            "GET /api/v1/jobs" if call.who != call.whose => {
                // Own jobs and the other's, mixed.
                let ever = self.people.iter().flat_map(|person| person.ever.clone());
                let mut ids: Vec<_> = ever.collect();
                self.random.shuffle(&mut ids);
                ids.truncate(20);
                format!("ids={}", ids.join(","))
            }
            "GET /api/v1/jobs" if self.random.bool() => {
                format!("label={}", self.people[1 - who].mark)
            }
            "GET /api/v1/status/tasks/{task_id}/stream" => "timeout=1".to_owned(),
            _ => String::new(),
        };
        let person = &self.people[who];
        let (mut head, body) = body.into_parts();
        let key = bearer(&person.token).parse().unwrap();
        let link = match shown {
            Shown::Key => None,
            Shown::Link => Some(self.tenants.signed(&person.token, &path)),
            Shown::KeyAndOthersLink => {
                let other = &self.people[1 - who].token;
                Some(self.tenants.signed(other, "/api/v1/jobs/somewhere-else"))
            }
        };
        if shown != Shown::Link {
            head.headers.insert(header::AUTHORIZATION, key);
        }
        if let Some(link) = link {
            let (_, link) = link.split_once('?').unwrap();
            query = [&*query, link].join("&").trim_start_matches('&').to_owned();
        }
        if name != "POST /plain" && route.method == Method::POST {
            let key = self.next_key(who).parse().unwrap();
            head.headers.insert("idempotency-key", key);
        }
        head.uri = format!("{path}?{query}").parse().unwrap();
        Request::from_parts(head, body)
    }

    /// What jobs a call has made or removed.
    fn remember(&mut self, who: usize, name: &str, path: &str, answer: &Answer) {
        let person = &mut self.people[who];
        if name == "DELETE /api/v1/jobs/{job_id}" {
            let id = path.rsplit('/').next().unwrap();
            assert!(person.jobs.remove(id), "{id} was no job of who removed it");
        }
        if !name.starts_with("POST") {
            return;
        }
        let place = answer.header("location").to_owned();
        let made = match place.strip_prefix("/job/") {
            Some(rest) => rest.split('?').next().unwrap().to_owned(),
            None => answer.json()["job_id"].as_str().unwrap().to_owned(),
        };
        person.jobs.insert(made.clone());
        person.ever.insert(made);
    }

    /// No call of the other's has removed or cancelled it.
    async fn changed_nothing(&self, whose: usize, job: JobId, name: &str, status: u16) {
        let record = self.tenants.api.service.store.jobs.job(job).await.unwrap();
        let record = record.unwrap_or_else(|| panic!("{name} ({status}) removed {job}"));
        assert!(!record.deleted, "{name} ({status}) deleted {job}");
        if name.ends_with("/cancel") {
            assert_eq!(record.ended, None, "{name} ({status}) cancelled {job}");
        }
        assert!(self.people[whose].jobs.contains(&job.to_string()));
    }

    async fn lists_all_that_is_left(&self, who: usize) {
        let person = &self.people[who];
        let mut path = "/api/v1/jobs?limit=50".to_owned();
        let mut seen = BTreeSet::new();
        loop {
            let asked = asking(&Method::GET, &path, Some(&person.token));
            let answer = self.send(asked).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            self.sees_nothing_foreign(who, &answer, &[]);
            let page = answer.json();
            let jobs = page["jobs"].as_array().unwrap().iter();
            seen.extend(jobs.map(|job| job["job_id"].as_str().unwrap().to_owned()));
            match page["next"].as_str() {
                Some(next) => path = format!("/api/v1/jobs?limit=50&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen, person.jobs);
    }

    /// Besides the ids that were asked for, of which a refusal tells again: no job, no item, no name and no content.
    fn sees_nothing_foreign(&self, who: usize, answer: &Answer, asked: &[String]) {
        let (own, other) = (&self.people[who], &self.people[1 - who]);
        let mut said = format!("{:?} {}", answer.headers, answer.text());
        for asked in asked {
            said = said.replace(asked, "");
        }
        let ids = other.ever.iter().map(|id| &id[..COMMON]);
        for foreign in ids.chain([other.mark]) {
            assert!(
                !said.contains(foreign),
                "{} sees {foreign}: {said}",
                own.mark
            );
        }
    }
}
