//! What holds the jobs, whichever it is.

use crate::support::{ClusterFleet, SentinelFleet};

/// Each has one replica, which has all that was confirmed: of several, Sentinels may choose one that lacks it.
pub(super) const MASTERS: [&str; 3] = ["m1", "m2", "m3"];

pub(super) enum Primaries {
    Cluster(ClusterFleet),
    Sentinels(SentinelFleet),
}

impl Primaries {
    pub(super) fn url(&self) -> String {
        match self {
            Self::Cluster(fleet) => fleet.url(),
            Self::Sentinels(fleet) => fleet.url(),
        }
    }

    /// Whether each primary has all its replicas, and they all that it has.
    pub(super) fn is_whole(&self) -> bool {
        match self {
            Self::Cluster(fleet) => fleet.is_whole(),
            Self::Sentinels(fleet) => MASTERS.iter().all(|name| fleet.is_whole(name)),
        }
    }

    /// SIGKILL of any primary of a whole one: its port.
    pub(super) fn kill_one(&mut self, random: &mut fastrand::Rng) -> u16 {
        match self {
            Self::Cluster(fleet) => {
                let primaries = fleet.primaries();
                let port = primaries[random.usize(..primaries.len())].port;
                fleet.kill(port);
                port
            }
            Self::Sentinels(fleet) => fleet.kill_primary(MASTERS[random.usize(..MASTERS.len())]),
        }
    }

    pub(super) fn has_replaced(&self, port: u16) -> bool {
        match self {
            Self::Cluster(fleet) => fleet.has_replaced(port),
            Self::Sentinels(fleet) => MASTERS.iter().all(|name| fleet.has_replaced(name, port)),
        }
    }

    pub(super) fn restart(&mut self, port: u16) {
        match self {
            Self::Cluster(fleet) => fleet.restart(port),
            Self::Sentinels(fleet) => fleet.restart(port),
        }
    }
}
