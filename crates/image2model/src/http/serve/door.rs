//! How many connections there may be, in all and of one address.

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    config::{HttpSettings, Network},
    http::caller::neighbourhood,
};

/// Descriptors that are kept for everything that is no connection inside; where there are few, half of all.
const OTHER_FILES: usize = 256;
/// One in so many of these is for those who are told why they are turned away; more, and they are turned away without a
/// word.
const TOLD_SHARE: usize = 4;
/// For a client to hear why it was turned away, before the connection is reset under it.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Counts who is in.
pub(super) struct Door {
    most: usize,
    most_of_one: usize,
    most_told: usize,
    trusted: Vec<Network>,
    inside: Arc<Mutex<Inside>>,
    /// How many of those who were turned away are being told.
    told: Arc<()>,
}

#[derive(Default)]
struct Inside {
    all: usize,
    of: HashMap<IpAddr, usize>,
}

/// A connection's place, given up when it is dropped.
pub(super) struct Place {
    /// Of an address that is counted.
    counted: Option<IpAddr>,
    inside: Arc<Mutex<Inside>>,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crowded {
    All(usize),
    One(IpAddr, usize),
}

impl fmt::Display for Crowded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(most) => write!(f, "there are {most} connections, which is the limit"),
            Self::One(address, most) => write!(
                f,
                "{address} has {most} connections, which is the limit of one address"
            ),
        }
    }
}

impl Door {
    pub(super) fn new(settings: &HttpSettings) -> Self {
        let unlimited = |most| if most == 0 { usize::MAX } else { most };
        let files = open_files();
        let others = OTHER_FILES.min(files / 2);
        Self {
            most: unlimited(settings.max_connections).min(files - others),
            most_of_one: unlimited(settings.max_connections_per_address),
            most_told: others / TOLD_SHARE,
            trusted: settings.trusted_proxies.clone(),
            inside: Arc::default(),
            told: Arc::default(),
        }
    }

    /// # Errors
    /// There are as many as may be.
    pub(super) fn enter(&self, address: IpAddr) -> Result<Place, Crowded> {
        let is_trusted = self.trusted.iter().any(|proxy| proxy.contains(address));
        let counted = (!is_trusted).then(|| neighbourhood(address));
        let mut inside = held(&self.inside);
        if inside.all >= self.most {
            return Err(Crowded::All(self.most));
        }
        if let Some(address) = counted {
            let of_one = inside.of.entry(address).or_default();
            if *of_one >= self.most_of_one {
                return Err(Crowded::One(address, self.most_of_one));
            }
            *of_one += 1;
        }
        inside.all += 1;
        Ok(Place {
            counted,
            inside: self.inside.clone(),
        })
    }

    /// Tells the client why, for as long as it listens; `None` when there is no time for that.
    pub(super) fn turn_away(
        &self,
        mut stream: TcpStream,
        crowded: Crowded,
    ) -> Option<impl Future<Output = ()> + use<>> {
        if Arc::strong_count(&self.told) > self.most_told {
            return None;
        }
        let counted = self.told.clone();
        Some(async move {
            let telling = async {
                stream.write_all(refusal(crowded).as_bytes()).await?;
                stream.shutdown().await?;
                // What was sent and not read would reset the connection, and the answer with it.
                while stream.read(&mut [0; 1024]).await? > 0 {}
                std::io::Result::Ok(())
            };
            // Whether it was heard is the client's affair.
            let _ = timeout(LAST_WORDS, telling).await;
            drop(counted);
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = held(&self.inside);
        inside.all -= 1;
        if let Some(address) = self.counted
            && let Some(of_one) = inside.of.get_mut(&address)
        {
            *of_one -= 1;
            if *of_one == 0 {
                inside.of.remove(&address);
            }
        }
    }
}

/// Counting is whole whatever panics.
fn held(inside: &Mutex<Inside>) -> MutexGuard<'_, Inside> {
    inside.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many files this process may have open.
fn open_files() -> usize {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit};
        if let Some(files) = getrlimit(Resource::Nofile).current {
            return usize::try_from(files).unwrap_or(usize::MAX);
        }
    }
    usize::MAX
}

/// As the API says it, before there is a request.
fn refusal(crowded: Crowded) -> String {
    let why = match crowded {
        Crowded::All(_) => "The server has as many connections as it may; come back later.",
        Crowded::One(..) => "Your address has as many connections as it may; close some.",
    };
    let body = format!(
        r#"{{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"{why}","instance":"","code":"busy","error":true,"error_code":"HTTP_503","message":"{why}","status_code":503,"details":{{}}}}"#
    );
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 5\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(all: usize, of_one: usize) -> Door {
        Door::new(&HttpSettings {
            max_connections: all,
            max_connections_per_address: of_one,
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            ..HttpSettings::default()
        })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_has_its_share_and_a_proxy_any_number() {
        let door = door(0, 2);
        let one = address("192.0.2.1");
        let first = door.enter(one).ok().unwrap();
        let _second = door.enter(address("::ffff:192.0.2.1")).ok().unwrap();
        assert_eq!(door.enter(one).err(), Some(Crowded::One(one, 2)));
        let _another = door.enter(address("192.0.2.2")).ok().unwrap();
        drop(first);
        assert!(door.enter(one).is_ok());
        let proxied: Vec<_> = (0..9).map(|_| door.enter(address("10.0.0.1"))).collect();
        assert!(proxied.iter().all(Result::is_ok));
    }

    #[test]
    fn an_address_of_ipv6_is_its_network() {
        let door = door(0, 1);
        let _place = door.enter(address("2001:db8::1")).ok().unwrap();
        assert!(door.enter(address("2001:db8::2")).is_err());
        assert!(door.enter(address("2001:db8:0:1::1")).is_ok());
    }

    #[test]
    fn places_are_given_back() {
        let door = door(2, 0);
        let one = address("10.0.0.1");
        let mut places: Vec<_> = (0..2).map(|_| door.enter(one).ok().unwrap()).collect();
        assert_eq!(door.enter(one).err(), Some(Crowded::All(2)));
        places.pop();
        assert!(door.enter(address("192.0.2.1")).is_ok());
        drop(places);
        let inside = held(&door.inside);
        assert_eq!((inside.all, inside.of.len()), (0, 0));
    }
}
