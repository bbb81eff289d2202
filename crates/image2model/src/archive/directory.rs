//! An archive's directory, read from its end and held to the members that it names.

use std::{
    collections::BTreeSet,
    io::{self, Read, Seek, SeekFrom},
};

use super::{
    LARGEST_DIRECTORY, MOST_MEMBERS, MOST_RATIO, Member, ReadError, Reason, Refusal, SMALL,
    name::{self, Kind},
    record::{
        self, CENTRAL_SIZE, Central, DEFLATED, END, END_64_SIZE, END_SIZE, EXTRA_64, EXTRA_PATH,
        End, Header, LOCAL_SIZE, LOCATOR_64_SIZE, descriptor, locator_64, u16_at,
    },
};

/// Bytes of the longest comment at an archive's end.
const LONGEST_COMMENT: u64 = 0xffff;
/// Bytes of the longest descriptor after a member.
const LONGEST_DESCRIPTOR: u64 = 24;
/// The kinds of Unix files that are taken, and the bits that tell the kind.
const KIND_BITS: u16 = 0xf000;
const REGULAR: u16 = 0x8000;
const FOLDER: u16 = 0x4000;

/// One member and the bytes that it takes.
struct Extent<'a> {
    name: &'a [u8],
    header: Header,
    begin: u64,
    /// Behind its packed bytes.
    end: u64,
}

/// The files of an archive that may have so many of them.
pub(super) fn read<F: Read + Seek>(
    file: &mut F,
    most_files: usize,
) -> Result<Vec<Member>, ReadError> {
    let end = find(file)?;
    let mut directory = vec![0; usize::try_from(end.directory_size).unwrap_or_default()];
    read_at(file, end.directory, &mut directory)?;
    let (mut extents, mut files) = (Vec::new(), Vec::new());
    let mut names = BTreeSet::new();
    let mut rest = &*directory;
    for _ in 0..end.members {
        let (central, name, next) = entry(rest)?;
        rest = next;
        if !names.insert(name) {
            let what = "is in it more than once";
            return Err(Refusal::of(name, Reason::RepeatedName, what).into());
        }
        let kind = judge(central, name)?;
        let extent = extent(file, central, name, end.directory)?;
        if let Kind::File(base) = kind {
            files.push(Member {
                name: base,
                size: central.header.size,
                packed: central.header.packed,
                start: extent.end - central.header.packed,
                crc: central.header.crc,
                deflated: central.header.method == DEFLATED,
            });
        }
        extents.push(extent);
    }
    if !rest.is_empty() {
        let what = format!(
            "has {} bytes in its directory that name no member",
            rest.len()
        );
        return Err(contradictory(what));
    }
    check_cover(file, extents, end.directory)?;
    match files.len() {
        0 => Err(empty()),
        count if count > most_files => Err(Refusal::too_many(count, most_files).into()),
        _ => Ok(files),
    }
}

/// Finds where the directory lies; what the archive's last record says is bounded and consistent then.
fn find<F: Read + Seek>(file: &mut F) -> Result<End, ReadError> {
    let length = file.seek(SeekFrom::End(0))?;
    let tail_size = length.min(END_SIZE as u64 + LONGEST_COMMENT);
    let mut tail = vec![0; usize::try_from(tail_size).unwrap_or_default()];
    read_at(file, length - tail_size, &mut tail)?;
    let signature = END.to_le_bytes();
    let last = tail.windows(4).rposition(|bytes| bytes == signature);
    let record = last.and_then(|at| Some((at, tail[at..].first_chunk::<END_SIZE>()?)));
    let Some((at, record)) = record else {
        let what = "is no whole ZIP archive: its directory's end is missing";
        return Err(Refusal::of_archive(Reason::NotAnArchive, what).into());
    };
    let follows = tail.len() - at - END_SIZE;
    let comment = u16_at(record, END_SIZE - 2);
    if usize::from(comment) != follows {
        let what = format!("has {follows} bytes after its end and states {comment}");
        return Err(contradictory(what));
    }
    let (end, behind) = widened(file, End::of(record), length - tail_size + at as u64)?;
    if end.disk != 0 || end.directory_disk != 0 || end.members_here != end.members {
        let what = "is one of several parts, or the last of them";
        return Err(Refusal::of_archive(Reason::Split, what).into());
    }
    if end.members == 0 {
        return Err(empty());
    }
    if end.members > MOST_MEMBERS as u64 {
        return Err(Refusal::too_many_members(end.members).into());
    }
    if end.directory_size > LARGEST_DIRECTORY {
        let bytes = end.directory_size;
        let what = format!("has a directory of {bytes} bytes; the limit is {LARGEST_DIRECTORY}");
        return Err(Refusal::of_archive(Reason::TooLarge, what).into());
    }
    if end.directory.checked_add(end.directory_size) != Some(behind) {
        let (begin, bytes) = (end.directory, end.directory_size);
        let what = format!(
            "states a directory of {bytes} bytes at byte {begin}, which does not end at byte {behind}"
        );
        return Err(contradictory(what));
    }
    Ok(end)
}

