//! Primaries with replicas, and the Sentinels that watch over them.

use std::{collections::HashMap, ops::Range, sync::Arc, time::Duration};

use redis::FromRedisValue;

use super::{
    certificates::{Certificates, scheme},
    eventually,
    process::{Frozen, Part, Process},
};

/// How a fleet is built.
pub(crate) struct SentinelShape<'a> {
    /// The names under which Sentinels know the primaries.
    pub(crate) masters: &'a [&'a str],
    pub(crate) replicas_each: usize,
    pub(crate) sentinels: usize,
    /// How long a primary must be silent to be replaced.
    pub(crate) down_after: Duration,
    /// For every primary and replica, such as `--appendonly yes` or `--requirepass secret`.
    pub(crate) options: &'a [&'a str],
    /// For every Sentinel.
    pub(crate) sentinel_options: &'a [&'a str],
    /// Whether all speak TLS only, to clients with a certificate.
    pub(crate) tls: bool,
}

impl Default for SentinelShape<'_> {
    fn default() -> Self {
        Self {
            masters: &["mymaster"],
            replicas_each: 2,
            sentinels: 3,
            down_after: Duration::from_secs(1),
            options: &[],
            sentinel_options: &[],
            tls: false,
        }
    }
}

pub(crate) struct SentinelFleet {
    masters: Vec<String>,
    /// Of each master in turn: first the primary of the beginning, then its replicas.
    servers: Vec<Process>,
    replicas_each: usize,
    sentinels: Vec<Process>,
    certificates: Option<Arc<Certificates>>,
}

impl SentinelFleet {
    /// Returns once it is whole.
    pub(crate) fn start(masters: &[&str], replicas_each: usize, sentinels: usize) -> Self {
        Self::of(&SentinelShape {
            masters,
            replicas_each,
            sentinels,
            ..SentinelShape::default()
        })
    }

    /// Returns once it is whole.
    pub(crate) fn of(shape: &SentinelShape<'_>) -> Self {
        let mut options = shape.options.to_vec();
        if let Some(at) = options.iter().position(|word| *word == "--requirepass") {
            options.extend(["--masterauth", shape.options[at + 1]]);
        }
        let certificates = shape.tls.then(|| Arc::new(Certificates::make()));
        let part = || match &certificates {
            Some(certificates) => Part::OnTls {
                certificates: certificates.clone(),
                asks_clients: true,
            },
            None => Part::OnTcp,
        };
        let server = |_| Process::spawn(part(), &options);
        let sentinel = |_| {
            let part = Part::Sentinel(certificates.clone());
            Process::spawn(part, shape.sentinel_options)
        };
        let count = shape.masters.len() * (1 + shape.replicas_each);
        let mut fleet = Self {
            masters: shape.masters.iter().map(|&name| name.to_owned()).collect(),
            servers: (0..count).map(server).collect(),
            replicas_each: shape.replicas_each,
            sentinels: (0..shape.sentinels).map(sentinel).collect(),
            certificates: certificates.clone(),
        };
        let all = fleet.servers.iter_mut().chain(&mut fleet.sentinels);
        all.for_each(Process::wait_until_ready);
        for name in shape.masters {
            let (primary, replicas) = fleet.group(name).split_first().unwrap();
            let port = primary.port().to_string();
            for replica in replicas {
                replica.ask::<()>(&["REPLICAOF", "127.0.0.1", &port]);
            }
            for (n, sentinel) in fleet.sentinels.iter().enumerate() {
                // Those who find out in the same moment all vote for themselves.
                let down_after = shape.down_after + n as u32 * Duration::from_millis(200);
                watch(sentinel, name, primary, shape.sentinels / 2 + 1, down_after);
            }
        }
        fleet.wait_until_whole();
        fleet
    }

    /// `redis+sentinel://<all Sentinels>/<all names>`, without passwords.
    pub(crate) fn url(&self) -> String {
        let sentinels: Vec<_> = self.sentinels.iter().map(Process::address).collect();
        let names = self.masters.join(",");
        let scheme = scheme(self.certificates.as_deref());
        format!("{scheme}+sentinel://{}/{names}", sentinels.join(","))
    }

    /// Of one that speaks TLS.
    pub(crate) fn certificates(&self) -> &Certificates {
        self.certificates.as_deref().unwrap()
    }

    /// The port that Sentinels name for a master.
    pub(crate) fn primary(&self, name: &str) -> u16 {
        eventually("a Sentinel names a primary", || {
            self.sentinels
                .iter()
                .find_map(|sentinel| named(sentinel, name))
        })
    }

    /// Waits until all Sentinels that run name another primary than `old`, and it takes writes: its port.
    pub(crate) fn wait_for_another(&self, name: &str, old: u16) -> u16 {
        eventually("another primary", || {
            let mut ports = self.sentinels.iter().filter_map(|one| named(one, name));
            let port = ports.next().filter(|port| *port != old)?;
            let agreed = ports.all(|other| other == port);
            let role = self.server(port).info("replication", "role")?;
            (agreed && role == "master").then_some(port)
        })
    }

    /// Whether all Sentinels name another primary.
    pub(crate) fn has_replaced(&self, name: &str, port: u16) -> bool {
        let mut named = self.sentinels.iter().map(|one| named(one, name));
        named.all(|now| now.is_some_and(|now| now != port))
    }

    /// SIGKILL: its port.
    pub(crate) fn kill_primary(&mut self, name: &str) -> u16 {
        let port = self.primary(name);
        self.kill(port);
        port
    }

