//! Two owners on one server, and calls at random: neither ever sees a byte of the other's.

use std::collections::BTreeSet;

use axum::{
    body::Body,
    http::{Method, Request},
};
use image2model::{access::Token, job::Queue};

use super::{
    Answer,
    access::{Tenants, asking, bearer},
    form_with, picture, request, text,
};

const CALLS: usize = 300;

/// One of the two, and what is theirs.
struct Person {
    token: Token,
    /// Stands in the name of each of their pictures.
    mark: &'static str,
    jobs: Vec<String>,
}

struct Story {
    tenants: Tenants,
    random: fastrand::Rng,
    people: [Person; 2],
}

#[tokio::test]
async fn neither_of_two_owners_sees_a_byte_of_the_others() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let tenants = Tenants::new().await;
    let person = |token: &Token, mark| Person {
        token: token.clone(),
        mark,
        jobs: Vec::new(),
    };
    let people = [
        person(&tenants.owner, "annas"),
        person(&tenants.other, "ottos"),
    ];
    let mut story = Story {
        tenants,
        random: fastrand::Rng::with_seed(seed),
        people,
    };
    story.upload(0).await;
    story.upload(1).await;
    for _ in 0..CALLS {
        let who = story.random.usize(..2);
        match story.random.u8(..10) {
            0 => story.upload(who).await,
            1 => story.work().await,
            2 => story.list(who).await,
            3 => story.several(who).await,
            _ => story.one(who).await,
        }
    }
    let [anna, otto] = &story.people;
    let shared: BTreeSet<_> = anna
        .jobs
        .iter()
        .filter(|job| otto.jobs.contains(job))
        .collect();
    assert!(
        shared.is_empty(),
        "equal idempotency keys led to one job: {shared:?}"
    );
}

impl Story {
    async fn send(&self, request: Request<Body>) -> Answer {
        self.tenants.api.send(request).await
    }

    /// Both take their idempotency keys from the same few.
    async fn upload(&mut self, who: usize) {
        let (key, person) = (self.random.u8(..8).to_string(), &self.people[who]);
        let parts = [
            picture(
                &format!("{}-{key}.png", person.mark),
                person.mark.as_bytes(),
            ),
            text("size_mm", "50"),
        ];
        let bearer = bearer(&person.token);
        let headers = [("idempotency-key", &*key), ("authorization", &*bearer)];
        let answer = self.send(form_with(&parts, &headers)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        self.sees_nothing_foreign(who, &answer, "");
        let id = answer.json()["job_id"].as_str().unwrap().to_owned();
        let jobs = &mut self.people[who].jobs;
        if !jobs.contains(&id) {
            jobs.push(id);
        }
    }

    async fn work(&mut self) {
        for reserved in self.tenants.api.start(Queue::ModelGeneration).await {
            self.tenants.api.complete(&reserved.lease).await;
        }
    }

    async fn list(&mut self, who: usize) {
        let mut path = "/api/v1/jobs?limit=3".to_owned();
        let mut seen = 0;
        loop {
            let answer = self
                .send(asking(&Method::GET, &path, Some(&self.people[who].token)))
                .await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            self.sees_nothing_foreign(who, &answer, "");
            let page = answer.json();
            seen += page["jobs"].as_array().unwrap().len();
            match page["next"].as_str() {
                Some(next) => path = format!("/api/v1/jobs?limit=3&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen, self.people[who].jobs.len());
    }

    /// Own jobs and the other's, mixed.
    async fn several(&mut self, who: usize) {
        let jobs = self.people.iter().flat_map(|person| person.jobs.clone());
        let mut asked: Vec<_> = jobs.collect();
        self.random.shuffle(&mut asked);
        let path = format!("/api/v1/jobs?ids={}", asked.join(","));
        let answer = self
            .send(asking(&Method::GET, &path, Some(&self.people[who].token)))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        self.sees_nothing_foreign(who, &answer, "");
        let shown = answer.json();
        for (id, job) in asked.iter().zip(shown["jobs"].as_array().unwrap()) {
            assert_eq!(job.is_null(), !self.people[who].jobs.contains(id), "{id}");
        }
    }

    /// Anything of one job, by key or by an own link, or with a link of the other's made for another path.
    async fn one(&mut self, who: usize) {
        let whose = self.random.usize(..2);
        let jobs = &self.people[whose].jobs;
        let id = jobs[self.random.usize(..jobs.len())].clone();
        let item = format!("{}01", &id[..id.len() - 2]);
        let (method, path) = match self.random.u8(..12) {
            0 => (Method::POST, format!("/api/v1/jobs/{id}/cancel")),
            1 => (Method::GET, format!("/api/v1/status/tasks/{item}")),
            2 => (Method::GET, format!("/api/v1/upload/status/{item}")),
            3 => (Method::GET, format!("/api/v1/upload/batch/{id}/status")),
            4 => (Method::GET, format!("/api/v1/status/jobs/{id}/progress")),
            5 => (Method::GET, format!("/api/v1/download/{id}/all")),
            6 => (
                Method::GET,
                format!("/api/v1/download/{id}/{id}_01_glb.glb"),
            ),
            7 => (
                Method::GET,
                format!("/api/v1/download/direct/{id}_01_glb.glb"),
            ),
            8 => (
                Method::GET,
                format!("/api/v1/models/download/{id}?format=glb"),
            ),
            9 => (Method::GET, format!("/job/{id}")),
            // It ends by itself, so that its whole body can be looked at, which takes its second.
            10 if self.random.u8(..5) == 0 => (
                Method::GET,
                format!("/api/v1/status/tasks/{id}/stream?timeout=1"),
            ),
            _ => (Method::GET, format!("/api/v1/jobs/{id}")),
        };
        let person = &self.people[who];
        let asked = match self.random.u8(..4) {
            0 => {
                let (bare, query) = path.split_once('?').unwrap_or((&path, ""));
                let signed = self.tenants.signed(&person.token, bare);
                asking(&method, &format!("{signed}&{query}"), None)
            }
            1 => {
                let other = &self.people[1 - who].token;
                let elsewhere = self.tenants.signed(other, "/api/v1/jobs");
                let link = elsewhere.trim_start_matches("/api/v1/jobs?");
                let joined = if path.contains('?') { '&' } else { '?' };
                let asked = request(method.as_str(), &format!("{path}{joined}{link}"));
                asked
                    .header("authorization", bearer(&person.token))
                    .body(Body::empty())
                    .unwrap()
            }
            _ => asking(&method, &path, Some(&person.token)),
        };
        let answer = self.send(asked).await;
        if who != whose {
            assert!(
                [401, 404].contains(&answer.status.as_u16()),
                "{path}: {}",
                answer.status
            );
            assert!(
                !answer.text().starts_with("the "),
                "{path}: a model's bytes"
            );
        }
        self.sees_nothing_foreign(who, &answer, &id);
    }

    /// Besides the id that was asked for.
    fn sees_nothing_foreign(&self, who: usize, answer: &Answer, asked: &str) {
        let other = &self.people[1 - who];
        let mut said = format!("{:?} {}", answer.headers, answer.text());
        if !asked.is_empty() {
            said = said.replace(asked, "");
        }
        let foreign = other.jobs.iter().map(String::as_str).chain([other.mark]);
        for foreign in foreign.filter(|text| *text != asked) {
            assert!(
                !said.contains(foreign),
                "{} sees {foreign}: {said}",
                self.people[who].mark
            );
        }
    }
}
