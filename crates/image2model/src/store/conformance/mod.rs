//! What every store must do: one small function per behaviour, run on each implementation by [`suite`], and a
//! random walk that is held against the pure model of `job/` after every step.
//!
//! An implementation brings one function that makes a [`Fixture`]: an empty store on a clock that only the test
//! moves. Nothing here names an implementation.

pub(crate) mod admitting;
pub(crate) mod broken;
pub(crate) mod cancelling;
mod dice;
pub(crate) mod ending;
pub(crate) mod filling;
pub(crate) mod formats;
pub(crate) mod holding;
pub(crate) mod keys;
pub(crate) mod leading;
pub(crate) mod leasing;
mod model;
pub(crate) mod queueing;
pub(crate) mod reading;
pub(crate) mod removing;
pub(crate) mod submitting;
pub(crate) mod walk;

use std::{
    any::Any,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use tokio::sync::broadcast;

use super::{Created, Jobs, News, Reserve, Reserved, Store};
use crate::{
    clock::Clock,
    job::{
        About, FactKind, FileRecord, Flow, Job, JobId, Lane, Lease, Notice, Owner, Priority, Queue,
        TaskId, Timestamp, Work, WorkerId,
        transition::{Completion, Failure, NewItem, NewJob, Retry},
    },
};

/// Hands all cases by module to a macro, after what it is given itself.
macro_rules! every_case {
    ($then:ident $($with:tt)*) => {
        $crate::store::conformance::$then! { @cases $($with)*;
        submitting: a_job_begins_queued_with_all_its_items, a_repeat_under_one_key_finds_the_job,
            fifty_at_once_make_one_job, a_job_has_one_to_25_items;
        queueing: a_flow_is_served_in_its_order, a_single_image_passes_two_thousand,
            busy_flows_take_turns, rest_gives_no_credit, high_priority_has_its_own_queue,
            lanes_are_kept_apart, nothing_is_reserved_twice, position_is_the_number_ahead,
            depths_count_each_state, becoming_ready_wakes;
        leasing: a_late_holder_is_fenced_off, a_renewed_lease_lasts,
            a_lease_holds_until_it_is_taken_back, a_lost_waiting_lease_counts_nothing,
            a_lost_started_lease_is_a_crash, too_many_crashes_are_poison,
            handing_back_counts_nothing_and_keeps_the_place, starting_twice_is_starting_once,
            nothing_ends_before_it_started, a_batch_answers_for_each_lease;
        leading: one_leads_while_it_renews, a_lapsed_lead_is_another_s,
            who_resigns_is_followed_at_once, each_role_has_its_own_leader;
        keys: a_key_is_kept_as_it_was_made, a_revoked_key_stays_known, an_unknown_key_is_not_revoked,
            the_last_use_is_noted, the_newest_two_secrets_are_valid,
            a_store_has_its_first_name_until_it_is_named_anew, a_restart_forgets_no_key;
        admitting: a_full_window_lets_one_through_at_a_time, all_windows_or_none, names_are_counted_apart,
            many_at_once_are_counted_exactly, several_go_through_together_or_not_at_all;
        ending: the_last_item_ends_the_job, a_result_handed_in_twice_counts_once,
            an_error_is_retried_after_a_wait, an_answer_may_ask_for_a_longer_wait,
            the_third_error_is_the_last, a_hopeless_error_is_not_retried,
            dead_tasks_are_listed_newest_first, dead_tasks_are_listed_page_by_page,
            a_buried_task_is_on_no_list, an_outcome_never_changes;
        cancelling: what_nobody_works_on_ends_at_once, a_running_item_ends_with_its_failure,
            a_running_item_ends_with_its_lease, a_running_item_ends_when_handed_back,
            a_late_result_still_counts_for_its_item, an_ended_job_stays_as_it_is,
            an_unknown_job_cannot_be_cancelled;
        formats: a_further_format_is_attached_without_a_trace, a_format_is_queued_once,
            only_a_model_can_be_converted, a_given_up_format_is_tried_anew,
            what_becomes_of_a_format_is_told, a_late_converter_is_fenced_off;
        reading: facts_are_numbered_without_gaps, no_fact_is_older_than_the_one_before, a_page_follows_a_page, what_is_told_about_a_job_is_kept,
            many_jobs_in_one_call,
            progress_never_goes_back, a_retry_tells_how_far_the_attempt_was, silent_workers_are_forgotten, a_file_is_found_by_its_name,
            the_store_answers_a_ping;
        removing: a_removed_job_leaves_nothing, only_ended_jobs_are_removed,
            the_oldest_end_is_removed_first, a_removal_that_died_is_done_again,
            a_given_up_removal_is_tried_anew, a_removal_is_told, a_removed_job_is_made_no_second_time,
            a_deleted_job_ends_and_is_removed_at_once, what_runs_of_a_deleted_job_ends_first,
            a_deleted_job_is_not_made_again, a_deletion_is_told;
        holding: what_an_owner_has_follows_his_jobs, owners_are_counted_apart_and_all_their_jobs_together;
        walk: a_random_walk_follows_the_model, a_long_walk_meets_every_state;
        broken: the_suite_catches_late_holders, the_walk_catches_late_holders,
            the_walk_catches_everlasting_leases, the_walk_catches_an_untold_cancel,
            the_walk_catches_a_counted_hand_back;
        }
    };
}
pub(crate) use every_case;

/// As `every_case`, for those that do not depend on the order of service.
macro_rules! every_case_without_order {
    ($then:ident $($with:tt)*) => {
        $crate::store::conformance::$then! { @cases $($with)*;
            submitting: a_job_begins_queued_with_all_its_items, a_repeat_under_one_key_finds_the_job,
                fifty_at_once_make_one_job, a_job_has_one_to_25_items;
            queueing: high_priority_has_its_own_queue, lanes_are_kept_apart,
                nothing_is_reserved_twice, becoming_ready_wakes;
            leasing: a_late_holder_is_fenced_off, a_renewed_lease_lasts,
                a_lost_started_lease_is_a_crash, too_many_crashes_are_poison,
                a_batch_answers_for_each_lease;
            leading: one_leads_while_it_renews, a_lapsed_lead_is_another_s,
                who_resigns_is_followed_at_once, each_role_has_its_own_leader;
            keys: a_key_is_kept_as_it_was_made, a_revoked_key_stays_known, the_last_use_is_noted,
                the_newest_two_secrets_are_valid;
            admitting: a_full_window_lets_one_through_at_a_time, all_windows_or_none, names_are_counted_apart,
                many_at_once_are_counted_exactly, several_go_through_together_or_not_at_all;
            ending: the_third_error_is_the_last, dead_tasks_are_listed_page_by_page,
                a_buried_task_is_on_no_list, an_outcome_never_changes;
            cancelling: what_nobody_works_on_ends_at_once;
            reading: facts_are_numbered_without_gaps, no_fact_is_older_than_the_one_before, a_page_follows_a_page, many_jobs_in_one_call,
                progress_never_goes_back, silent_workers_are_forgotten, a_file_is_found_by_its_name,
                the_store_answers_a_ping;
            removing: a_removed_job_leaves_nothing, only_ended_jobs_are_removed,
                a_removal_that_died_is_done_again, a_given_up_removal_is_tried_anew,
                a_removed_job_is_made_no_second_time, a_deleted_job_ends_and_is_removed_at_once,
                what_runs_of_a_deleted_job_ends_first, a_deleted_job_is_not_made_again;
            holding: what_an_owner_has_follows_his_jobs,
                owners_are_counted_apart_and_all_their_jobs_together;
        }
    };
}
pub(crate) use every_case_without_order;

/// A test of each case on the stores that `$fixture`, an async function, makes.
macro_rules! suite {
    (@cases $fixture:path; $($module:ident: $($case:ident),+;)+) => {
        $(mod $module {
            $(#[tokio::test]
            async fn $case() {
                $crate::store::conformance::$module::$case($fixture().await).await;
            })+
        })+
    };
    ($fixture:path) => {
        $crate::store::conformance::every_case! { suite $fixture }
    };
}
pub(crate) use suite;

/// Each case after the other, for stores that are too dear for one each: `$fixture` is an expression.
macro_rules! one_by_one {
    (@cases $fixture:expr; $($module:ident: $($case:ident),+;)+) => {
        $($({
            println!(concat!(stringify!($module), "::", stringify!($case)));
            let case = $crate::store::conformance::$module::$case;
            $crate::store::conformance::boxed(case, $fixture.await).await;
        })+)+
    };
}
pub(crate) use one_by_one;

/// A case on the heap. In a function of its own, since else the stack would have room for all cases at once.
pub(crate) fn boxed<F>(case: impl FnOnce(Fixture) -> F, it: Fixture) -> Pin<Box<F>> {
    Box::pin(case(it))
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub(crate) struct ManualClock(AtomicI64);

impl Default for ManualClock {
    fn default() -> Self {
        Self(AtomicI64::new(1_700_000_000_000))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

impl ManualClock {
    pub(crate) fn pass(&self, duration: Duration) {
        let millis = i64::try_from(duration.as_millis()).unwrap();
        self.0.fetch_add(millis, Ordering::SeqCst);
    }

    pub(crate) fn turn_back(&self, duration: Duration) {
        let millis = i64::try_from(duration.as_millis()).unwrap();
        self.0.fetch_sub(millis, Ordering::SeqCst);
    }
}

/// Opens the same store again after its process died.
pub(crate) type Reopen = Arc<dyn Fn() -> Store + Send + Sync>;

/// An empty store with the default retry policy and all that keeps it alive.
pub(crate) struct Fixture {
    /// Always there but for the moment between death and return.
    pub(crate) open: Option<Store>,
    pub(crate) clock: Arc<ManualClock>,
    /// `None` for a store that lives on when its clients die.
    pub(crate) reopen: Option<Reopen>,
    pub(crate) _kept: Arc<dyn Any + Send + Sync>,
}

const LEASE: Duration = Duration::from_secs(30);
const PAST_LEASE: Duration = Duration::from_secs(31);

impl Fixture {
    fn store(&self) -> &Store {
        self.open.as_ref().unwrap()
    }

    fn jobs(&self) -> &dyn Jobs {
        self.store().jobs.as_ref()
    }

    fn restart(&mut self, reopen: &(dyn Fn() -> Store + Send + Sync)) {
        self.open = None;
        self.open = Some(reopen());
    }

    fn pass(&self, duration: Duration) {
        self.clock.pass(duration);
    }

    async fn create(&self, new: NewJob) -> Job {
        match self.jobs().create_job(new).await.unwrap() {
            Created::New(job) => job,
            Created::Existing(job) => panic!("{} existed already", job.id),
        }
    }

    /// A new job of `items` images of one flow.
    async fn submit(&self, flow: &str, items: usize) -> JobId {
        self.create(new_job(flow, items)).await.id
    }

    async fn reserve_from(&self, queue: Queue, limit: usize) -> Vec<Reserved> {
        self.jobs().reserve(ask(queue, limit)).await.unwrap()
    }

    async fn reserve(&self, limit: usize) -> Vec<Reserved> {
        self.reserve_from(Queue::ModelGeneration, limit).await
    }

    /// Reserves and starts the next task of a queue.
    async fn begin_from(&self, queue: Queue) -> Lease {
        let lease = self.reserve_from(queue, 1).await.remove(0).lease;
        self.jobs()
            .start(std::slice::from_ref(&lease))
            .await
            .unwrap();
        lease
    }

    async fn begin(&self) -> Lease {
        self.begin_from(Queue::ModelGeneration).await
    }

    async fn complete(&self, lease: &Lease) {
        self.jobs()
            .complete(lease, completion(lease, "glb"))
            .await
            .unwrap();
    }

    async fn job(&self, id: JobId) -> Job {
        self.jobs().job(id).await.unwrap().unwrap()
    }

    /// A job of one image with its model.
    async fn completed(&self) -> JobId {
        let id = self.submit("a", 1).await;
        let lease = self.begin().await;
        assert_eq!(lease.task.job, id);
        self.complete(&lease).await;
        id
    }

    /// Lets all leases lapse and takes them back.
    async fn lapse(&self) {
        self.pass(PAST_LEASE);
        self.jobs().sweep().await.unwrap();
    }
}

/// A job of `items` images of one flow.
pub(crate) fn new_job(flow: &str, items: usize) -> NewJob {
    let item = |n| NewItem {
        filename: format!("{n}.png"),
        media_type: "image/png".to_owned(),
        size: 100,
        upload: format!("uploads/{n}"),
    };
    NewJob {
        id: JobId::random(),
        owner: Owner::open(),
        flow: Flow(flow.to_owned()),
        priority: Priority::Normal,
        options: vec![("model".to_owned(), "inflate".to_owned())],
        formats: vec!["glb".to_owned()],
        fingerprint: None,
        about: About::default(),
        items: (1..=items).map(item).collect(),
    }
}

fn ask(queue: Queue, limit: usize) -> Reserve {
    Reserve {
        queue,
        lane: Lane::local(),
        worker: WorkerId("worker".to_owned()),
        limit,
        lease: LEASE,
    }
}

fn generate(job: JobId, item: u8) -> TaskId {
    TaskId {
        job,
        work: Work::Generate { item },
    }
}

/// Takes in the news up to a job's end: they may come later than what they tell of.
async fn heard_the_end(watch: &mut broadcast::Receiver<News>, id: JobId) {
    loop {
        let piece = tokio::time::timeout(Duration::from_secs(10), watch.recv()).await;
        if let News::Facts { job, facts, .. } = piece.expect("news in time").unwrap()
            && job == id
            && matches!(facts.last().unwrap().kind, FactKind::Ended { .. })
        {
            return;
        }
    }
}

/// The next news is that of a job something is new that no fact says.
async fn told_beyond(watch: &mut broadcast::Receiver<News>, id: JobId) {
    let piece = tokio::time::timeout(Duration::from_secs(10), watch.recv()).await;
    let piece = piece.expect("news in time").unwrap();
    assert!(
        matches!(piece, News::Beyond { job } if job == id),
        "{piece:?}"
    );
}

/// A file of that format, under a key of this lease.
pub(crate) fn completion(lease: &Lease, format: &str) -> Completion {
    let (job, token) = (lease.task.job, &lease.token);
    let file = FileRecord {
        name: format!("{job}-{token}.{format}"),
        format: format.to_owned(),
        media_type: "model/gltf-binary".to_owned(),
        size: 10,
        key: format!("jobs/{job}/{token}/{format}"),
        created: Timestamp(0),
    };
    Completion {
        files: vec![file],
        warnings: Vec::new(),
    }
}

fn failure(retry: Retry) -> Failure {
    Failure {
        error: Notice {
            code: "bad_image".to_owned(),
            message: "the image is bad".to_owned(),
        },
        retry,
    }
}
