//! Archives that lie.

use super::{
    super::{Api, ROOM, assert_problem},
    archive,
    made::{self, Made, deflated, end_64, ended, followed, local, stored, wide},
    noise,
};

/// A refused archive: the reason, the member that is named, and words of the answer.
struct Bad {
    bytes: Vec<u8>,
    reason: &'static str,
    member: Option<&'static str>,
    words: &'static str,
}

fn whole(bytes: Vec<u8>, reason: &'static str, words: &'static str) -> Bad {
    Bad {
        bytes,
        reason,
        member: None,
        words,
    }
}

/// A good picture, and one that is not: the second is named.
fn one(bad: Made, reason: &'static str, words: &'static str) -> Bad {
    Bad {
        member: Some("b.png"),
        ..whole(made::archive(&[good(), bad]), reason, words)
    }
}

fn good() -> Made {
    stored("a.png", b"a picture")
}

fn bad() -> Made {
    deflated("b.png", &noise(2000))
}

fn changed(change: impl FnOnce(&mut Made)) -> Made {
    let mut made = bad();
    change(&mut made);
    made
}

fn no_archives() -> Vec<Bad> {
    let bytes = made::archive(&[good()]);
    let stub = [b"MZ", &*bytes].concat();
    let longer = [&*bytes, b"x"].concat();
    vec![
        whole(vec![], "not_an_archive", "no whole ZIP archive"),
        whole(noise(100), "not_an_archive", "does not begin as one"),
        whole(b"Rar!\x1a\x07".to_vec(), "not_an_archive", "does not begin"),
        whole(stub, "not_an_archive", "does not begin as one"),
        whole(
            bytes[..bytes.len() - 1].to_vec(),
            "not_an_archive",
            "end is missing",
        ),
        whole(
            longer,
            "contradictory",
            "1 bytes after its end and states 0",
        ),
        whole(made::archive(&[]), "empty", "has no files in it"),
        whole(
            made::archive(&[stored("a/", b""), stored("a/.DS_Store", b"x")]),
            "empty",
            "has no files in it",
        ),
        whole(
            ended(&[good()], |end, _| end.disk = 1),
            "split",
            "one of several parts",
        ),
        whole(
            ended(&[good()], |end, _| end.directory_size -= 1),
            "contradictory",
            "which does not end at byte",
        ),
        whole(
            ended(&[good()], |end, _| end.members = 2),
            "contradictory",
            "ends in the middle of a member",
        ),
        whole(
            ended(&[good(), bad()], |end, _| end.members = 1),
            "contradictory",
            "that name no member",
        ),
        whole(
            ended(&[good()], |end, at| {
                end.before = end_64(end, at);
                end.members += 1;
            }),
            "contradictory",
            "64-bit end",
        ),
        whole(
            ended(&[good()], |end, at| end.before = end_64(end, at + 1)),
            "contradictory",
            "64-bit end",
        ),
        whole(
            ended(&[good()], |end, _| {
                (end.directory, end.directory_size) = (u32::MAX, 99);
            }),
            "contradictory",
            "at byte 4294967295",
        ),
    ]
}

