//! Decoding in processes of its own: the same results, and a child's end is one attempt's and nothing else's.

use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use image2model::{
    config::{Memory, WorkerSettings},
    job::transition::{Failure, Retry},
    provider::{
        ApartProvider, ApartSettings, Generated, LocalProvider, ModelRequest, OnProgress, Provider,
    },
};
use rustix::process::{Pid, Signal, kill_process};
use tokio_util::sync::CancellationToken;

use crate::support::{Client, Server, children, is_there, jpeg, root, tiny};

fn settings() -> ApartSettings {
    let worker = WorkerSettings {
        memory: Memory::Bytes(1 << 30),
        threads: 2,
        ..WorkerSettings::default()
    };
    ApartSettings {
        program: PathBuf::from(env!("CARGO_BIN_EXE_image2model")),
        ..ApartSettings::new(&worker, 0).unwrap()
    }
}

async fn generate(
    provider: &dyn Provider,
    image: impl Into<Bytes>,
    (model, options): (&str, &[(&str, &str)]),
    cancel: &CancellationToken,
) -> Result<Generated, Failure> {
    let own = |text: &&str| (*text).to_owned();
    let options: Vec<_> = options.iter().map(|(n, v)| (own(n), own(v))).collect();
    let formats = ["stl", "obj", "obj.zip", "ply"].map(str::to_owned);
    let request = ModelRequest::parse(Some(model), &options, &formats).unwrap();
    let silent: OnProgress = Arc::new(|_, _| {});
    provider
        .generate(image.into(), &request, "a stem", silent, cancel.clone())
        .await
}

/// A small picture with few faces, never cancelled.
async fn small(provider: &dyn Provider) -> Result<Generated, Failure> {
    let few = ("inflate", &[("face_limit", "200")][..]);
    generate(provider, tiny(1), few, &CancellationToken::new()).await
}

fn kill(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    let mut look = tokio::time::interval(Duration::from_millis(10));
    while !holds() {
        look.tick().await;
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
    }
}

/// A `serve` with its decoders apart, and a client of it.
fn server(home: &tempfile::TempDir, more: &[(&str, &str)]) -> (Server, Client) {
    let apart = [
        ("WORKER__ISOLATION", "on"),
        ("WORKER__THREADS", "2"),
        ("RETRY__BASE", "0.05"),
    ];
    let settings = [&apart, more].concat();
    let server = Server::start(&home.path().join("data"), &settings);
    let client = Client::new(server.port);
    (server, client)
}

