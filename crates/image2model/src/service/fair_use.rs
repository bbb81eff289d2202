//! Fair use: how often a caller may ask, whether there is room for more work, and how much an owner may have.
//!
//! Requests that make work count in the store, exactly over all servers; others in this process alone, and so do those
//! of callers who are held to no rate. Quotas are read before and counted after: they may be over by what is admitted at
//! the same moment.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    access::{
        Tally,
        rate::{Admission, Window},
    },
    config::{Config, LimitSettings, QuotaSettings},
    job::{Holding, JobId, Lane, Owner, Queue},
    store::Depth,
};

use super::{
    Caller, Service, ServiceError,
    fresh::{FRESH, Fresh},
    places::{Crowded, Place, Places},
};

/// Worth waiting until some of an owner's images or streams have ended.
const SOME_END: Duration = Duration::from_secs(30);
/// Worth waiting until some of what an owner has stored is gone.
const SOME_GO: Duration = Duration::from_secs(600);

type Depths = BTreeMap<(Queue, Lane), Depth>;

/// What one process counts.
#[derive(Clone)]
pub(super) struct FairUse {
    tally: Arc<Mutex<Tally>>,
    uploads: Places,
    streams: Places,
    /// Streams of each owner.
    owned_streams: Arc<Mutex<HashMap<Owner, u32>>>,
    depths: Fresh<Depths>,
}

/// One of the uploads that this process receives at once, for as long as it is kept.
pub struct UploadPlace(Place);

/// One of the streams that this process has open, for as long as it is kept.
pub struct StreamPlace {
    _place: Place,
    /// Of an owner; nothing where they are not counted.
    counted: Option<(FairUse, Owner)>,
}

/// What a caller has and may have.
#[derive(Debug, Clone, PartialEq)]
pub struct Usage {
    /// Nothing where there is nobody to count it for.
    pub holding: Option<Holding>,
    pub streams: Option<u32>,
    /// Nothing where there is no quota of it.
    pub images_today: Option<u32>,
    /// How the windows of requests that make work stand.
    pub work: Admission,
}

impl FairUse {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            tally: Arc::default(),
            uploads: Places::new(config.upload.max_running),
            streams: Places::new(config.stream.max_open),
            owned_streams: Arc::default(),
            depths: Fresh::new(FRESH),
        }
    }

    fn owned_streams(&self) -> MutexGuard<'_, HashMap<Owner, u32>> {
        let streams = self.owned_streams.lock();
        streams.unwrap_or_else(PoisonError::into_inner)
    }
}

impl UploadPlace {
    /// The same place as another's.
    ///
    /// # Errors
    /// [`ServiceError::Busy`] when that caller holds as many as one may.
    pub fn passed_to(self, service: &Service, caller: &Caller) -> Result<Self, ServiceError> {
        let passed = service.fair.uploads.pass(self.0, caller);
        passed.map(Self).map_err(no_upload)
    }
}

fn no_upload(crowded: Crowded) -> ServiceError {
    ServiceError::Busy(match crowded {
        Crowded::All(most) => format!(
            "{most} uploads are being received, which is the limit (upload.max_running); try again shortly."
        ),
        Crowded::Share(most, all) => format!(
            "{most} of your uploads are being received, which is one caller's share of {all} (upload.max_running); \
             try again when one has ended."
        ),
    })
}

fn no_stream(crowded: Crowded) -> ServiceError {
    ServiceError::Busy(match crowded {
        Crowded::All(most) => format!(
            "{most} event streams are open, which is the limit (stream.max_open); try again shortly."
        ),
        Crowded::Share(most, all) => format!(
            "{most} of your event streams are open, which is one caller's share of {all} (stream.max_open); close one."
        ),
    })
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        let Some((fair, owner)) = self.counted.take() else {
            return;
        };
        let mut streams = fair.owned_streams();
        if let Some(open) = streams.get_mut(&owner) {
            *open -= 1;
            if *open == 0 {
                streams.remove(&owner);
            }
        }
    }
}

