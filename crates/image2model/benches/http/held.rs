//! What running uploads hold in memory.

use std::time::Duration;

use anyhow::Result;
use futures::future::try_join_all;

use crate::{
    client::{Connection, Request},
    process::Process,
};

/// Looks at the memory without anything new, after which all is taken in that was sent.
const QUIET: usize = 10;
const BETWEEN: Duration = Duration::from_millis(100);

/// KB per upload, over what the process held before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    /// At most until half of each picture was taken in and nothing more came.
    pub(crate) half: f64,
    /// At most until all had their answer.
    pub(crate) whole: f64,
}

/// Begins `count` uploads of `size` bytes, each of which stalls in the middle, and ends them together.
pub(crate) async fn by_uploads(server: &Process, count: usize, size: usize) -> Result<Held> {
    let Request(bytes) = Request::upload(size);
    let (first, rest) = bytes.split_at(bytes.len() / 2);
    server.forget_peak()?;
    let before = server.resident()?;
    let each = |peak: f64| (peak - before).max(0.0) / count as f64;
    let begun = (0..count).map(|_| async {
        let mut connection = Connection::open(server.port).await?;
        connection.send(first).await?;
        anyhow::Ok(connection)
    });
    let begun = try_join_all(begun).await?;
    let half = settled(server).await?;
    let ended = begun.into_iter().map(|mut connection| async move {
        connection.send(rest).await?;
        connection.answer().await?;
        anyhow::Ok(())
    });
    try_join_all(ended).await?;
    Ok(Held {
        half: each(half),
        whole: each(server.peak()?),
    })
}

/// The peak once it has stopped to rise.
async fn settled(server: &Process) -> Result<f64> {
    let (mut peak, mut quiet) = (0.0, 0);
    while quiet < QUIET {
        tokio::time::sleep(BETWEEN).await;
        let now = server.peak()?;
        quiet = if now > peak { 0 } else { quiet + 1 };
        peak = now;
    }
    Ok(peak)
}
