//! Records that nobody can read hold nobody up, and nothing is tried on them for ever.

use std::{sync::Arc, time::Duration};

use super::{
    super::{Settings, Time, open},
    ask, complete, create,
    real::RealServer,
    reserve, settings,
};
use crate::{
    job::{Lane, Owner, Queue, TaskState, Timestamp},
    store::{Held, Store, StoreError, Swept, conformance::ManualClock},
};

const LONG: Duration = Duration::from_secs(60);

/// A store whose time stands still until it is moved.
async fn timed(server: &RealServer) -> (Store, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::default());
    let store = open(Settings {
        time: Time::Given(clock.clone()),
        ..settings(server, 1)
    });
    (store.await.unwrap(), clock)
}

#[tokio::test]
async fn the_tasks_of_a_damaged_job_are_set_aside_and_others_go_on() {
    let server = RealServer::start(&[]);
    let (store, clock) = timed(&server).await;
    let (damaged, whole) = (create(&store, 2).await, create(&store, 1).await);
    let key = format!("i2m:{{00}}:job:{damaged}");
    ask::<()>(&server, &["HSET", &key, "job", "nonsense"]);
    // One of its tasks cannot be read, either.
    let names: Vec<String> = ask(&server, &["HKEYS", "i2m:{00}:tasks"]);
    let of_it = |name: &&String| name.starts_with(&damaged.to_string());
    let second = names.iter().rfind(of_it).unwrap();
    ask::<()>(&server, &["HSET", "i2m:{00}:tasks", second, "nonsense"]);

    let leases = reserve(&store, 3).await;
    assert_eq!(leases.len(), 2, "{leases:?}");
    let held = store.jobs.start(&leases).await.unwrap();
    for (lease, held) in leases.iter().zip(held) {
        let expected = match lease.task.job == whole {
            true => Held::Yes,
            false => Held::Lost,
        };
        assert_eq!(held, expected);
        if lease.task.job == whole {
            complete(&store, lease).await;
        }
    }
    clock.pass(LONG);
    let swept = store.jobs.sweep().await.unwrap();
    assert_eq!(swept.poisoned, 2);
    assert_eq!(store.jobs.sweep().await, Ok(Swept::default()));
    assert_eq!(reserve(&store, 3).await, []);
    let depth = &store.jobs.depths().await.unwrap()[&(Queue::ModelGeneration, Lane::local())];
    assert_eq!((depth.leased, depth.delayed, depth.dead), (0, 0, 2));
    let dead = store.jobs.dead(None, 9).await.unwrap();
    assert!(
        matches!(&dead[..], [one] if matches!(&one.state, TaskState::Dead { code, .. } if code == "damaged")),
        "{dead:?}"
    );
    let read = store.jobs.job(damaged).await;
    assert!(matches!(read, Err(StoreError::Damaged(_))), "{read:?}");
    let page = store.jobs.list(&Owner::open(), None, 9).await.unwrap();
    let listed: Vec<_> = page.jobs.iter().map(|job| job.id).collect();
    assert_eq!(listed, [whole]);
}

#[tokio::test]
async fn a_damaged_job_is_not_the_next_to_be_removed_for_ever() {
    let server = RealServer::start(&[]);
    let store = open(settings(&server, 1)).await.unwrap();
    let id = create(&store, 1).await;
    store.jobs.cancel(id).await.unwrap();
    let key = format!("i2m:{{00}}:job:{id}");
    ask::<()>(&server, &["HSET", &key, "job", "nonsense"]);
    let asked = store.jobs.request_removal(id).await;
    assert!(matches!(asked, Err(StoreError::Damaged(_))), "{asked:?}");
    let all = Timestamp(i64::MAX);
    assert_eq!(store.jobs.removable(all, 9).await, Ok(vec![]));
    // Its files may be named by what cannot be read.
    let named = store.jobs.named(&[(id, "jobs/a/file".to_owned())]).await;
    assert_eq!(named, Ok(vec![true]));
}

#[tokio::test]
async fn a_task_whose_job_is_gone_is_set_aside() {
    let server = RealServer::start(&[]);
    let (store, clock) = timed(&server).await;
    let (gone, whole) = (create(&store, 2).await, create(&store, 1).await);
    assert_eq!(reserve(&store, 1).await.len(), 1);
    ask::<()>(&server, &["DEL", &format!("i2m:{{00}}:job:{gone}")]);
    clock.pass(LONG);
    let swept = store.jobs.sweep().await.unwrap();
    assert_eq!((swept.expired_leases, swept.poisoned), (0, 1));
    assert_eq!(store.jobs.sweep().await, Ok(Swept::default()));
    let leases = reserve(&store, 3).await;
    let held = store.jobs.start(&leases).await.unwrap();
    let begun: Vec<_> = leases
        .iter()
        .zip(held)
        .filter(|(_, held)| *held == Held::Yes)
        .collect();
    assert!(
        matches!(&begun[..], [(lease, _)] if lease.task.job == whole),
        "{begun:?}"
    );
    clock.pass(LONG);
    store.jobs.sweep().await.unwrap();
    let depth = &store.jobs.depths().await.unwrap()[&(Queue::ModelGeneration, Lane::local())];
    assert_eq!((depth.leased, depth.delayed, depth.dead), (0, 0, 2));
}