impl Service {
    /// Counts a request that makes work, and tells whether it may.
    ///
    /// # Errors
    /// [`ServiceError::Busy`] when too much work waits, [`ServiceError::Unavailable`].
    pub async fn admit_work(&self, caller: &Caller) -> Result<Admission, ServiceError> {
        self.check_depth().await?;
        let windows = windows_of_work(&self.config.limits);
        if caller.is_unlimited {
            return Ok(self.tell_unlimited("work", caller, &windows, 1));
        }
        if windows.is_empty() {
            return Ok(Admission::read(&[], true, &[], 0));
        }
        let name = work_name(caller);
        Ok(self.store.limits.admit(&name, &windows, 1).await?)
    }

    /// The same of any other request.
    #[must_use]
    pub fn admit_read(&self, caller: &Caller) -> Admission {
        let limit = self.config.limits.reads_per_minute;
        let windows = [Window::per_minute(limit)];
        let windows = if limit == 0 { &[][..] } else { &windows };
        if caller.is_unlimited {
            return self.tell_unlimited("reads", caller, windows, 1);
        }
        self.count_here(&format!("reads:{}", caller.flow.0), windows, 1)
    }

    /// How one who is held to no rate would stand.
    fn tell_unlimited(
        &self,
        what: &str,
        caller: &Caller,
        windows: &[Window],
        count: u32,
    ) -> Admission {
        let name = format!("unlimited:{what}:{}", caller.flow.0);
        Admission {
            admitted: true,
            ..self.count_here(&name, windows, count)
        }
    }

    fn count_here(&self, name: &str, windows: &[Window], count: u32) -> Admission {
        let now = self.now().0.saturating_mul(1000);
        let tally = self.fair.tally.lock();
        let mut tally = tally.unwrap_or_else(PoisonError::into_inner);
        tally.admit(name, windows, count, now)
    }

    /// Refuses new work while more waits than `workers.max_depth`.
    async fn check_depth(&self) -> Result<(), ServiceError> {
        let most = self.config.workers.max_depth;
        if most == 0 {
            return Ok(());
        }
        let depth = self.depth().await;
        if depth < most {
            return Ok(());
        }
        Err(ServiceError::Busy(format!(
            "{depth} images wait to be worked on, and the limit is {most} (workers.max_depth); try again later."
        )))
    }

    /// Of all queues, as of [`FRESH`] ago at most; nothing where it is not known.
    pub(super) async fn depths(&self) -> Depths {
        let jobs = self.store.jobs.clone();
        let read = async move {
            let depths = jobs.depths().await;
            depths.unwrap_or_else(|error| {
                tracing::warn!(%error, "it is not known how much work waits");
                Depths::default()
            })
        };
        self.fair.depths.or(&self.tasks, read).await
    }

    /// Of the deeper of the queues that models are made from. An unknown depth keeps nobody out: of a store of which a
    /// part is gone, the rest takes work.
    async fn depth(&self) -> u64 {
        let depths = self.depths().await;
        let of = |wanted: Queue| -> u64 {
            let lanes = depths.iter().filter(|((queue, _), _)| *queue == wanted);
            lanes.map(|(_, depth)| depth.ready + depth.delayed).sum()
        };
        of(Queue::ModelGeneration).max(of(Queue::Priority))
    }

    /// A place for an upload, before anything of it is read.
    ///
    /// # Errors
    /// [`ServiceError::Busy`] when this process receives as many as it may, or as many of this caller.
    pub fn upload_place(&self, caller: &Caller) -> Result<UploadPlace, ServiceError> {
        let place = self.fair.uploads.take(caller);
        place.map(UploadPlace).map_err(no_upload)
    }

