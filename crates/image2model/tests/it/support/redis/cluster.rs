//! A Redis Cluster.

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use redis::FromRedisValue;

use super::{
    certificates::{Certificates, scheme},
    eventually,
    process::{Frozen, Part, Process},
    sentinel::in_step,
};

const SLOTS: usize = 16_384;

/// How a cluster is built.
pub(crate) struct ClusterShape<'a> {
    pub(crate) primaries: usize,
    /// Of all primaries together, dealt out in turn: with fewer than primaries, the last ones have none.
    pub(crate) replicas: usize,
    /// How long a node must be silent to be replaced.
    pub(crate) node_timeout: Duration,
    /// For every node, such as `--appendonly yes`.
    pub(crate) options: &'a [&'a str],
    /// Whether all speak TLS only, to clients with a certificate.
    pub(crate) tls: bool,
}

impl Default for ClusterShape<'_> {
    fn default() -> Self {
        Self {
            primaries: 3,
            replicas: 3,
            node_timeout: Duration::from_secs(2),
            options: &[],
            tls: false,
        }
    }
}

pub(crate) struct ClusterFleet {
    nodes: Vec<Process>,
    certificates: Option<Arc<Certificates>>,
}

/// A node that takes writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Primary {
    pub(crate) port: u16,
    pub(crate) slots: Vec<RangeInclusive<u16>>,
    /// The ports of its replicas.
    pub(crate) replicas: Vec<u16>,
}

impl ClusterFleet {
    /// Returns once it is whole.
    pub(crate) fn start(primaries: usize, replicas: usize) -> Self {
        Self::of(&ClusterShape {
            primaries,
            replicas,
            ..ClusterShape::default()
        })
    }

