use super::{
    MOST_MEMBERS, Reason, Refusal,
    name::{self, Kind},
    record::{CENTRAL, END, Header, LOCAL, LOCAL_SIZE, u32_at},
};

/// Goes over the members' headers while the archive comes in, so that what they show to be wrong is known at once.
/// Where a header does not say how long its member is, the walk ends and the directory tells.
pub struct Walk {
    most_files: usize,
    files: usize,
    members: usize,
    /// Bytes that have come.
    at: u64,
    /// Of the header that is coming in: its fixed part and its name.
    header: Vec<u8>,
    /// Bytes until the next header.
    skip: u64,
    ended: bool,
}

impl Walk {
    #[must_use]
    pub fn new(most_files: usize) -> Self {
        Self {
            most_files,
            files: 0,
            members: 0,
            at: 0,
            header: Vec::new(),
            skip: 0,
            ended: false,
        }
    }

    /// # Errors
    /// What is wrong with the archive so far.
    pub fn take(&mut self, mut chunk: &[u8]) -> Result<(), Refusal> {
        while !self.ended && !chunk.is_empty() {
            let wanted = match self.skip {
                0 => self.wanted() as u64,
                skip => skip,
            };
            let now = usize::try_from(wanted).map_or(chunk.len(), |most| most.min(chunk.len()));
            let (taken, rest) = chunk.split_at(now);
            self.at += taken.len() as u64;
            chunk = rest;
            if self.skip > 0 {
                self.skip -= taken.len() as u64;
            } else {
                self.header.extend_from_slice(taken);
                self.look()?;
            }
        }
        Ok(())
    }

    /// Bytes of the header that are still to come, as far as that can be told.
    fn wanted(&self) -> usize {
        let have = self.header.len();
        match self.header.first_chunk().and_then(Header::local) {
            Some(header) => LOCAL_SIZE + header.name - have,
            None if have < 4 => 4 - have,
            None => LOCAL_SIZE - have,
        }
    }

    fn look(&mut self) -> Result<(), Refusal> {
        if self.header.len() < 4 {
            return Ok(());
        }
        match u32_at(&self.header, 0) {
            LOCAL => {}
            CENTRAL | END => {
                self.ended = true;
                return Ok(());
            }
            _ if self.members == 0 => {
                let what = "is no ZIP archive: it does not begin as one";
                return Err(Refusal::of_archive(Reason::NotAnArchive, what));
            }
            _ => {
                let at = self.at - 4;
                let what = format!("has neither a member nor its directory at byte {at}");
                return Err(Refusal::of_archive(Reason::Contradictory, what));
            }
        }
        let Some(header) = self.header.first_chunk().and_then(Header::local) else {
            return Ok(());
        };
        name::check_length(header.name)?;
        if self.header.len() == LOCAL_SIZE + header.name {
            self.pass(header)?;
        }
        Ok(())
    }

    /// Judges a member by its header and goes on to the next.
    fn pass(&mut self, header: Header) -> Result<(), Refusal> {
        self.members += 1;
        if self.members > MOST_MEMBERS {
            return Err(Refusal::too_many_members(self.members as u64));
        }
        if let Kind::File(_) = name::judge(header, &self.header[LOCAL_SIZE..])? {
            self.files += 1;
        }
        if self.files > self.most_files {
            return Err(Refusal::too_many(self.files, self.most_files));
        }
        self.header.clear();
        self.ended = header.has_descriptor() || header.is_64();
        self.skip = header.extra as u64 + header.packed;
        Ok(())
    }
}
