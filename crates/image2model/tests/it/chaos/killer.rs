//! Kills one process every one to three seconds and starts it again later, until each kind has had its share. Of the
//! Redis servers it kills one primary at a time, and only while each has a replica that knows all that it knows: who
//! kills both loses what he had.

use std::{
    collections::BTreeMap,
    thread::sleep,
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{
    house::{House, Kind},
    primaries::Primaries,
};

/// Time in which anything that is due has happened.
const PATIENCE: Duration = Duration::from_secs(90);

pub(super) struct Killer {
    house: House,
    redis: Primaries,
    random: fastrand::Rng,
    left: BTreeMap<Kind, usize>,
    each: usize,
    kills: watch::Sender<usize>,
    dead: Option<Dead>,
    last: Instant,
}

/// A primary.
struct Dead {
    port: u16,
    /// When it is started again at the earliest, and not before it was replaced.
    until: Instant,
}

impl Killer {
    pub(super) fn new(house: House, redis: Primaries, each: usize, seed: u64) -> Self {
        let kinds = [Kind::Worker, Kind::Api, Kind::Scheduler, Kind::Primary];
        Self {
            house,
            redis,
            random: fastrand::Rng::with_seed(seed),
            left: kinds.map(|kind| (kind, each)).into(),
            each,
            kills: watch::Sender::new(0),
            dead: None,
            last: Instant::now(),
        }
    }

    /// How many it will kill.
    pub(super) fn total(&self) -> usize {
        self.left.values().sum()
    }

    /// How many it has killed so far, and the one that it is about to: jobs that come now are under way when it dies.
    pub(super) fn kills(&self) -> watch::Receiver<usize> {
        self.kills.subscribe()
    }

    /// How many it has killed of each kind.
    pub(super) fn killed(&self) -> BTreeMap<Kind, usize> {
        let killed = self.left.iter();
        killed.map(|(kind, n)| (*kind, self.each - n)).collect()
    }

    /// Returns when all are killed and everything is whole again.
    pub(super) fn run(mut self) -> Self {
        let mut next = Instant::now() + self.between();
        loop {
            self.house.look_after();
            self.look_after_redis();
            let left: usize = self.left.values().sum();
            if left == 0 && self.is_well() {
                return self;
            }
            if Instant::now() >= next
                && let Some(kind) = self.choose()
            {
                self.kill(kind);
                self.last = Instant::now();
                next = Instant::now() + self.between();
            }
            assert!(self.last.elapsed() < PATIENCE, "{:?} are left", self.left);
            sleep(Duration::from_millis(50));
        }
    }

    fn is_well(&self) -> bool {
        self.dead.is_none() && self.house.are_all_ready() && self.redis.is_whole()
    }

    /// Whom to kill next; `None` when nobody is there who may be.
    fn choose(&mut self) -> Option<Kind> {
        let mut kinds: Vec<_> = self.left.iter().filter(|(_, left)| **left > 0).collect();
        kinds.retain(|(kind, _)| match kind {
            Kind::Primary => self.dead.is_none() && self.redis.is_whole(),
            kind => self.house.has_ready(**kind),
        });
        // What takes longest to be whole again goes first.
        let first = kinds.iter().find(|(kind, _)| **kind == Kind::Primary);
        match first {
            Some((kind, _)) if self.random.bool() => Some(**kind),
            _ => self.random.choice(&kinds).map(|(kind, _)| **kind),
        }
    }

    fn kill(&mut self, kind: Kind) {
        self.kills.send_modify(|kills| *kills += 1);
        sleep(Duration::from_millis(self.random.u64(..500)));
        let until = Instant::now() + self.between();
        if kind == Kind::Primary {
            let port = self.redis.kill_one(&mut self.random);
            self.dead = Some(Dead { port, until });
        } else {
            self.house.kill(kind, until, &mut self.random);
        }
        *self.left.get_mut(&kind).unwrap() -= 1;
    }

    fn look_after_redis(&mut self) {
        let replaced = |dead: &Dead| {
            let is_due = Instant::now() >= dead.until;
            (is_due && self.redis.has_replaced(dead.port)).then_some(dead.port)
        };
        if let Some(port) = self.dead.as_ref().and_then(replaced) {
            self.redis.restart(port);
            self.dead = None;
        }
    }

    fn between(&mut self) -> Duration {
        Duration::from_millis(self.random.u64(1_000..=3_000))
    }
}