/// The end with the numbers of the 64-bit one, where there is one before it, and where the directory must end.
fn widened<F: Read + Seek>(file: &mut F, end: End, at: u64) -> Result<(End, u64), ReadError> {
    let mut locator = [0; LOCATOR_64_SIZE];
    let Some(before) = at.checked_sub(LOCATOR_64_SIZE as u64) else {
        return Ok((end, at));
    };
    read_at(file, before, &mut locator)?;
    let Some((place, parts)) = locator_64(&locator) else {
        return Ok((end, at));
    };
    if parts > 1 {
        let what = format!("is one of {parts} parts");
        return Err(Refusal::of_archive(Reason::Split, what).into());
    }
    let mut record = [0; END_64_SIZE];
    let fits = place
        .checked_add(END_64_SIZE as u64)
        .is_some_and(|end| end <= before);
    if fits {
        read_at(file, place, &mut record)?;
    }
    let wide = End::of_64(&record).filter(|(wide, bytes)| {
        place.checked_add(*bytes) == Some(before) && end.agrees_with(*wide)
    });
    match wide {
        Some((wide, _)) => Ok((wide, place)),
        None => Err(contradictory(
            "has a 64-bit end that does not fit its end".to_owned(),
        )),
    }
}

/// The next entry of the directory, its name, and what follows.
fn entry(directory: &[u8]) -> Result<(Central, &[u8], &[u8]), ReadError> {
    let short = || contradictory("has a directory that ends in the middle of a member".to_owned());
    let (fixed, rest) = directory
        .split_first_chunk::<CENTRAL_SIZE>()
        .ok_or_else(short)?;
    let central = Central::of(fixed).ok_or_else(short)?;
    let (name, rest) = rest
        .split_at_checked(central.header.name)
        .ok_or_else(short)?;
    let (extra, rest) = rest
        .split_at_checked(central.header.extra)
        .ok_or_else(short)?;
    let (_, rest) = rest.split_at_checked(central.comment).ok_or_else(short)?;
    check_extra(extra, central.header, name)?;
    let central = central.widened(extra).ok_or_else(|| {
        let what = "has 64-bit sizes that are missing";
        Refusal::of(name, Reason::Contradictory, what)
    })?;
    Ok((central, name, rest))
}

/// What the directory alone says of a member.
fn judge(central: Central, raw: &[u8]) -> Result<Kind, Refusal> {
    let header = central.header;
    name::check_length(raw.len())?;
    let kind = name::judge(header, raw)?;
    if central.disk != 0 {
        let what = format!("lies in part {} of the archive", central.disk);
        return Err(Refusal::of(raw, Reason::Split, what));
    }
    let kinds: &[u16] = match kind {
        Kind::File(_) => &[0, REGULAR],
        Kind::PassedOver => &[0, REGULAR, FOLDER],
    };
    let mode = central.mode & KIND_BITS;
    if !kinds.contains(&mode) {
        let what = format!("is a link, a device or the like (mode {mode:o}), not a file");
        return Err(Refusal::of(raw, Reason::NotAFile, what));
    }
    if header.method != DEFLATED && header.packed != header.size {
        let what = format!(
            "is stored in {} bytes and states {}",
            header.packed, header.size
        );
        return Err(Refusal::of(raw, Reason::Contradictory, what));
    }
    // What is passed over is never inflated.
    let is_read = matches!(kind, Kind::File(_));
    let most = SMALL.max(header.packed.saturating_mul(MOST_RATIO));
    if is_read && header.size > most {
        let what = format!(
            "inflates from {} to {} bytes; the limit is {MOST_RATIO} times",
            header.packed, header.size
        );
        return Err(Refusal::of(raw, Reason::Bomb, what));
    }
    Ok(kind)
}