/// One of a server's children that computes.
async fn busy(server: &Server) -> u32 {
    let mut found = None;
    let ticks = |pid: &u32| -> u64 {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let user = after_name.split_whitespace().nth(11);
        user.and_then(|ticks| ticks.parse().ok()).unwrap_or(0)
    };
    until("no child computes", || {
        found = children(server.pid())
            .into_iter()
            .find(|pid| ticks(pid) > 3);
        found.is_some()
    })
    .await;
    found.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn models_and_refusals_are_the_same_bytes_as_in_process() {
    let apart = ApartProvider::start(settings()).await.unwrap();
    let local = LocalProvider::new(&WorkerSettings::default());
    let never = CancellationToken::new();
    let read = |name: &str| fs::read(root().join("samples").join(name)).unwrap();
    for (image, asked) in [
        (read("duck.jpg"), ("inflate", &[("depth", "0.3")][..])),
        (read("landscape.jpg"), ("relief", &[("size_mm", "42.7")])),
        (read("logo.png"), ("extrude", &[("bevel_mm", "0.1")])),
        (tiny(3), ("inflate", &[("face_limit", "5")])),
        (b"no picture".to_vec(), ("inflate", &[])),
        (read("duck.jpg")[..4000].to_vec(), ("relief", &[])),
    ] {
        let there = generate(&apart, image.clone(), asked, &never).await;
        let here = generate(&local, image, asked, &never).await;
        // Files of megabytes are no message.
        assert!(
            there == here,
            "{asked:?}: {:?} {:?}",
            there.err(),
            here.err()
        );
        let Ok(made) = here else { continue };
        let glb = made.files[0].bytes.clone();
        for format in [reconstruct::Format::Stl, reconstruct::Format::ObjZip] {
            let there = apart.convert(glb.clone(), format, "b").await;
            assert!(there == local.convert(glb.clone(), format, "b").await);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_too_long_or_is_not_wanted_is_killed() {
    let hasty = ApartSettings {
        time_limit: Duration::from_millis(20),
        ..settings()
    };
    let provider = ApartProvider::start(hasty).await.unwrap();
    let never = CancellationToken::new();
    let late = generate(&provider, jpeg(2000), ("inflate", &[]), &never).await;
    let late = late.unwrap_err();
    assert_eq!(
        (late.error.code.as_str(), late.retry),
        ("over_time", Retry::Backoff)
    );
    let limit = "it was not done within 0.02 seconds (worker.time_limit)";
    assert_eq!(late.error.message, limit);

    let provider = ApartProvider::start(settings()).await.unwrap();
    let cancel = CancellationToken::new();
    let (stopped, ()) = tokio::join!(
        generate(&provider, jpeg(2000), ("inflate", &[]), &cancel),
        async { cancel.cancel() },
    );
    assert_eq!(stopped.unwrap_err().error.code, "cancelled");
    small(&provider).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_over_its_memory_fails_alone() {
    let large = ("inflate", &[("face_limit", "500000")][..]);
    let never = CancellationToken::new();
    let little = ApartSettings {
        memory: 60 << 20,
        ..settings()
    };
    let provider = ApartProvider::start(little).await.unwrap();
    let refused = generate(&provider, tiny(1), large, &never).await;
    assert_eq!(refused.unwrap_err().error.code, "over_budget");
    small(&provider).await.unwrap();
}

/// A sound picture holds no more than it is estimated at, so it is granted less here.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_takes_more_than_it_was_granted_dies_alone() {
    let large = ("inflate", &[("face_limit", "500000")][..]);
    let never = CancellationToken::new();
    let tight = ApartSettings {
        granted: 0,
        ..settings()
    };
    let provider = ApartProvider::start(tight).await.unwrap();
    let (taken, other) = tokio::join!(
        generate(&provider, jpeg(2000), large, &never),
        small(&provider)
    );
    let taken = taken.unwrap_err();
    assert_eq!(
        (taken.error.code.as_str(), taken.retry),
        ("decoder_died", Retry::Backoff)
    );
    let (front, back) = (
        "the decoder died (signal: 6",
        ") and took nothing else with it",
    );
    let message = &taken.error.message;
    assert!(
        message.starts_with(front) && message.ends_with(back),
        "{message}"
    );
    other.unwrap();
    small(&provider).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_child_costs_one_attempt_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let (server, client) = server(&home, &[]);
    let id = client.submit(&vec![jpeg(1500); 4], &[]).await;
    let victim = busy(&server).await;
    kill(victim);
    let events = client.events(&id).await;
    let retries: Vec<_> = events
        .iter()
        .filter(|event| event.name == "task_retry" && event.fact().is_some())
        .collect();
    assert_eq!(retries.len(), 1, "{events:#?}");
    assert_eq!(retries[0].data["error"], "decoder_died", "{retries:?}");
    let job = client.ended(&id).await;
    let attempts: Vec<_> = job["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            assert_eq!(item["status"], "completed", "{job}");
            item["attempts"].as_u64().unwrap()
        })
        .collect();
    assert_eq!(attempts.iter().sum::<u64>(), 1, "{job}");
    assert!(server.log().contains("signal: 9"), "{}", server.log());
    // Nobody is left that was not waited for.
    until("a dead child is still there", || {
        children(server.pid()).iter().all(|pid| is_there(*pid))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_leaves_no_child_idle_or_busy() {
    let home = tempfile::tempdir().unwrap();
    let (server, client) = server(&home, &[]);
    client.submit(&vec![jpeg(2500); 2], &[]).await;
    busy(&server).await;
    let left = children(server.pid());
    server.kill();
    until("a child outlives its server", || {
        !left.iter().any(|pid| is_there(*pid))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_server_leaves_no_child_and_its_work_to_the_next() {
    let home = tempfile::tempdir().unwrap();
    let (first, client) = server(&home, &[("WORKER__GRACE", "1")]);
    let id = client.submit(&vec![jpeg(2000); 12], &[]).await;
    busy(&first).await;
    let left = children(first.pid());
    assert_eq!(left.len(), 2);
    // What a whole service is told is the server's to hear.
    for pid in &left {
        let pid = Pid::from_raw(i32::try_from(*pid).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
    }
    let (status, took) = first.terminate();
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(!left.iter().any(|pid| is_there(*pid)), "{left:?}");

    let (_second, client) = server(&home, &[]);
    let job = client.ended(&id).await;
    for item in job["items"].as_array().unwrap() {
        let stands = (&item["status"], &item["attempts"]);
        assert_eq!(stands, (&"completed".into(), &0.into()), "{job}");
    }
}

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
#[tokio::test(flavor = "multi_thread")]
async fn a_child_knows_no_secrets_and_may_do_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (server, _client) = server(&home, &[("STORE__SENTINEL_PASSWORD", "secret")]);
    let child = children(server.pid())[0];
    let read = |what: &str| fs::read_to_string(format!("/proc/{child}/{what}")).unwrap();
    let status = read("status");
    for told in ["NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.contains(told), "{told}: {status}");
    }
    let threads = fs::read_dir(format!("/proc/{child}/task")).unwrap();
    for thread in threads.flatten() {
        let status = fs::read_to_string(thread.path().join("status")).unwrap();
        assert!(status.contains("Seccomp:\t2"), "{status}");
    }
    let environment = read("environ");
    assert!(
        environment.starts_with("_RJEM_MALLOC_CONF="),
        "{environment}"
    );
    assert_eq!(environment.matches('\0').count(), 1, "{environment}");
    let limits = read("limits");
    let hard = |name: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().split_whitespace().nth(1).unwrap().to_owned()
    };
    assert_eq!(hard("Max core file size"), "0");
    assert_eq!(hard("Max file size"), "0");
    assert_eq!(hard("Max open files"), "3");
    for limit in ["Max data size", "Max cpu time"] {
        assert!(hard(limit).parse::<u64>().is_ok(), "{limits}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_is_kept_warm_until_it_has_done_its_share() {
    let home = tempfile::tempdir().unwrap();
    let share = [
        ("WORKERS__MODEL_GENERATION__MAX_TASKS_PER_CHILD", "2"),
        ("WORKER__THREADS", "1"),
    ];
    let (server, client) = server(&home, &share);
    let few = &[("face_limit", "200")][..];
    let mut seen = vec![children(server.pid())];
    for picture in 0..4 {
        let id = client.submit(&[tiny(picture)], few).await;
        assert_eq!(client.ended(&id).await["status"], "completed");
        // A worn-out child is gone before another is asked for.
        seen.push(children(server.pid()));
    }
    let [before, first, second, third, fourth] = &seen[..] else {
        panic!("{seen:?}");
    };
    assert_eq!(before, first, "{seen:?}");
    assert!(second.is_empty() || second == first, "{seen:?}");
    assert!(third.len() == 1 && third != first, "{seen:?}");
    assert!(fourth.is_empty() || fourth == third, "{seen:?}");
    assert_eq!(server.log().matches("starts anew").count(), 0);
}
