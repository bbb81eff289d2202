//! The records of the ZIP format (APPNOTE 6.3), field by field; all numbers are little-endian.

pub(super) const LOCAL: u32 = 0x0403_4b50;
pub(super) const CENTRAL: u32 = 0x0201_4b50;
pub(super) const END: u32 = 0x0605_4b50;
pub(super) const DESCRIPTOR: u32 = 0x0807_4b50;
const END_64: u32 = 0x0606_4b50;
const LOCATOR_64: u32 = 0x0706_4b50;

/// Bytes of the records' fixed parts.
pub(super) const LOCAL_SIZE: usize = 30;
pub(super) const CENTRAL_SIZE: usize = 46;
pub(super) const END_SIZE: usize = 22;
pub(super) const END_64_SIZE: usize = 56;
pub(super) const LOCATOR_64_SIZE: usize = 20;

pub(super) const STORED: u16 = 0;
pub(super) const DEFLATED: u16 = 8;

/// Sizes and checksum follow the member's bytes.
const HAS_DESCRIPTOR: u16 = 1 << 3;
/// Encrypted, strongly encrypted, or with its header masked.
const IS_ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;
const IS_UTF_8: u16 = 1 << 11;
/// Those flags by which a member is read in another way.
const MATTERING: u16 = HAS_DESCRIPTOR | IS_ENCRYPTED | IS_UTF_8;

/// The extra fields of 64-bit sizes and of the name in Unicode.
pub(super) const EXTRA_64: u16 = 1;
pub(super) const EXTRA_PATH: u16 = 0x7075;

/// What a header says of its member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc: u32,
    pub(super) packed: u64,
    pub(super) size: u64,
    /// Bytes of the name and of the extra field that follow.
    pub(super) name: usize,
    pub(super) extra: usize,
}

/// A header as the directory has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Central {
    pub(super) header: Header,
    pub(super) comment: usize,
    pub(super) disk: u16,
    /// Kind and rights on Unix, whatever system is said to have written it; 0 where there are none.
    pub(super) mode: u16,
    /// Where the member begins.
    pub(super) offset: u64,
}

/// Where the directory lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    pub(super) disk: u64,
    pub(super) directory_disk: u64,
    pub(super) members_here: u64,
    pub(super) members: u64,
    pub(super) directory_size: u64,
    pub(super) directory: u64,
}

impl Header {
    pub(super) fn local(of: &[u8; LOCAL_SIZE]) -> Option<Self> {
        (u32_at(of, 0) == LOCAL).then(|| Self::at(of, 6, 26))
    }

    /// Flags and what follows them, and the lengths.
    fn at(of: &[u8], flags: usize, lengths: usize) -> Self {
        Self {
            flags: u16_at(of, flags),
            method: u16_at(of, flags + 2),
            crc: u32_at(of, flags + 8),
            packed: u32_at(of, flags + 12).into(),
            size: u32_at(of, flags + 16).into(),
            name: u16_at(of, lengths).into(),
            extra: u16_at(of, lengths + 2).into(),
        }
    }

    pub(super) fn has_descriptor(self) -> bool {
        self.flags & HAS_DESCRIPTOR != 0
    }

    pub(super) fn is_encrypted(self) -> bool {
        self.flags & IS_ENCRYPTED != 0
    }

    /// Whether both are read in the same way.
    pub(super) fn reads_as(self, other: Self) -> bool {
        self.flags & MATTERING == other.flags & MATTERING && self.method == other.method
    }

    pub(super) fn is_utf_8(self) -> bool {
        self.flags & IS_UTF_8 != 0
    }

    /// Whether a size stands in the extra field.
    pub(super) fn is_64(self) -> bool {
        [self.packed, self.size].contains(&u32::MAX.into())
    }

    /// Takes the sizes that do not stand here from the extra field; `None` where they do not stand there either.
    pub(super) fn widened(mut self, extra: &[u8]) -> Option<Self> {
        widen(extra, &mut [&mut self.size, &mut self.packed])?;
        Some(self)
    }
}

impl Central {
    pub(super) fn of(of: &[u8; CENTRAL_SIZE]) -> Option<Self> {
        (u32_at(of, 0) == CENTRAL).then(|| Self {
            header: Header::at(of, 8, 28),
            comment: u16_at(of, 32).into(),
            disk: u16_at(of, 34),
            mode: u16_at(of, 40),
            offset: u32_at(of, 42).into(),
        })
    }

