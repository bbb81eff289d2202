//! Which shard a job lies in, and every key's name.

use crate::job::{JobId, Lane, Owner, Queue};

/// All shards of a store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shards(pub(super) u16);

/// One shard: its keys share a hash tag, so one node of a cluster has them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shard(u16);

impl Shards {
    /// By the first 15 bytes of the id, which a job and its items share.
    pub(super) fn of(self, job: JobId) -> Shard {
        self.of_bytes(&job.as_uuid().into_bytes()[..15])
    }

    /// Where something lies that has a name and belongs to no job.
    pub(super) fn of_name(self, name: &str) -> Shard {
        self.of_bytes(name.as_bytes())
    }

    /// FNV-1a, for it must never change.
    fn of_bytes(self, bytes: &[u8]) -> Shard {
        let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3_u64)
        });
        Shard(u16::try_from(hash % u64::from(self.0.max(1))).unwrap_or(0))
    }

    /// Where that lies which is read together and belongs to no job.
    #[expect(clippy::unused_self, reason = "it is a shard of these")]
    pub(super) fn first(self) -> Shard {
        Shard(0)
    }

    pub(super) fn all(self) -> impl Iterator<Item = Shard> + Clone {
        (0..self.0).map(Shard)
    }
}

impl Shard {
    pub(super) fn number(self) -> u16 {
        self.0
    }

    pub(super) fn key(self, name: &str) -> String {
        format!("i2m:{{{:02}}}:{name}", self.0)
    }

    pub(super) fn job(self, id: JobId) -> String {
        self.key(&format!("job:{id}"))
    }

    pub(super) fn progress(self, id: JobId, item: u8) -> String {
        self.key(&format!("progress:{id}:{item}"))
    }

    pub(super) fn owner(self, owner: &Owner) -> String {
        self.key(&format!("owner:{}", owner.0))
    }

    /// Counts of what the owner's jobs in this shard come to.
    pub(super) fn holding(self, owner: &Owner) -> String {
        self.key(&format!("holding:{}", owner.0))
    }

    /// A sorted set of one queue and lane.
    pub(super) fn lane(self, set: &str, queue: Queue, lane: &Lane) -> String {
        self.key(&format!("{set}:{}", lane_name(queue, lane)))
    }
}

/// A queue and lane in one word.
pub(super) fn lane_name(queue: Queue, lane: &Lane) -> String {
    format!("{queue}/{}", lane.0)
}

pub(super) fn lane_of(name: &str) -> Option<(Queue, Lane)> {
    let (queue, lane) = name.split_once('/')?;
    Some((Queue::from_name(queue)?, Lane(lane.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_spread_over_all_shards() {
        let shards = Shards(16);
        let mut counts = [0; 16];
        for _ in 0..16_000 {
            counts[usize::from(shards.of(JobId::random()).0)] += 1;
        }
        assert!(
            counts.iter().all(|n| (800..1_200).contains(n)),
            "{counts:?}"
        );
    }

    #[test]
    fn a_jobs_shard_stays_what_it_was() {
        let id: JobId = "01234567-89ab-4def-8123-456789abcd00".parse().unwrap();
        assert_eq!(Shards(16).of(id), Shards(16).of(id.item(25).job()));
        assert_eq!(Shards(16).of(id).key("news"), "i2m:{08}:news");
        assert_eq!(Shards(1).of(id).key("news"), "i2m:{00}:news");
    }

    #[test]
    fn a_lanes_name_leads_back_to_it() {
        let lane = Lane("fal/fast".to_owned());
        let name = lane_name(Queue::Priority, &lane);
        assert_eq!(lane_of(&name), Some((Queue::Priority, lane)));
        assert_eq!(lane_of("nothing"), None);
    }
}