fn members() -> Vec<Bad> {
    let nested = made::archive(&[good()]);
    let mut bomb = deflated("b.png", &vec![0; 2_000_000]);
    let honest = bomb.clone();
    // It says of itself that it is small.
    bomb = bomb.with(|fields| fields.size = 1000);
    let short = bad().with(|fields| fields.size += 1);
    let tail = changed(|made| made.data.extend(b"more")).with(|fields| fields.packed += 4);
    vec![
        one(bad().with(|f| f.flags = 1), "encrypted", "is encrypted"),
        one(
            bad().with(|f| f.method = 12),
            "method",
            "method 12; stored (0) and deflated (8)",
        ),
        one(
            changed(|made| made.mode = 0o120_777),
            "not_a_file",
            "mode 120000",
        ),
        one(
            changed(|made| made.mode = 0o020_666),
            "not_a_file",
            "a device",
        ),
        one(stored("b.png", &nested), "nested", "is an archive itself"),
        one(deflated("b.png", &nested), "nested", "is an archive itself"),
        one(honest, "bomb", "to 2000000 bytes; the limit is 100 times"),
        one(bomb, "damaged", "more bytes than the 1000 that it states"),
        one(short, "damaged", "has 2000 bytes and states 2001"),
        one(bad().with(|f| f.crc ^= 1), "damaged", "has the checksum"),
        one(tail, "contradictory", "4 packed bytes after its end"),
        one(
            changed(|made| made.data = vec![0xff; made.data.len()]),
            "damaged",
            "cannot be inflated",
        ),
        one(
            stored("b.png", b"x").with(|f| f.size = 2),
            "contradictory",
            "stored in 1 bytes and states 2",
        ),
        one(
            bad().with(|f| f.size = u32::MAX),
            "contradictory",
            "64-bit sizes that are missing",
        ),
        one(
            wide(bad()).with(|f| f.extra = f.extra.repeat(2)),
            "contradictory",
            "64-bit sizes twice",
        ),
        one(
            bad().with(|f| f.extra = made::unicode_path("../b.png")),
            "contradictory",
            "another name in its extra field",
        ),
        one(
            bad().with(|f| f.extra = vec![0x75, 0x70, 9, 0]),
            "contradictory",
            "an extra field that is not whole",
        ),
        one(
            changed(|made| made.central.packed = u32::MAX - 1),
            "contradictory",
            "reaches into the directory",
        ),
    ]
}

fn contradictions() -> Vec<Bad> {
    let says = "says of itself what the directory does not say";
    let hidden = Made {
        listed: false,
        ..stored("c.png", b"nobody names it")
    };
    let doubled = || Made {
        data: Vec::new(),
        ..good()
    };
    let inner = stored("b.png", b"within another");
    let outer = stored("a.png", &local(&inner));
    // The directory names the inner one where it lies, within the outer one.
    let overlapping = {
        let listed = Made {
            offset: Some(30 + 5),
            ..inner
        };
        let mut bytes = made::archive(&[outer.clone(), listed.clone()]);
        let second = local(&outer).len();
        let length = local(&listed).len();
        bytes.drain(second..second + length);
        let end = bytes.len() - 22;
        let directory = u32::try_from(second).unwrap();
        bytes[end + 16..end + 20].copy_from_slice(&directory.to_le_bytes());
        bytes
    };
    let lying = {
        let mut made = followed(bad(), 4);
        made.after[5] ^= 1;
        made
    };
    vec![
        one(
            changed(|made| made.local.name = b"c.png".to_vec()),
            "contradictory",
            says,
        ),
        one(changed(|made| made.local.size += 1), "contradictory", says),
        one(changed(|made| made.local.crc += 1), "contradictory", says),
        one(changed(|made| made.local.method = 0), "contradictory", says),
        one(
            changed(|made| made.local.flags = 1 << 11),
            "contradictory",
            says,
        ),
        one(
            changed(|made| made.offset = Some(1)),
            "contradictory",
            "not where that says",
        ),
        one(
            changed(|made| made.offset = Some(u32::MAX - 1)),
            "contradictory",
            "not where that says",
        ),
        one(
            lying,
            "contradictory",
            "not followed by what the directory says",
        ),
        Bad {
            member: Some("a.png"),
            ..whole(
                made::archive(&[good(), hidden]),
                "contradictory",
                "is followed by",
            )
        },
        Bad {
            member: Some("a.png"),
            ..whole(
                made::archive(&[good(), good()]),
                "repeated_name",
                "more than once",
            )
        },
        Bad {
            member: Some("a.png"),
            ..whole(overlapping, "contradictory", "overlaps the member after it")
        },
        whole(
            made::archive(&[doubled(), stored("b.png", b"x")]),
            "contradictory",
            "neither a member nor its directory at byte",
        ),
    ]
}

fn names() -> Vec<Bad> {
    let named = |name: &'static str, words| Bad {
        member: Some(name),
        ..whole(
            made::archive(&[good(), stored(name, b"x")]),
            "unsafe_name",
            words,
        )
    };
    vec![
        named("../b.png", "leads out of its folder"),
        named("a/../../b.png", "leads out of its folder"),
        named("/b.png", "an absolute path"),
        named("C:/b.png", "a drive's letter"),
        named("a\\b.png", "a backslash"),
        named("b.png\0", "a NUL"),
        named("__MACOSX/../b.png", "leads out of its folder"),
        named("", "has no name"),
    ]
}