    /// Returns once it is whole.
    pub(crate) fn of(shape: &ClusterShape<'_>) -> Self {
        let timeout = shape.node_timeout.as_millis().to_string();
        let mut options = vec!["--cluster-node-timeout", &timeout];
        // What is left of the cluster serves its slots; replicas are replaced however long they were away.
        options.extend(["--cluster-require-full-coverage", "no"]);
        options.extend(["--cluster-replica-validity-factor", "0"]);
        options.extend(shape.options);
        let certificates = shape.tls.then(|| Arc::new(Certificates::make()));
        let node = |_| Process::spawn(Part::InCluster(certificates.clone()), &options);
        let count = shape.primaries + shape.replicas;
        let mut nodes: Vec<_> = (0..count).map(node).collect();
        nodes.iter_mut().for_each(Process::wait_until_ready);
        let fleet = Self {
            nodes,
            certificates,
        };
        let (primaries, replicas) = fleet.nodes.split_at(shape.primaries);
        for (n, primary) in primaries.iter().enumerate() {
            let (first, next) = (
                n * SLOTS / shape.primaries,
                (n + 1) * SLOTS / shape.primaries,
            );
            let (first, last) = (first.to_string(), (next - 1).to_string());
            primary.ask::<()>(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]);
            // Else all begin with the same, and sort it out among themselves.
            primary.ask::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", &(n + 1).to_string()]);
        }
        fleet.introduce();
        for (replica, primary) in replicas.iter().zip(primaries.iter().cycle()) {
            let id: String = primary.ask(&["CLUSTER", "MYID"]);
            eventually("a replica knows its primary", || {
                replica.try_ask::<()>(&["CLUSTER", "REPLICATE", &id]).ok()
            });
        }
        fleet.wait_until_whole();
        fleet
    }

    /// Everybody to everybody: gossip would take seconds.
    fn introduce(&self) {
        for (n, node) in self.nodes.iter().enumerate() {
            for other in &self.nodes[n + 1..] {
                let (port, bus) = (other.port().to_string(), other.bus().to_string());
                node.ask::<()>(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
            }
        }
    }

    /// `redis+cluster://<all nodes>`
    pub(crate) fn url(&self) -> String {
        let nodes: Vec<_> = self.nodes.iter().map(Process::address).collect();
        let scheme = scheme(self.certificates.as_deref());
        format!("{scheme}+cluster://{}", nodes.join(","))
    }

    /// Of one that speaks TLS.
    pub(crate) fn certificates(&self) -> &Certificates {
        self.certificates.as_deref().unwrap()
    }

    /// By their first slot, as all nodes that run see them; those without slots are left out.
    pub(crate) fn primaries(&self) -> Vec<Primary> {
        eventually("all nodes see the same primaries", || self.agreed())
    }

    /// The primary of a slot, as all nodes that run see it.
    pub(crate) fn primary(&self, slot: u16) -> Primary {
        eventually("a slot has a primary", || self.holder(slot))
    }

    /// Waits until all nodes that run see another primary than `old` at a slot.
    pub(crate) fn wait_for_another(&self, slot: u16, old: u16) -> Primary {
        eventually("another primary", || {
            let primary = self.holder(slot)?;
            let serves = self.node(primary.port).info_of_cluster("cluster_state")? == "ok";
            (primary.port != old && serves).then_some(primary)
        })
    }

    /// Whether all nodes that run see others in its place.
    pub(crate) fn has_replaced(&self, port: u16) -> bool {
        let are_others = |primaries: &Vec<Primary>| primaries.iter().all(|one| one.port != port);
        self.agreed()
            .is_some_and(|primaries| are_others(&primaries))
    }

    /// SIGKILL. The slots of a primary without replicas stay uncovered.
    pub(crate) fn kill(&mut self, port: u16) {
        self.node_mut(port).end();
    }

    /// SIGSTOP, for as long as the answer lives.
    pub(crate) fn freeze(&self, port: u16) -> Frozen {
        self.node(port).freeze()
    }

    /// Starts a dead one again in its folder. A primary that was replaced comes back as a replica.
    pub(crate) fn restart(&mut self, port: u16) {
        self.node_mut(port).restart();
    }

    /// A command's answer from one node.
    #[track_caller]
    pub(crate) fn ask<T: FromRedisValue>(&self, port: u16, command: &[&str]) -> T {
        self.node(port).ask(command)
    }

    /// Until all run and see the same, all slots are served, and each replica has all that its primary has.
    pub(crate) fn wait_until_whole(&self) {
        eventually("the cluster is whole", || self.is_whole().then_some(()));
    }

    pub(crate) fn is_whole(&self) -> bool {
        let count = self.nodes.len().to_string();
        let all_well = self.nodes.iter().all(|node| {
            node.info_of_cluster("cluster_state").as_deref() == Some("ok")
                && node.info_of_cluster("cluster_slots_ok").as_deref() == Some("16384")
                && node.info_of_cluster("cluster_known_nodes").as_ref() == Some(&count)
        });
        let Some(primaries) = self.agreed().filter(|_| all_well) else {
            return false;
        };
        let replicas: usize = primaries.iter().map(|primary| primary.replicas.len()).sum();
        primaries.len() + replicas == self.nodes.len()
            && primaries.iter().all(|primary| {
                in_step(self.node(primary.port), primary.replicas.len())
                    && primary.replicas.iter().all(|&port| {
                        let link = self.node(port).info("replication", "master_link_status");
                        link.as_deref() == Some("up")
                    })
            })
    }

    fn holder(&self, slot: u16) -> Option<Primary> {
        let holds = |primary: &Primary| primary.slots.iter().any(|range| range.contains(&slot));
        self.agreed()?.into_iter().find(holds)
    }

    /// What all nodes that run see, if it is the same.
    fn agreed(&self) -> Option<Vec<Primary>> {
        let mut seen = self.nodes.iter().filter_map(|node| {
            let lines: String = node.try_ask(&["CLUSTER", "NODES"]).ok()?;
            Some(primaries(&lines))
        });
        let first = seen.next()?;
        seen.all(|other| other == first).then_some(first)
    }

    fn node(&self, port: u16) -> &Process {
        let mut nodes = self.nodes.iter();
        nodes.find(|node| node.port() == port).unwrap()
    }

    fn node_mut(&mut self, port: u16) -> &mut Process {
        let mut nodes = self.nodes.iter_mut();
        nodes.find(|node| node.port() == port).unwrap()
    }
}

/// From the answer of `CLUSTER NODES`: id, address, flags, primary's id, ping, pong, epoch, link, then slots.
fn primaries(lines: &str) -> Vec<Primary> {
    let split = |line: &'_ str| line.split(' ').map(str::to_owned).collect();
    let nodes: Vec<Vec<String>> = lines.lines().map(split).collect();
    let replicas = |id: &str| {
        let of = |node: &&Vec<String>| node[3] == id && !node[2].contains("fail");
        let mut ports: Vec<_> = nodes.iter().filter(of).map(|node| port(&node[1])).collect();
        ports.sort_unstable();
        ports
    };
    let mut primaries: Vec<_> = nodes
        .iter()
        .filter(|node| node[2].contains("master") && node.len() > 8)
        .map(|node| Primary {
            port: port(&node[1]),
            slots: node[8..].iter().filter_map(|range| slots(range)).collect(),
            replicas: replicas(&node[0]),
        })
        .collect();
    primaries.sort_by_key(|primary| primary.slots.first().map(|range| *range.start()));
    primaries
}

/// As in `127.0.0.1:7000@17000`.
fn port(address: &str) -> u16 {
    let (_, after) = address.split_once(':').unwrap();
    after.split('@').next().unwrap().parse().unwrap()
}

/// As in `0-5460` or `7`; those in brackets are on their way.
fn slots(range: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    Some(first.parse().ok()?..=last.parse().ok()?)
}