    /// As [`Header::widened`], with the place.
    pub(super) fn widened(mut self, extra: &[u8]) -> Option<Self> {
        let header = &mut self.header;
        let fields = [&mut header.size, &mut header.packed, &mut self.offset];
        widen(extra, &mut { fields })?;
        Some(self)
    }
}

impl End {
    pub(super) fn of(of: &[u8; END_SIZE]) -> Self {
        Self {
            disk: u16_at(of, 4).into(),
            directory_disk: u16_at(of, 6).into(),
            members_here: u16_at(of, 8).into(),
            members: u16_at(of, 10).into(),
            directory_size: u32_at(of, 12).into(),
            directory: u32_at(of, 16).into(),
        }
    }

    /// The 64-bit one, and how many bytes it says that it has.
    pub(super) fn of_64(of: &[u8; END_64_SIZE]) -> Option<(Self, u64)> {
        (u32_at(of, 0) == END_64).then(|| {
            let end = Self {
                disk: u32_at(of, 16).into(),
                directory_disk: u32_at(of, 20).into(),
                members_here: u64_at(of, 24),
                members: u64_at(of, 32),
                directory_size: u64_at(of, 40),
                directory: u64_at(of, 48),
            };
            (end, u64_at(of, 4).saturating_add(12))
        })
    }

    /// Whether this says nothing else than the 64-bit one, where it says something.
    pub(super) fn agrees_with(self, wide: Self) -> bool {
        let alike = |narrow: u64, wide: u64, none: u64| narrow == wide || narrow == none;
        let (short, long) = (u16::MAX.into(), u32::MAX.into());
        alike(self.disk, wide.disk, short)
            && alike(self.directory_disk, wide.directory_disk, short)
            && alike(self.members_here, wide.members_here, short)
            && alike(self.members, wide.members, short)
            && alike(self.directory_size, wide.directory_size, long)
            && alike(self.directory, wide.directory, long)
    }
}

/// Where the 64-bit end lies, and how many parts the archive has; `None` for what is no locator.
pub(super) fn locator_64(of: &[u8; LOCATOR_64_SIZE]) -> Option<(u64, u32)> {
    (u32_at(of, 0) == LOCATOR_64).then(|| (u64_at(of, 8), u32_at(of, 16)))
}

/// Checksum, packed size and size after a member's bytes, in any of the four ways in which they are written.
pub(super) fn descriptor(of: &[u8]) -> Option<(u32, u64, u64)> {
    let of = match of.len() {
        16 | 24 if u32_at(of, 0) == DESCRIPTOR => &of[4..],
        12 | 20 => of,
        _ => return None,
    };
    let crc = u32_at(of, 0);
    Some(match of.len() {
        12 => (crc, u32_at(of, 4).into(), u32_at(of, 8).into()),
        _ => (crc, u64_at(of, 4), u64_at(of, 12)),
    })
}

/// The extra fields with their ids; `None` where one is not whole.
pub(super) fn fields(mut extra: &[u8]) -> Option<Vec<(u16, &[u8])>> {
    let mut found = Vec::new();
    while let Some((head, tail)) = extra.split_first_chunk::<4>() {
        let (body, rest) = tail.split_at_checked(u16_at(head, 2).into())?;
        found.push((u16_at(head, 0), body));
        extra = rest;
    }
    Some(found)
}

/// Replaces each number that does not stand in 32 bits by the next one of the extra field of 64-bit numbers.
fn widen(extra: &[u8], numbers: &mut [&mut u64]) -> Option<()> {
    let known = fields(extra)?;
    let wide = known.iter().find(|(id, _)| *id == EXTRA_64);
    let mut wide = wide.map_or(&[][..], |(_, body)| body);
    for number in numbers {
        if **number == u64::from(u32::MAX) {
            let (first, next) = wide.split_first_chunk()?;
            **number = u64::from_le_bytes(*first);
            wide = next;
        }
    }
    Some(())
}

pub(super) fn u16_at(of: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(number(of, at))
}

pub(super) fn u32_at(of: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(number(of, at))
}

fn u64_at(of: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(number(of, at))
}

/// Zero where the bytes end before.
fn number<const N: usize>(of: &[u8], at: usize) -> [u8; N] {
    let there = of.get(at..).and_then(|rest| rest.first_chunk());
    there.copied().unwrap_or([0; N])
}
