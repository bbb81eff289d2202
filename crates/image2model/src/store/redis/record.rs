//! A job as it stands in its hash: JSON while it lives, the same in zstd once it has ended, for then it stays for a day
//! and is seldom read.

use super::unreadable;
use crate::{job::Job, store::StoreError};

/// How hard is tried; more costs much and gives little.
const LEVEL: i32 = 3;
/// Largest record that is read: far more than 25 items and all their facts take.
const LARGEST: usize = 16 << 20;
/// What zstd begins with, and JSON never.
const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

pub(super) fn write(job: &Job) -> Result<Vec<u8>, StoreError> {
    let text = serde_json::to_vec(job).map_err(unreadable)?;
    match job.ended {
        Some(_) => zstd::bulk::compress(&text, LEVEL).map_err(unreadable),
        None => Ok(text),
    }
}

pub(super) fn read(record: &[u8]) -> Result<Job, StoreError> {
    if record.starts_with(&MAGIC) {
        let text = zstd::bulk::decompress(record, LARGEST).map_err(unreadable)?;
        return serde_json::from_slice(&text).map_err(unreadable);
    }
    serde_json::from_slice(record).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        job::{Timestamp, transition},
        store::conformance::new_job,
    };

    #[test]
    fn an_ended_job_is_short_and_reads_the_same() {
        let (mut job, _) = transition::create(new_job("127.0.0.1", 25), Timestamp(7)).unwrap();
        let living = write(&job).unwrap();
        assert_eq!(read(&living), Ok(job.clone()));
        job.ended = Some(Timestamp(8));
        let ended = write(&job).unwrap();
        assert!(
            ended.len() * 3 < living.len(),
            "{} {}",
            ended.len(),
            living.len()
        );
        assert_eq!(read(&ended), Ok(job));
    }

    #[test]
    fn a_job_of_which_nothing_more_is_told_is_as_it_always_was() {
        let (mut job, _) = transition::create(new_job("127.0.0.1", 1), Timestamp(7)).unwrap();
        let text = String::from_utf8(write(&job).unwrap()).unwrap();
        assert!(
            !text.contains("about") && !text.contains("deleted"),
            "{text}"
        );
        assert_eq!(read(text.as_bytes()), Ok(job.clone()));
        job.about.labels.push("shop".to_owned());
        job.deleted = true;
        assert_eq!(read(&write(&job).unwrap()), Ok(job));
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for nonsense in [
            &b""[..],
            b"nonsense",
            &MAGIC,
            &[&MAGIC[..], b"nonsense"].concat(),
        ] {
            assert!(matches!(read(nonsense), Err(StoreError::Damaged(_))));
        }
    }
}