    /// A place for an event stream.
    ///
    /// # Errors
    /// [`ServiceError::Busy`] when this process has as many open as it may, or as many of this caller;
    /// [`ServiceError::OverQuota`].
    pub fn stream_place(&self, caller: &Caller) -> Result<StreamPlace, ServiceError> {
        let place = self.fair.streams.take(caller).map_err(no_stream)?;
        if !caller.is_counted() {
            return Ok(StreamPlace {
                _place: place,
                counted: None,
            });
        }
        let most = self.config.quotas.streams;
        let mut streams = self.fair.owned_streams();
        let open = streams.entry(caller.owner.clone()).or_default();
        if most > 0 && *open >= most {
            return Err(ServiceError::OverQuota {
                message: format!(
                    "{open} event streams of this key's owner are open, and the limit is {most} (quotas.streams); close one."
                ),
                after: Some(SOME_END),
            });
        }
        *open += 1;
        drop(streams);
        Ok(StreamPlace {
            _place: place,
            counted: Some((self.fair.clone(), caller.owner.clone())),
        })
    }

    /// Refuses images that an owner has no room for; a job that is there already needs none.
    ///
    /// # Errors
    /// [`ServiceError::OverQuota`], [`ServiceError::Unavailable`].
    pub(super) async fn check_quotas(
        &self,
        caller: &Caller,
        job: JobId,
        images: u32,
        bytes: u64,
    ) -> Result<(), ServiceError> {
        let over = self.over_quota(caller, images, bytes).await?;
        match over {
            Some(over) if self.store.jobs.job(job).await?.is_none() => Err(over),
            _ => Ok(()),
        }
    }

    async fn over_quota(
        &self,
        caller: &Caller,
        images: u32,
        bytes: u64,
    ) -> Result<Option<ServiceError>, ServiceError> {
        let quotas = &self.config.quotas;
        if !caller.is_counted() {
            return Ok(None);
        }
        if quotas.queued_images > 0 || quotas.stored_bytes > 0 {
            let holding = self.store.limits.holding(&caller.owner).await?;
            if let Some((message, after)) = over_holding(quotas, holding, images, bytes) {
                return Ok(Some(ServiceError::OverQuota { message, after }));
            }
        }
        if quotas.images_per_day == 0 {
            return Ok(None);
        }
        if images > quotas.images_per_day {
            let (message, after) = never_fits(&format!(
                "{images} images are over the limit of {} a day (quotas.images_per_day)",
                quotas.images_per_day
            ));
            return Ok(Some(ServiceError::OverQuota { message, after }));
        }
        let read = self.count_images(caller, 0).await?;
        let over = read.tightest().filter(|day| day.remaining < images);
        Ok(over.map(|day| ServiceError::OverQuota {
            message: format!(
                "{images} more images are over the limit of {} a day (quotas.images_per_day), of which {} are left now.",
                day.window.limit, day.remaining
            ),
            after: Some(day.window.fits_in(images, day.whole_in)),
        }))
    }

    /// Counts images that were accepted in their owner's day.
    pub(super) async fn note_images(&self, caller: &Caller, images: u32) {
        if self.config.quotas.images_per_day == 0 || !caller.is_counted() {
            return;
        }
        if let Err(error) = self.count_images(caller, images).await {
            tracing::warn!(%error, images, "accepted images are not counted in their owner's day");
        }
    }

    async fn count_images(&self, caller: &Caller, images: u32) -> Result<Admission, ServiceError> {
        let window = Window::per_day(self.config.quotas.images_per_day);
        let name = format!("images:{}", caller.owner.0);
        Ok(self.store.limits.admit(&name, &[window], images).await?)
    }

