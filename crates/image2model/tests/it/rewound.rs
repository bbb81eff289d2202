//! A new primary lacks the last that the old one told. Whoever listened is told the truth anew.

use std::time::Duration;

use image2model::{
    job::{Lane, Lease, Queue, RetryPolicy, WorkerId, transition::Completion},
    store::{
        Held, Reserve, Store,
        redis::{Settings, open},
    },
};
use redis::{Client as Redis, cmd, pipe};
use tokio::sync::mpsc;

use crate::support::{Client, Event, RealServer, Server, role, tiny};

/// All that a Redis has, by key.
type Kept = Vec<(String, Vec<u8>)>;

fn all_of(server: &RealServer) -> Kept {
    let mut redis = Redis::open(server.url()).unwrap().get_connection().unwrap();
    let keys: Vec<String> = cmd("KEYS").arg("*").query(&mut redis).unwrap();
    let dump = |key: String| {
        let value = cmd("DUMP").arg(&key).query(&mut redis).unwrap();
        (key, value)
    };
    keys.into_iter().map(dump).collect()
}

/// Makes it what it was, and cuts off all who talk to it, in one step.
fn rewind(server: &RealServer, kept: &Kept) {
    let mut back = pipe();
    back.atomic().cmd("FLUSHALL");
    for (key, value) in kept {
        back.cmd("RESTORE").arg(key).arg(0).arg(value);
    }
    back.cmd("CLIENT").arg(&["KILL", "TYPE", "normal"]);
    let mut redis = Redis::open(server.url()).unwrap().get_connection().unwrap();
    let () = back.query(&mut redis).unwrap();
}

async fn leases(store: &Store) -> Vec<Lease> {
    let ask = Reserve {
        queue: Queue::ModelGeneration,
        lane: Lane::local(),
        worker: WorkerId("worker".to_owned()),
        limit: 2,
        lease: Duration::from_secs(60),
    };
    let mut reserved = store.jobs.reserve(ask).await.unwrap();
    reserved.sort_by_key(|one| one.task.id.work.generated());
    reserved.into_iter().map(|one| one.lease).collect()
}

async fn start(store: &Store, lease: &Lease) {
    let held = store.jobs.start(std::slice::from_ref(lease)).await;
    assert_eq!(held, Ok(vec![Held::Yes]));
}

/// The next fact that is told.
async fn next(events: &mut mpsc::UnboundedReceiver<Event>) -> Option<Event> {
    let next = async {
        loop {
            match events.recv().await {
                Some(event) if event.fact().is_none() => {}
                other => return other,
            }
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(20), next).await;
    in_time.expect("an event in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_are_told_anew_what_took_the_place_of_what_was_lost() {
    let redis = RealServer::start(&[]);
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("data");
    let api = role(
        &["api", "--listen=127.0.0.1:0"],
        &dir,
        &[("STORE__URL", &redis.url())],
    );
    let api = Server::run(api, &dir);
    let client = Client::new(api.port);
    let worker = open(Settings::new(&redis.url(), RetryPolicy::default()));
    let worker = worker.await.unwrap();

    let id = client.submit(&[tiny(1), tiny(2)], &[]).await;
    let before = all_of(&redis);
    let (told, mut events) = mpsc::unbounded_channel();
    let listener = tokio::spawn({
        let (client, id) = (Client::new(api.port), id.clone());
        async move { client.follow(&id, |event| told.send(event).is_err()).await }
    });
    let held = leases(&worker).await;
    start(&worker, &held[0]).await;
    let begun = loop {
        let event = next(&mut events).await.expect("it goes on");
        if event.fact() == Some(2) {
            break event;
        }
    };

    rewind(&redis, &before);
    let another = open(Settings::new(&redis.url(), RetryPolicy::default()));
    let another = another.await.unwrap();
    let held = leases(&another).await;
    for lease in held.iter().rev() {
        start(&another, lease).await;
        let done = another.jobs.complete(lease, Completion::default()).await;
        assert_eq!(done, Ok(()));
    }
    let mut heard = Vec::new();
    while let Some(event) = next(&mut events).await {
        heard.push(event);
    }
    listener.await.unwrap();
    let numbers: Vec<_> = heard.iter().filter_map(Event::fact).collect();
    let anew = numbers.iter().rposition(|number| *number == 1);
    let anew = &heard[anew.unwrap_or_else(|| panic!("nothing was told anew: {heard:?}"))..];
    let numbers: Vec<_> = anew.iter().filter_map(Event::fact).collect();
    assert_eq!(numbers, (1..=6).collect::<Vec<_>>(), "{heard:?}");
    assert_ne!(anew[1].data, begun.data, "the other item began now");
    assert_eq!(client.job(&id).await["status"], "completed");
}
