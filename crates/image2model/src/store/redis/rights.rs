//! What the store's user must be allowed. Asked once, before anything is written: a script that finds out in its middle
//! that it may not go on leaves half of what it was to write.

use super::{keys::META, server::Server};
use crate::store::StoreError;

/// All commands that the store and its scripts use, but for those that asking this takes, and `xread`.
const NEEDED: &str = "info time multi exec exists del get mget set incr hget hmget hgetall hset hsetnx hincrby hdel \
    sadd smembers zadd zcard zpopmin zrange zrank zrem zremrangebyscore zrevrange zscore xadd xrevrange";

/// The first command that this user may not use.
pub(super) async fn missing(server: &Server) -> Result<Option<String>, StoreError> {
    let script = redis::Script::new(include_str!("scripts/rights.lua"));
    let mut ask = script.prepare_invoke();
    ask.key(META).arg(NEEDED.split(' ').collect::<Vec<_>>());
    let missing: String = server.ask(&ask).await?;
    Ok(Some(missing).filter(|command| !command.is_empty()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::NEEDED;

    const GUIDE: &str = include_str!("../../../../../docs/operate/redis.md");

    #[test]
    fn the_guide_tells_exactly_what_is_needed() {
        let (_, line) = GUIDE.split_once("ACL SETUSER").unwrap();
        let (line, _) = line.split_once("```").unwrap();
        let told = line
            .split_whitespace()
            .filter_map(|word| word.strip_prefix('+'));
        let asking = ["evalsha", "script\\|load", "xread"];
        let needed: BTreeSet<_> = NEEDED.split(' ').chain(asking).collect();
        assert_eq!(told.collect::<BTreeSet<_>>(), needed);
    }
}