    /// What the caller has and may have.
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`].
    pub async fn usage(&self, caller: &Caller) -> Result<Usage, ServiceError> {
        let limits = &self.store.limits;
        let windows = windows_of_work(&self.config.limits);
        let work = match caller.is_unlimited {
            true => self.tell_unlimited("work", caller, &windows, 0),
            false => limits.admit(&work_name(caller), &windows, 0).await?,
        };
        let (mut holding, mut streams, mut images_today) = (None, None, None);
        if caller.is_counted() {
            holding = Some(limits.holding(&caller.owner).await?);
            let open = self.fair.owned_streams().get(&caller.owner).copied();
            streams = Some(open.unwrap_or(0));
            if self.config.quotas.images_per_day > 0 {
                let day = self.count_images(caller, 0).await?;
                images_today = day.tightest().map(|day| day.window.limit - day.remaining);
            }
        }
        Ok(Usage {
            holding,
            streams,
            images_today,
            work,
        })
    }
}

impl Caller {
    /// Whether it is somebody whose quotas are kept.
    fn is_counted(&self) -> bool {
        !self.is_anyone && self.owner != Owner::open()
    }
}

fn work_name(caller: &Caller) -> String {
    format!("work:{}", caller.flow.0)
}

fn windows_of_work(limits: &LimitSettings) -> Vec<Window> {
    let windows = [
        Window::per_minute(limits.per_minute),
        Window::per_hour(limits.per_hour),
    ];
    let on = windows.into_iter().filter(|window| window.limit > 0);
    on.collect()
}

/// What an owner has no room for even with nothing else: no wait helps.
fn never_fits(over: &str) -> (String, Option<Duration>) {
    let message =
        format!("{over}, whatever else there is; send fewer or smaller images at a time.");
    (message, None)
}

/// Why an owner who has `holding` may not have so much more, and how long a wait may help.
fn over_holding(
    quotas: &QuotaSettings,
    holding: Holding,
    images: u32,
    bytes: u64,
) -> Option<(String, Option<Duration>)> {
    let Holding {
        images: waiting,
        bytes: stored,
    } = holding;
    let (most, most_bytes) = (quotas.queued_images, quotas.stored_bytes);
    if most > 0 && u64::from(images) > most {
        return Some(never_fits(&format!(
            "{images} images are over the limit of {most} at once (quotas.queued_images)"
        )));
    }
    if most_bytes > 0 && bytes > most_bytes {
        return Some(never_fits(&format!(
            "{bytes} bytes are over the limit of {most_bytes} (quotas.stored_bytes)"
        )));
    }
    if most > 0 && waiting.saturating_add(u64::from(images)) > most {
        let message = format!(
            "{waiting} images of this key's owner wait or are worked on, and {images} more are over the limit of \
             {most} (quotas.queued_images); try again when some are done."
        );
        return Some((message, Some(SOME_END)));
    }
    if most_bytes > 0 && stored.saturating_add(bytes) > most_bytes {
        let message = format!(
            "{stored} bytes of this key's owner are stored, and {bytes} more are over the limit of {most_bytes} \
             (quotas.stored_bytes); remove some jobs, or wait until old ones go."
        );
        return Some((message, Some(SOME_GO)));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_reached_exactly_and_none_is_no_limit() {
        let quotas = QuotaSettings {
            queued_images: 10,
            stored_bytes: 1000,
            ..QuotaSettings::default()
        };
        for (images, bytes, more, further, fits) in [
            (9, 0, 1, 0, true),
            (9, 0, 2, 0, false),
            (0, 900, 1, 100, true),
            (0, 900, 1, 101, false),
            (0, u64::MAX, 1, 1, false),
        ] {
            let over = over_holding(&quotas, Holding { images, bytes }, more, further);
            assert_eq!(over.is_none(), fits, "{over:?}");
        }
        let most = Holding {
            images: 1 << 40,
            bytes: 1 << 50,
        };
        assert_eq!(over_holding(&QuotaSettings::default(), most, 25, 1), None);
    }

    #[test]
    fn a_window_of_nothing_is_off() {
        let limits = LimitSettings {
            per_minute: 0,
            per_hour: 5,
            reads_per_minute: 0,
        };
        assert_eq!(windows_of_work(&limits), [Window::per_hour(5)]);
    }
}
