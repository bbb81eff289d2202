use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use anyhow::anyhow;
use tokio::net::TcpListener;

/// # Errors
/// One sentence with the way out.
pub(super) async fn bind(listen: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(listen).await.map_err(|error| {
        let port = listen.rsplit(':').next().unwrap_or_default();
        let other = format!("--listen 127.0.0.1:{}", another_port(port));
        match error.kind() {
            io::ErrorKind::AddrInUse => {
                anyhow!("port {port} is taken; stop the other program or pass {other}")
            }
            io::ErrorKind::PermissionDenied => {
                anyhow!("this user may not listen on port {port}; pass {other}")
            }
            _ => anyhow!("cannot listen on {listen} ({error}); pass an address such as {other}"),
        }
    })
}

/// The next port that anybody may use.
fn another_port(port: &str) -> u16 {
    match port.parse::<u16>().map(|port| port.checked_add(1)) {
        Ok(Some(next)) if next > 1024 => next,
        _ => 8081,
    }
}

/// The address that a browser on this machine opens.
pub(super) fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    address
}

/// Each open event stream is a descriptor, and systems allow 1,024 of them unless asked for more.
pub(super) fn allow_many_connections() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::debug!(%error, "the limit on open files stays as it is");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_told_with_the_way_out() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let port = taken.local_addr().unwrap().port();
        let refused = bind(&address).await.unwrap_err().to_string();
        let next = another_port(&port.to_string());
        assert_eq!(
            refused,
            format!(
                "port {port} is taken; stop the other program or pass --listen 127.0.0.1:{next}"
            )
        );
        let nonsense = bind("nonsense").await.unwrap_err().to_string();
        assert!(
            nonsense.starts_with("cannot listen on nonsense"),
            "{nonsense}"
        );
    }

    #[test]
    fn the_address_told_can_be_opened() {
        for (listening, told) in [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("192.0.2.7:80", "192.0.2.7:80"),
        ] {
            assert_eq!(reachable(listening.parse().unwrap()).to_string(), told);
        }
    }
}