/// Where a member lies, if what stands there says of it what the directory says.
fn extent<'a, F: Read + Seek>(
    file: &mut F,
    central: Central,
    name: &'a [u8],
    directory: u64,
) -> Result<Extent<'a>, ReadError> {
    let refused = |what: &str| Err(Refusal::of(name, Reason::Contradictory, what).into());
    let header = central.header;
    let mut fixed = [0; LOCAL_SIZE];
    let has_room = central
        .offset
        .checked_add(LOCAL_SIZE as u64)
        .is_some_and(|end| end <= directory);
    if has_room {
        read_at(file, central.offset, &mut fixed)?;
    }
    let Some(local) = Header::local(&fixed) else {
        return refused("is in the directory and not where that says");
    };
    let start = central.offset + (LOCAL_SIZE + local.name + local.extra) as u64;
    let end = start
        .checked_add(header.packed)
        .filter(|end| *end <= directory);
    let Some(end) = end else {
        return refused("reaches into the directory");
    };
    let mut rest = vec![0; local.name + local.extra];
    read_at(file, central.offset + LOCAL_SIZE as u64, &mut rest)?;
    let (there, extra) = rest.split_at(local.name);
    check_extra(extra, local, name)?;
    let Some(local) = local.widened(extra) else {
        return refused("has 64-bit sizes that are missing");
    };
    if there != name || !agree(local, header) {
        return refused("says of itself what the directory does not say");
    }
    Ok(Extent {
        name,
        header,
        begin: central.offset,
        end,
    })
}

/// Refuses what some readers go by and others pass over.
fn check_extra(extra: &[u8], header: Header, name: &[u8]) -> Result<(), Refusal> {
    let refused = |what: &str| Err(Refusal::of(name, Reason::Contradictory, what));
    let Some(fields) = record::fields(extra) else {
        return refused("has an extra field that is not whole");
    };
    if fields.iter().filter(|(id, _)| *id == EXTRA_64).count() > 1 {
        return refused("has its 64-bit sizes twice");
    }
    let mut paths = fields.iter().filter(|(id, _)| *id == EXTRA_PATH);
    if paths.any(|(_, path)| !name::is_path(path, name, header.is_utf_8())) {
        return refused("has another name in its extra field");
    }
    Ok(())
}

/// A member whose checksum and sizes follow it may leave any of them out at its head.
fn agree(local: Header, central: Header) -> bool {
    let alike = |said: u64, known: u64| said == known || (said == 0 && local.has_descriptor());
    local.reads_as(central)
        && alike(local.crc.into(), central.crc.into())
        && alike(local.packed, central.packed)
        && alike(local.size, central.size)
}

/// Members and what follows each of them must cover all that lies before the directory, and nothing twice.
fn check_cover<F: Read + Seek>(
    file: &mut F,
    mut extents: Vec<Extent<'_>>,
    directory: u64,
) -> Result<(), ReadError> {
    extents.sort_by_key(|extent| extent.begin);
    let next = extents.iter().skip(1).map(|next| next.begin);
    let next: Vec<_> = next.chain([directory]).collect();
    if let Some(first) = extents.first().filter(|first| first.begin > 0) {
        let what = format!("has {} bytes before its first member", first.begin);
        return Err(contradictory(what));
    }
    for (extent, next) in extents.iter().zip(next) {
        let refused =
            |what: String| Err(Refusal::of(extent.name, Reason::Contradictory, what).into());
        let Some(gap) = next.checked_sub(extent.end) else {
            return refused("overlaps the member after it".to_owned());
        };
        if !extent.header.has_descriptor() {
            if gap > 0 {
                return refused(format!("is followed by {gap} bytes of no member"));
            }
            continue;
        }
        let mut bytes =
            vec![0; usize::try_from(gap.min(LONGEST_DESCRIPTOR + 1)).unwrap_or_default()];
        read_at(file, extent.end, &mut bytes)?;
        let header = extent.header;
        let sums = (header.crc, header.packed, header.size);
        if descriptor(&bytes) != Some(sums) {
            return refused("is not followed by what the directory says of it".to_owned());
        }
    }
    Ok(())
}

fn read_at<F: Read + Seek>(file: &mut F, at: u64, into: &mut [u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(into)
}

fn contradictory(what: String) -> ReadError {
    Refusal::of_archive(Reason::Contradictory, what).into()
}

fn empty() -> ReadError {
    Refusal::of_archive(Reason::Empty, "has no files in it").into()
}