    /// SIGKILL of a primary, a replica or a Sentinel.
    pub(crate) fn kill(&mut self, port: u16) {
        self.process(port).end();
    }

    /// SIGSTOP of a primary or replica, for as long as the answer lives.
    pub(crate) fn freeze(&self, port: u16) -> Frozen {
        self.server(port).freeze()
    }

    /// Starts a dead one again in its folder. A primary that was replaced becomes a replica as soon as Sentinels see it.
    pub(crate) fn restart(&mut self, port: u16) {
        let process = self.process(port);
        process.restart();
        if matches!(process.part(), Part::Sentinel(_)) {
            hasten(process);
        }
    }

    /// The ports of a master's servers that are not its primary.
    pub(crate) fn replicas(&self, name: &str) -> Vec<u16> {
        let primary = self.primary(name);
        let ports = self.group(name).iter().map(Process::port);
        ports.filter(|port| *port != primary).collect()
    }

    pub(crate) fn sentinels(&self) -> Vec<u16> {
        self.sentinels.iter().map(Process::port).collect()
    }

    /// A command's answer from a primary or replica.
    #[track_caller]
    pub(crate) fn ask<T: FromRedisValue>(&self, port: u16, command: &[&str]) -> T {
        self.server(port).ask(command)
    }

    /// Until all run, each primary has all its replicas in step, and all Sentinels know all of that.
    pub(crate) fn wait_until_whole(&self) {
        for name in &self.masters {
            eventually(&format!("{name} is whole"), || {
                self.is_whole(name).then_some(())
            });
        }
    }

    pub(crate) fn is_whole(&self, name: &str) -> bool {
        let mut known = self.sentinels.iter().map(|one| self.known(one, name));
        let Some(Some(port)) = known.next() else {
            return false;
        };
        known.all(|other| other == Some(port))
            && self.group(name).iter().all(|server| {
                let is =
                    |name, value: &str| server.info("replication", name).as_deref() == Some(value);
                if server.port() == port {
                    is("role", "master") && in_step(server, self.replicas_each)
                } else {
                    is("role", "slave")
                        && is("master_link_status", "up")
                        && is("master_port", &port.to_string())
                }
            })
    }

    /// The primary's port, where a Sentinel knows everybody around it and thinks well of it.
    fn known(&self, sentinel: &Process, name: &str) -> Option<u16> {
        let master: HashMap<String, String> =
            sentinel.try_ask(&["SENTINEL", "MASTER", name]).ok()?;
        let others = self.sentinels.len() - 1;
        let whole = master["num-slaves"] == self.replicas_each.to_string()
            && master["num-other-sentinels"] == others.to_string()
            && master["flags"] == "master";
        whole.then(|| master["port"].parse().unwrap())
    }

    fn group(&self, name: &str) -> &[Process] {
        let at = self.masters.iter().position(|known| known == name).unwrap();
        let size = 1 + self.replicas_each;
        let range: Range<usize> = at * size..(at + 1) * size;
        &self.servers[range]
    }

    fn server(&self, port: u16) -> &Process {
        let mut servers = self.servers.iter();
        servers.find(|server| server.port() == port).unwrap()
    }

    fn process(&mut self, port: u16) -> &mut Process {
        let mut all = self.servers.iter_mut().chain(&mut self.sentinels);
        all.find(|process| process.port() == port).unwrap()
    }
}

/// Whether so many replicas receive all that the primary writes.
pub(super) fn in_step(primary: &Process, replicas: usize) -> bool {
    (0..replicas).all(|n| {
        let replica = primary.info("replication", &format!("slave{n}"));
        // One that has not confirmed anything yet is online, and gets nothing.
        replica.is_some_and(|told| told.contains("state=online") && !told.contains("offset=0,"))
    })
}

fn watch(sentinel: &Process, name: &str, primary: &Process, quorum: usize, down_after: Duration) {
    hasten(sentinel);
    if let Some(password) = sentinel.option("--requirepass") {
        sentinel.ask::<()>(&["SENTINEL", "CONFIG", "SET", "sentinel-pass", password]);
    }
    let (port, quorum) = (primary.port().to_string(), quorum.to_string());
    sentinel.ask::<()>(&["SENTINEL", "MONITOR", name, "127.0.0.1", &port, &quorum]);
    let down_after = down_after.as_millis().to_string();
    let mut settings = vec!["down-after-milliseconds", &down_after];
    settings.extend(["failover-timeout", "2000"]);
    if let Some(password) = primary.option("--requirepass") {
        settings.extend(["auth-pass", password]);
    }
    sentinel.ask::<()>(&[&["SENTINEL", "SET", name], &settings[..]].concat());
}

/// What a Sentinel does not write down: what else takes ten seconds each is learning who replicates and whom others
/// see, and the next vote after a split one. A busy machine is no reason to do nothing for thirty seconds.
fn hasten(sentinel: &Process) {
    let often =
        "SENTINEL DEBUG INFO-PERIOD 200 PUBLISH-PERIOD 200 ELECTION-TIMEOUT 500 TILT-PERIOD 500";
    let words: Vec<_> = often.split(' ').collect();
    sentinel.ask::<()>(&words);
}

/// The port of the primary, by one Sentinel.
fn named(sentinel: &Process, name: &str) -> Option<u16> {
    let question = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", name];
    let answer: Option<(String, u16)> = sentinel.try_ask(&question).ok()?;
    answer.map(|(_, port)| port)
}
