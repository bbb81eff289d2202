//! What `store.url` names: one server, the sentinels of some masters, or a cluster.

use std::time::Duration;

use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    RedisConnectionInfo, RedisResult, TlsCertificates,
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
};

/// After so long without a byte a connection is probed, and so often from then on.
const QUIET: Duration = Duration::from_secs(4);
const PROBED_EVERY: Duration = Duration::from_secs(1);
/// A connection ends whose other side's system has not confirmed what was sent or probed for so long.
#[cfg(target_os = "linux")]
const UNCONFIRMED: Duration = Duration::from_secs(6);

/// A host and its port.
pub(super) type Place = (String, u16);

/// Files' contents for `rediss`, each in PEM.
#[derive(Clone, Default)]
pub struct Certificates {
    /// Who is trusted instead of whom the machine trusts.
    pub authority: Option<Vec<u8>>,
    /// What this client shows: certificate and key.
    pub client: Option<(Vec<u8>, Vec<u8>)>,
}

/// Where the store is, and how each of its servers is spoken to.
pub(in super::super) struct Address {
    pub(super) kind: Kind,
    login: RedisConnectionInfo,
    sentinel_login: RedisConnectionInfo,
    certificates: Option<Certificates>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Kind {
    One(ConnectionAddr),
    /// Shard `i` lies on master `i mod n`.
    Sentinels {
        at: Vec<Place>,
        masters: Vec<String>,
    },
    Cluster {
        seeds: Vec<Place>,
    },
}

const KINDS: &str = "redis://host:6379/0, redis+sentinel://host:26379,host2:26379/master or redis+cluster://host:6379,host2:6379 \
     (rediss for TLS)";

impl Address {
    /// From `redis[s][+sentinel|+cluster]://[user:password@]host[:port][,host…][/path]`.
    ///
    /// # Errors
    /// What is wrong with it, without the password.
    pub(in super::super) fn parse(
        url: &str,
        certificates: Certificates,
        sentinel_login: &(String, String),
    ) -> Result<Self, String> {
        let no_address = |why: &str| format!("store.url is no address such as {KINDS}: {why}");
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| no_address("it has no scheme"))?;
        let (base, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
        if !matches!(
            (base, kind),
            ("redis" | "rediss", "" | "sentinel" | "cluster") | ("redis", "unix")
        ) {
            return Err(no_address(&format!("the scheme {scheme} is not known")));
        }
        let info = |url: &str| {
            url.into_connection_info()
                .map_err(|error| no_address(&error.to_string()))
        };
        let tls = base == "rediss";
        let (kind, login) = match kind {
            "" | "unix" => {
                let info = info(url)?;
                let login = info.redis_settings().clone();
                (Kind::One(info.addr().clone()), login)
            }
            several => {
                let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
                let (login, hosts) = match authority.rsplit_once('@') {
                    Some((login, hosts)) => (format!("{login}@"), hosts),
                    None => (String::new(), authority),
                };
                let (names, port) = match several {
                    "sentinel" => (path, 26379),
                    _ => ("", 6379),
                };
                let at = hosts
                    .split(',')
                    .map(|host| place(&info(&format!("redis://{}", with_port(host, port)))?))
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|error| error.clone())?;
                let login = info(&format!("redis://{login}host"))?;
                let kind = if several == "sentinel" {
                    let masters = masters(names).map_err(no_address)?;
                    Kind::Sentinels { at, masters }
                } else if path.is_empty() || path == "0" {
                    Kind::Cluster { seeds: at }
                } else {
                    return Err(no_address("a cluster has no databases but 0"));
                };
                (kind, login.redis_settings().clone())
            }
        };
        Ok(Self {
            kind,
            login,
            sentinel_login: login_of(sentinel_login),
            certificates: tls.then_some(certificates),
        })
    }

    /// Where it is, for people: without user and password.
    pub(in super::super) fn shown(&self) -> String {
        let list = |places: &[Place]| {
            let each = places.iter().map(|(host, port)| format!("{host}:{port}"));
            each.collect::<Vec<_>>().join(", ")
        };
        match &self.kind {
            Kind::One(addr) => addr.to_string(),
            Kind::Sentinels { at, masters } => {
                format!("{} (by the sentinels {})", masters.join(", "), list(at))
            }
            Kind::Cluster { seeds } => format!("{} (a cluster)", list(seeds)),
        }
    }

    pub(in super::super) fn has_tls(&self) -> bool {
        self.certificates.is_some()
    }

    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.kind, Kind::Cluster { .. })
    }

    /// The masters in the order in which shards lie on them, where they have names.
    pub(in super::super) fn masters(&self) -> &[String] {
        match &self.kind {
            Kind::Sentinels { masters, .. } => masters,
            _ => &[],
        }
    }

    /// A client of a server of the store.
    pub(super) fn client(&self, addr: ConnectionAddr) -> RedisResult<Client> {
        let info = self.info(addr)?.set_redis_settings(self.login.clone());
        self.open(info)
    }

    /// A client of a sentinel, which has users of its own.
    pub(super) fn sentinel_client(&self, place: &Place) -> RedisResult<Client> {
        let info = self.info(self.addr(place))?;
        self.open(info.set_redis_settings(self.sentinel_login.clone()))
    }

    /// The address of a place, with TLS where the store has it.
    pub(super) fn addr(&self, (host, port): &Place) -> ConnectionAddr {
        match self.certificates {
            None => ConnectionAddr::Tcp(host.clone(), *port),
            Some(_) => ConnectionAddr::TcpTls {
                host: host.clone(),
                port: *port,
                insecure: false,
                tls_params: None,
            },
        }
    }

    fn info(&self, addr: ConnectionAddr) -> RedisResult<ConnectionInfo> {
        Ok(addr.into_connection_info()?.set_tcp_settings(manners()))
    }

    fn open(&self, info: ConnectionInfo) -> RedisResult<Client> {
        let Some(certificates) = &self.certificates else {
            return Client::open(info);
        };
        crate::tls::install_provider();
        let client = certificates.client.clone();
        let certificates = TlsCertificates {
            client_tls: client.map(|(client_cert, client_key)| ClientTlsConfig {
                client_cert,
                client_key,
            }),
            root_cert: certificates.authority.clone(),
        };
        Client::build_with_tls(info, certificates)
    }
}

