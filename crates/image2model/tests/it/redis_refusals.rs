//! A server over a Redis that it cannot use says why in one sentence, without a secret, and does not start.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use crate::support::{
    Client, ClusterFleet, RealServer, SentinelFleet, SentinelShape, Server, command, free_port,
    refusal, tiny,
};

/// What a start with these settings says, which must be one sentence with exit code 2 that tells no secret.
#[track_caller]
fn refused(settings: &[(&str, &str)]) -> String {
    let home = tempfile::tempdir().unwrap();
    let (code, said) = refusal(command(&home.path().join("data"), 0, settings));
    assert_eq!(code, Some(2), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(!said.contains("secret"), "{said}");
    said.trim_start_matches("error: ").trim_end().to_owned()
}

#[track_caller]
fn refused_with(settings: &[(&str, &str)], why: &str) {
    let said = refused(settings);
    assert!(said.ends_with(why), "{said}");
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

async fn serves(settings: &[(&str, &str)]) {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(&home.path().join("data"), settings);
    let client = Client::new(server.port);
    let job = client.submit(&[tiny(1)], &[("face_limit", "100")]).await;
    assert_eq!(client.ended(&job).await["status"], "completed");
    assert!(server.terminate().0.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_takes_certificates_that_both_sides_trust() {
    let (redis, stranger) = (
        RealServer::on_tls(true, &[]),
        RealServer::on_tls(false, &[]),
    );
    let certificates = redis.certificates();
    let (url, authority) = (redis.url(), certificates.authority());
    let (certificate, key) = certificates.client();
    let (with_url, with_authority) = (
        ("STORE__URL", url.as_str()),
        ("STORE__TLS_CA", text(&authority)),
    );
    let with_certificate = [
        ("STORE__TLS_CERT", text(&certificate)),
        ("STORE__TLS_KEY", text(&key)),
    ];
    serves(&[
        with_url,
        with_authority,
        with_certificate[0],
        with_certificate[1],
    ])
    .await;
    refused_with(
        &[with_url, with_authority],
        "Redis refuses this client's certificate or asks for one: store.tls_cert and store.tls_key name what it is shown",
    );
    let untrusted = "Redis's certificate is not trusted: it must be for this host, valid now, and signed by whom \
                     store.tls_ca or this machine names";
    refused_with(
        &[with_url, with_certificate[0], with_certificate[1]],
        untrusted,
    );
    let other = stranger.certificates().authority();
    refused_with(
        &[
            with_url,
            ("STORE__TLS_CA", text(&other)),
            with_certificate[0],
            with_certificate[1],
        ],
        untrusted,
    );
    serves(&[
        ("STORE__URL", &stranger.url()),
        ("STORE__TLS_CA", text(&other)),
    ])
    .await;
    let said = refused(&[with_url, ("STORE__TLS_CA", "/nowhere/ca.crt")]);
    assert!(
        said.contains("store.tls_ca /nowhere/ca.crt cannot be read"),
        "{said}"
    );
    let said = refused(&[with_url, with_authority, with_certificate[0]]);
    assert!(said.contains("store.tls_key"), "{said}");
}

#[test]
fn a_wrong_password_is_told_without_it() {
    let redis = RealServer::on_tcp(&["--requirepass", "good"]);
    refused_with(
        &[("STORE__URL", &redis.url())],
        "Redis asks for a password, and store.url has none",
    );
    for who in [":secret", "me:secret"] {
        refused_with(
            &[("STORE__URL", &redis.url_for(who))],
            "Redis refuses the user or the password of store.url",
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_have_a_password_of_their_own() {
    let fleet = SentinelFleet::of(&SentinelShape {
        masters: &["m1", "m2"],
        replicas_each: 0,
        sentinels: 1,
        options: &["--requirepass", "good"],
        sentinel_options: &["--requirepass", "other"],
        ..SentinelShape::default()
    });
    let url = fleet.url().replacen("://", "://:good@", 1);
    let sentinels = |password| {
        [
            ("STORE__URL", url.as_str()),
            ("STORE__SENTINEL_PASSWORD", password),
        ]
    };
    serves(&sentinels("other")).await;
    let told = "the sentinels refuse store.sentinel_user or store.sentinel_password, or ask for what is not given";
    refused_with(&sentinels("secret"), told);
    refused_with(&sentinels(""), told);
    let wrong = url.replacen(":good@", ":secret@", 1);
    refused_with(
        &[
            ("STORE__URL", &wrong),
            ("STORE__SENTINEL_PASSWORD", "other"),
        ],
        "Redis refuses the user or the password of store.url",
    );
    let unknown = url.replacen("/m1,m2", "/m3", 1);
    refused_with(
        &[
            ("STORE__URL", &unknown),
            ("STORE__SENTINEL_PASSWORD", "other"),
        ],
        "the sentinels know no primary of that name",
    );
    let turned = url.replacen("/m1,m2", "/m2,m1", 1);
    refused_with(
        &[
            ("STORE__URL", &turned),
            ("STORE__SENTINEL_PASSWORD", "other"),
        ],
        "has a store that was made for the masters m1,m2 in this order",
    );
}

#[test]
fn an_address_where_nothing_listens_is_told_soon() {
    let url = format!("redis://me:secret@127.0.0.1:{}/0", free_port());
    let begun = Instant::now();
    let said = refused(&[("STORE__URL", &url)]);
    // The time may be over in the middle of a try.
    let either = [
        "nothing listens at Redis's address",
        "Redis does not answer",
    ];
    assert!(either.iter().any(|words| said.contains(words)), "{said}");
    let took = begun.elapsed();
    // The limit is two seconds for a connection and as long for an answer.
    assert!(took < Duration::from_secs(6), "{took:?}");
    println!("refused after {took:?}");
    for url in ["http://me:secret@127.0.0.1", "127.0.0.1:6379"] {
        let said = refused(&[("STORE__URL", url)]);
        assert!(
            said.starts_with("store.url is no address such as"),
            "{said}"
        );
    }
}

#[test]
fn a_store_of_another_kind_is_left_alone() {
    let redis = RealServer::on_tcp(&[]);
    let url = redis.url();
    let home = tempfile::tempdir().unwrap();
    let served = Server::start(&home.path().join("data"), &[("STORE__URL", &url)]);
    assert!(served.terminate().0.success());
    refused_with(
        &[("STORE__URL", &url), ("STORE__SHARDS", "4")],
        "has a store of 16 shards, which cannot be used with 4 (store.shards)",
    );
    redis.ask::<()>(&["HSET", "i2m:{03}:meta", "format", "7"]);
    let said = refused(&[("STORE__URL", &url)]);
    assert!(said.contains("has a store of format version 7"), "{said}");
}

/// One that was kept on one server, and is opened as three masters.
#[test]
fn a_single_servers_store_is_no_three_masters() {
    let fleet = SentinelFleet::start(&["m1", "m2", "m3"], 0, 1);
    let one = format!("redis://127.0.0.1:{}", fleet.primary("m1"));
    let home = tempfile::tempdir().unwrap();
    let served = Server::start(&home.path().join("data"), &[("STORE__URL", &one)]);
    assert!(served.terminate().0.success());
    refused_with(
        &[("STORE__URL", &fleet.url())],
        "has a store that was made for one server",
    );
}

#[test]
fn a_replica_is_told_from_its_primary() {
    let fleet = SentinelFleet::start(&["mymaster"], 1, 1);
    let (primary, replica) = (fleet.primary("mymaster"), fleet.replicas("mymaster")[0]);
    let why = format!(
        "is a replica, which takes no writes: name its primary 127.0.0.1:{primary}, or the sentinels that know it"
    );
    refused_with(
        &[("STORE__URL", &format!("redis://127.0.0.1:{replica}"))],
        &why,
    );
    fleet.ask::<()>(primary, &["CONFIG", "SET", "min-replicas-to-write", "2"]);
    refused_with(
        &[("STORE__URL", &fleet.url())],
        "too few replicas of Redis are there",
    );
}

#[test]
fn an_address_of_another_kind_of_server_is_told_which_one_it_is() {
    let sentinels = SentinelFleet::start(&["mymaster"], 0, 1);
    let cluster = ClusterFleet::start(3, 0);
    let tls = RealServer::on_tls(false, &[]);
    let plain = RealServer::on_tcp(&[]);
    let (sentinel, member) = (sentinels.sentinels()[0], cluster.primaries()[0].port);
    let without_tls = tls.url().replace("rediss://", "redis://");
    let with_tls = plain.url().replace("redis://", "rediss://");
    let as_cluster = plain.url().replace("redis://", "redis+cluster://");
    let as_sentinel = plain.url().replace("redis://", "redis+sentinel://") + "/mymaster";
    for (url, why) in [
        (
            format!("redis://127.0.0.1:{sentinel}"),
            "is a sentinel: name it as redis+sentinel://",
        ),
        (
            format!("redis://127.0.0.1:{member}"),
            "is a server of a cluster: name it as redis+cluster://",
        ),
        // Each side waits for the other to say what it understands.
        (
            without_tls,
            "if it speaks TLS, its address begins with rediss",
        ),
        (
            with_tls,
            "if it speaks no TLS, its address begins with redis",
        ),
        (as_cluster, "cluster support disabled"),
        (as_sentinel, "unknown command 'SENTINEL'"),
    ] {
        let said = refused(&[("STORE__URL", &url)]);
        assert!(said.contains(why), "{url}: {said}");
    }
}
