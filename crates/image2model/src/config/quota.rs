use serde::{Deserialize, Serialize};

/// What one owner of keys may have; 0 is no limit. Without keys of the store's there is one owner, who has all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuotaSettings {
    /// Images that wait or are worked on.
    pub queued_images: u64,
    /// Bytes of uploads and models together.
    pub stored_bytes: u64,
    /// Event streams open at once, by each server for itself.
    pub streams: u32,
    /// Images accepted, as a rate: so many at once, and then one in each so-many-th part of a day.
    pub images_per_day: u32,
}