/// A host that went without a word is noticed also by those who only wait for news of it.
fn manners() -> TcpSettings {
    let keepalive = TcpKeepalive::new()
        .with_time(QUIET)
        .with_interval(PROBED_EVERY);
    let settings = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(keepalive);
    // On other systems the number of lost probes ends a connection.
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(UNCONFIRMED);
    settings
}

fn login_of((user, password): &(String, String)) -> RedisConnectionInfo {
    let mut login = RedisConnectionInfo::default();
    if !user.is_empty() {
        login = login.set_username(user);
    }
    if !password.is_empty() {
        login = login.set_password(password);
    }
    login
}

fn with_port(host: &str, port: u16) -> String {
    let name_ends = host.rfind(']').map_or(0, |end| end + 1);
    match host[name_ends..].contains(':') {
        true => host.to_owned(),
        false => format!("{host}:{port}"),
    }
}

fn place(info: &ConnectionInfo) -> Result<Place, String> {
    match info.addr() {
        ConnectionAddr::Tcp(host, port) => Ok((host.clone(), *port)),
        other => Err(format!("{other} has no host and port")),
    }
}

fn masters(names: &str) -> Result<Vec<String>, &'static str> {
    let masters: Vec<_> = names.split(',').map(str::to_owned).collect();
    let named = |name: &String| !name.is_empty() && !name.contains(['/', '?']);
    if !masters.iter().all(named) {
        return Err("after the sentinels stands the master's name, or several with commas");
    }
    let mut distinct = masters.clone();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() < masters.len() {
        return Err("a master is named twice");
    }
    Ok(masters)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Result<Address, String> {
        Address::parse(url, Certificates::default(), &Default::default())
    }

    fn kind(url: &str) -> Kind {
        parsed(url).unwrap().kind
    }

    fn places(places: &[(&str, u16)]) -> Vec<Place> {
        let owned = |(host, port): &(&str, u16)| ((*host).to_owned(), *port);
        places.iter().map(owned).collect()
    }

    #[test]
    fn each_kind_has_its_scheme() {
        let one = |host: &str, port| Kind::One(ConnectionAddr::Tcp(host.to_owned(), port));
        assert_eq!(kind("redis://host/3"), one("host", 6379));
        assert_eq!(
            kind("redis+unix:///run/redis.sock"),
            Kind::One(ConnectionAddr::Unix("/run/redis.sock".into()))
        );
        let sentinels = Kind::Sentinels {
            at: places(&[("a", 26379), ("::1", 26379), ("::1", 7)]),
            masters: vec!["m1".to_owned(), "m2".to_owned()],
        };
        let url = "redis+sentinel://me:secret@a,[::1],[::1]:7/m1,m2";
        assert_eq!(kind(url), sentinels);
        let cluster = Kind::Cluster {
            seeds: places(&[("a", 6379), ("b", 7)]),
        };
        assert_eq!(kind("redis+cluster://a,b:7"), cluster);
    }

    #[test]
    fn user_and_password_are_every_servers() {
        for url in [
            "redis://me:se%20cret@a",
            "redis+cluster://me:se%20cret@a,b",
            "rediss+sentinel://me:se%20cret@a,b/m",
        ] {
            let login = parsed(url).unwrap().login;
            assert_eq!(login.username(), Some("me"), "{url}");
            assert_eq!(login.password(), Some("se cret"), "{url}");
        }
    }

    #[test]
    fn tls_is_for_all_servers_or_none() {
        let place = ("a".to_owned(), 1);
        let addr = |url| parsed(url).unwrap().addr(&place);
        let is_tls = |addr| {
            matches!(
                addr,
                ConnectionAddr::TcpTls {
                    insecure: false,
                    ..
                }
            )
        };
        assert!(is_tls(addr("rediss+cluster://a")));
        assert!(is_tls(addr("rediss+sentinel://a/m")));
        assert!(!is_tls(addr("redis+sentinel://a/m")));
    }

    #[test]
    fn what_is_no_address_is_refused_without_its_password() {
        for (url, why) in [
            ("http://me:secret@a", "the scheme http is not known"),
            ("me:secret@a", "it has no scheme"),
            ("redis+sentinel://me:secret@a", "after the sentinels stands"),
            (
                "redis+sentinel://me:secret@a/m,",
                "after the sentinels stands",
            ),
            ("redis+sentinel://me:secret@a/m,m", "named twice"),
            ("redis+cluster://me:secret@a/1", "no databases but 0"),
            ("redis+cluster://me:secret@a,:7", ""),
        ] {
            let refused = parsed(url).err().unwrap_or_default();
            assert!(
                refused.starts_with("store.url is no address such as"),
                "{url}: {refused}"
            );
            assert!(refused.contains(why), "{refused}");
            assert!(!refused.contains("secret"), "{refused}");
        }
    }
}