#[tokio::test]
async fn an_archive_that_lies_is_refused_with_member_value_and_limit() {
    let all = [no_archives(), members(), contradictions(), names()];
    for bad in all.into_iter().flatten() {
        let api = Api::new();
        let answer = api.upload_zip(&[archive(&bad.bytes)]).await;
        let problem = assert_problem(&answer, 400);
        let told = problem["detail"].as_str().unwrap();
        assert!(
            told.contains(bad.words),
            "{:?} is not in {told:?}",
            bad.words
        );
        assert_eq!(problem["code"], "bad_archive", "{told}");
        assert_eq!(problem["details"]["reason"], bad.reason, "{told}");
        assert_eq!(problem["details"]["member"].as_str(), bad.member, "{told}");
        assert_eq!(api.files_on_disk(), 0, "{told}");
    }
}

#[tokio::test]
async fn more_files_than_there_may_be_are_refused_and_folders_do_not_count() {
    let files = |count: usize| -> Vec<_> {
        let named = |n| stored(&format!("{n}.png"), b"x");
        (0..count).map(named).collect()
    };
    let api = Api::with(|config| config.upload.max_files = 3, ROOM);
    let followed: Vec<_> = files(4).into_iter().map(|made| followed(made, 4)).collect();
    for over in [made::archive(&files(4)), made::archive(&followed)] {
        let problem = assert_problem(&api.upload_zip(&[archive(&over)]).await, 400);
        let told = "There are 4 files in the archive; the limit is 3.";
        assert_eq!(problem["detail"], told);
        assert_eq!(problem["details"]["reason"], "too_many_files");
    }
    let mut folders: Vec<_> = (0..1000).map(|n| stored(&format!("{n}/"), b"")).collect();
    folders.splice(..3, files(3));
    let most = made::archive(&folders);
    assert_eq!(api.upload_zip(&[archive(&most)]).await.status, 200);
    folders.push(stored("one more/", b""));
    let over = made::archive(&folders);
    let problem = assert_problem(&api.upload_zip(&[archive(&over)]).await, 400);
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("1001 members; the limit is 1000")
    );
}

#[tokio::test]
async fn a_directory_that_is_far_too_large_is_not_read() {
    let long = "n".repeat(1000);
    let many = (0..150).map(|n| stored(&format!("{long}{n}/"), b""));
    let api = Api::new();
    let bytes = made::archive(&many.collect::<Vec<_>>());
    let problem = assert_problem(&api.upload_zip(&[archive(&bytes)]).await, 413);
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("the limit is 131072")
    );
}

#[tokio::test]
async fn what_is_written_in_an_uncommon_way_and_is_true_is_taken() {
    let api = Api::new();
    let plain = stored("a.png", b"a picture");
    let unsigned = {
        let mut made = followed(plain.clone(), 4);
        made.after.drain(..4);
        made
    };
    // As `zip` writes to a pipe: it knows the size, and not what the member will be packed to.
    let piped = {
        let mut made = followed(plain.clone(), 4);
        made.local.size = made.central.size;
        made
    };
    let commented = {
        let mut bytes = made::archive(std::slice::from_ref(&plain));
        let at = bytes.len() - 2;
        bytes[at] = 7;
        bytes.extend(b"comment");
        bytes
    };
    for bytes in [
        made::archive(&[followed(plain.clone(), 4)]),
        made::archive(&[followed(deflated("a.png", &noise(100)), 8)]),
        made::archive(&[unsigned]),
        made::archive(&[piped]),
        made::archive(&[wide(plain.clone()), bad()]),
        ended(std::slice::from_ref(&plain), |end, at| {
            end.before = end_64(end, at);
            (end.directory, end.members) = (u32::MAX, u16::MAX);
        }),
        commented,
        made::archive(&[Made {
            mode: 0o100_644,
            ..plain.clone()
        }]),
    ] {
        let answer = api.upload_zip(&[archive(&bytes)]).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}
