//! What ended jobs hold in Redis.

use anyhow::Result;
use futures::future::try_join_all;
use image2model::store::redis::Time;
use redis::Connection;

use crate::{emptied, measure::info, noops};

const JOBS: usize = 1_000;
const IMAGES: usize = 4;

/// Bytes per job, with facts and its places in lists. News are not counted: their streams stop growing at a length.
pub(crate) async fn of_an_ended_job(url: &str, control: &mut Connection) -> Result<f64> {
    let store = emptied(url, Time::Server, control).await?;
    let before = held(control)?;
    for _ in 0..JOBS {
        store.jobs.create_job(noops::new_job(IMAGES)).await?;
        let leases = noops::reserve(&store, 0, IMAGES).await?;
        store.jobs.start(&leases).await?;
        let done = leases
            .iter()
            .map(|lease| store.jobs.complete(lease, noops::completion(lease)));
        try_join_all(done).await?;
    }
    Ok((held(control)? - before) / JOBS as f64)
}

fn held(control: &mut Connection) -> Result<f64> {
    let mut news = 0;
    let streams: Vec<String> = redis::cmd("KEYS").arg("*:news").query(control)?;
    for stream in streams {
        let mut usage = redis::cmd("MEMORY");
        usage.arg("USAGE").arg(stream).arg("SAMPLES").arg(0);
        news += usage.query::<u64>(control)?;
    }
    Ok(info(control, "memory", "used_memory")? - news as f64)
}
