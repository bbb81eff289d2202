//! What the store's user must be allowed. Asked once of each server, before anything is written: a script that finds out
//! in its middle that it may not go on leaves half of what it was to write.

use super::{keys::Shard, nodes::Nodes, open::first_shards, script::Scripts};
use crate::store::StoreError;

/// All commands that the store and its scripts use, but for those that asking this takes, and `xread`.
const NEEDED: &str = "info time exists expire persist del get mget set incr hget hmget hgetall hset hsetnx hincrby hdel \
    sadd smembers zadd zcard zpopmin zrange zrank zrem zremrangebyscore zrevrange zscore xadd xlen xrevrange";
/// What finding the servers takes.
const UNDER_SENTINELS: &str = "role";
const IN_A_CLUSTER: &str = "cluster|slots asking";
/// What confirmed writes take.
const FOR_ACKS: &str = "wait";

/// The first command that this user may not use on some server.
pub(super) async fn missing(
    nodes: &Nodes,
    scripts: &Scripts,
) -> Result<Option<String>, StoreError> {
    let also = [
        (nodes.is_cluster(), IN_A_CLUSTER),
        (nodes.is_under_sentinels(), UNDER_SENTINELS),
        (nodes.confirms(), FOR_ACKS),
    ];
    let also = also.into_iter().filter_map(|(is, more)| is.then_some(more));
    let needed: Vec<_> = also
        .chain([NEEDED])
        .flat_map(|commands| commands.split(' '))
        .collect();
    let asks = first_shards(nodes)
        .into_iter()
        .map(|shard| (shard, ask(scripts, shard, &needed)));
    let missing: Vec<Option<String>> = nodes.ask_reachable(asks.collect()).await?;
    Ok(missing
        .into_iter()
        .flatten()
        .find(|command| !command.is_empty()))
}

/// Whether this user may use a command on a shard's server.
pub(super) async fn may(nodes: &Nodes, scripts: &Scripts, shard: Shard, command: &str) -> bool {
    let ask = ask(scripts, shard, &[command]);
    let missing: Result<Vec<Option<String>>, _> = nodes.ask_reachable(vec![(shard, ask)]).await;
    missing.is_ok_and(|missing| {
        missing
            .into_iter()
            .flatten()
            .all(|command| command.is_empty())
    })
}

/// Asks for the first of these commands that may not be used.
fn ask(scripts: &Scripts, shard: Shard, commands: &[&str]) -> redis::Cmd {
    let mut ask = scripts.rights.call();
    ask.key(shard.key("meta")).arg(commands);
    ask.cmd()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const GUIDE: &str = include_str!("../../../../../docs/operate/redis.md");

    fn rights(text: &str) -> BTreeSet<&str> {
        let words = text.split(|c: char| c.is_whitespace() || c == '`' || c == ',');
        words.filter_map(|word| word.strip_prefix('+')).collect()
    }

    #[test]
    fn the_guide_tells_exactly_what_is_needed() {
        let (_, line) = GUIDE.split_once("ACL SETUSER").unwrap();
        let (line, rest) = line.split_once("```").unwrap();
        let asking = ["evalsha", "script\\|load", "xread"];
        let needed: BTreeSet<_> = NEEDED.split(' ').chain(asking).collect();
        assert_eq!(rights(line), needed);
        let also = [UNDER_SENTINELS, IN_A_CLUSTER, FOR_ACKS].join(" ");
        // Another database, and `store copy`.
        let also: BTreeSet<_> = also.split(' ').chain(["select", "hscan"]).collect();
        let (told, _) = rest.split_once("```").unwrap();
        assert_eq!(rights(told), also);
    }
}
