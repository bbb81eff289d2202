//! One queue's pool: reserves ahead, starts as slots free up, renews all its leases together, drains.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::{
    task::{Id, JoinError, JoinSet},
    time::{Instant, Interval, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use crate::{
    config,
    job::{Lane, Lease, Queue, Task},
    store::{Held, Reserve, Reserved, StoreError, WorkerLoad},
};

use super::{
    Worker,
    attempt::{Attempt, hand_back},
    backoff::Backoff,
    presence::Loads,
    progress::ProgressSink,
    stop::{Stop, Why},
};

/// Leases that are kept to be handed back; those beyond lapse.
const MOST_DOUBTFUL: usize = 1000;

/// The workers of one queue.
pub(super) struct Pool {
    worker: Worker,
    queue: Queue,
    settings: config::Pool,
    /// Tasks begun at once: the configured concurrency, or what the provider can really do when that is less.
    slots: usize,
    loads: Loads,
    progress: ProgressSink,
    /// Reserved, not begun.
    waiting: VecDeque<Reserved>,
    running: HashMap<Id, Running>,
    /// Given up while nobody knew whether they were begun: to be handed back, or they would count as crashes.
    doubtful: Vec<Lease>,
    attempts: JoinSet<()>,
    ended: u64,
    /// Tasks that may still be begun.
    left: u64,
    /// Cancelled by the first pool of a process that has none left: no pool takes any more.
    worn_out: CancellationToken,
    /// Whether there may be ready tasks that were not seen yet.
    look: bool,
    /// Set while the store does not answer.
    pause: Option<Instant>,
    backoff: Backoff,
}

struct Running {
    task: Task,
    lease: Lease,
    stop: Arc<Stop>,
    began: Instant,
}

impl Pool {
    pub(super) fn new(worker: Worker, queue: Queue, loads: Loads, progress: ProgressSink) -> Self {
        let settings = worker.config.workers.of(queue);
        let able = match queue {
            Queue::Maintenance => usize::MAX,
            _ => worker.provider.at_once().max(1),
        };
        let pool = Self {
            settings,
            slots: settings.concurrency.min(able),
            worker,
            queue,
            loads,
            progress,
            waiting: VecDeque::new(),
            running: HashMap::new(),
            doubtful: Vec::new(),
            attempts: JoinSet::new(),
            ended: 0,
            left: u64::MAX,
            worn_out: CancellationToken::new(),
            look: true,
            pause: None,
            backoff: Backoff::default(),
        };
        pool.show();
        pool
    }

    /// Has the pool begin `max_tasks_per_child` tasks and no more, and then cancel `worn_out`; 0 is no limit.
    pub(super) fn wear_out(&mut self, worn_out: CancellationToken) {
        self.worn_out = worn_out;
        if self.settings.max_tasks_per_child > 0 {
            self.left = self.settings.max_tasks_per_child;
        }
    }

    /// Works until `drain`, then drains; or until the process is worn out, then sees through what runs.
    pub(super) async fn run(mut self, drain: CancellationToken) {
        let jobs = self.worker.store.jobs.clone();
        // Kept over the rounds, so that a hint that comes while the pool is busy is not missed.
        let mut ready = jobs.wait_for_ready(self.queue);
        let mut renewal = self.renewal();
        while !drain.is_cancelled() {
            if self.worn_out.is_cancelled() {
                self.give_back_waiting().await;
                if self.running.is_empty() {
                    break;
                }
            } else {
                self.fill().await;
            }
            self.show();
            let (paused, worn_out) = (self.pause, self.worn_out.is_cancelled());
            tokio::select! {
                () = drain.cancelled() => {}
                Some(ended) = self.attempts.join_next_with_id() => self.note_end(ended),
                _ = renewal.tick() => {
                    self.give_back_doubtful().await;
                    self.renew().await;
                }
                () = &mut ready => {
                    ready = jobs.wait_for_ready(self.queue);
                    self.look = true;
                }
                () = sleep_until(paused), if paused.is_some() => self.pause = None,
                () = self.worn_out.cancelled(), if !worn_out => {}
            }
        }
        self.drain(renewal).await;
        self.show();
    }

    fn renewal(&self) -> Interval {
        let period = self.renewal_period();
        let mut renewal = tokio::time::interval_at(Instant::now() + period, period);
        renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
        renewal
    }

    /// Begins what waits while there are free slots, and reserves more while there is room.
    async fn fill(&mut self) {
        if self.pause.is_some() {
            return;
        }
        let filled = async {
            self.begin().await?;
            if self.reserve().await? {
                self.begin().await?;
            }
            Ok::<_, StoreError>(())
        };
        match filled.await {
            Ok(()) => self.backoff = Backoff::default(),
            Err(error) => {
                tracing::warn!(queue = %self.queue, %error, "the store gives no work; trying again");
                self.pause = Some(Instant::now() + self.backoff.wait());
            }
        }
    }

    /// Reserves in batches: when nothing waits, or when there is room for a whole round. True when tasks came.
    async fn reserve(&mut self) -> Result<bool, StoreError> {
        let capacity = self.settings.concurrency * self.settings.prefetch_multiplier.max(1);
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let room = capacity
            .saturating_sub(self.waiting.len() + self.busy())
            .min(left.saturating_sub(self.waiting.len()));
        let worthwhile = self.waiting.is_empty() || room >= self.settings.concurrency;
        if room == 0 || !worthwhile || !self.look {
            return Ok(false);
        }
        let ask = Reserve {
            queue: self.queue,
            lane: Lane::local(),
            worker: self.worker.id.clone(),
            limit: room,
            lease: self.lease_time(),
        };
        let reserved = self.worker.store.jobs.reserve(ask).await?;
        self.look = reserved.len() == room;
        let came = !reserved.is_empty();
        self.waiting.extend(reserved);
        Ok(came)
    }

    /// Slots that are taken. Results that wait for a part of the store that is gone take none, for others have work;
    /// but no more of them than there are slots.
    fn busy(&self) -> usize {
        let waits = self.running.values().filter(|r| r.stop.only_waits());
        self.running.len() - waits.count().min(self.slots)
    }

    /// Starts as many waiting tasks as there are free slots, in one transition.
    async fn begin(&mut self) -> Result<(), StoreError> {
        let free = self.slots.saturating_sub(self.busy());
        let next = free.min(self.waiting.len());
        if next == 0 {
            return Ok(());
        }
        let leases: Vec<_> = self
            .waiting
            .range(..next)
            .map(|r| r.lease.clone())
            .collect();
        let asked = Instant::now();
        let mut held = self.worker.store.jobs.start(&leases).await?;
        if asked.elapsed() >= self.renewal_period() {
            // One slow shard held up the answers of all: a lease may have lapsed, and its task be done, since its own.
            held = self
                .worker
                .store
                .jobs
                .extend(&leases, self.lease_time())
                .await?;
        }
        for (reserved, held) in self.waiting.drain(..next).zip(held).collect::<Vec<_>>() {
            match held {
                Held::Yes => self.spawn(reserved, None),
                // Begun, but only to be handed in as what it is.
                Held::Cancelled => self.spawn(reserved, Some(Why::Cancelled)),
                Held::Unknown => self.waiting.push_back(reserved),
                Held::Lost => {
                    tracing::debug!(task = %reserved.task.id, "taken back while it waited");
                }
            }
        }
        Ok(())
    }

    fn spawn(&mut self, reserved: Reserved, told: Option<Why>) {
        let stop = Arc::new(Stop::default());
        if let Some(why) = told {
            stop.now(why);
        }
        let worker = &self.worker.id.0;
        tracing::debug!(task = %reserved.task.id, worker, "an attempt begins");
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            self.worn_out.cancel();
        }
        self.run_attempt(reserved.task, reserved.lease, stop, Attempt::run);
    }

    /// Frees the slot of an attempt that has ended; one that panicked has its failure handed in.
    fn note_end(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = match &ended {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        let Some(Running {
            task,
            lease,
            stop,
            began,
        }) = self.running.remove(&id)
        else {
            return;
        };
        let panicked = ended.is_err_and(|error| error.is_panic());
        if !panicked {
            self.ended += 1;
            return;
        }
        tracing::error!(task = %task.id, "an attempt panicked");
        let took = began.elapsed();
        self.run_attempt(task, lease, stop, |attempt| attempt.panicked(took));
    }

    /// Puts `work` on an attempt at a task into its slot.
    fn run_attempt<F>(
        &mut self,
        task: Task,
        lease: Lease,
        stop: Arc<Stop>,
        work: impl FnOnce(Attempt) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let attempt = Attempt {
            worker: self.worker.clone(),
            progress: self.progress.clone(),
            task: task.clone(),
            lease: lease.clone(),
            stop: stop.clone(),
        };
        let id = self.attempts.spawn(work(attempt)).id();
        let running = Running {
            task,
            lease,
            stop,
            began: Instant::now(),
        };
        self.running.insert(id, running);
    }

    /// Renews every lease, of waiting and of running tasks, and passes on what the store says of each.
    async fn renew(&mut self) {
        let waiting: Vec<_> = self.waiting.iter().map(|r| r.lease.clone()).collect();
        let running: Vec<_> = self.running.values().map(|r| r.lease.clone()).collect();
        let leases = [waiting, running].concat();
        if leases.is_empty() {
            return;
        }
        let held = match self
            .worker
            .store
            .jobs
            .extend(&leases, self.lease_time())
            .await
        {
            Ok(held) => held,
            Err(error) => {
                tracing::warn!(queue = %self.queue, %error, "leases were not renewed");
                return;
            }
        };
        let told: HashMap<_, _> = leases.iter().zip(held).collect();
        // What nothing is known of since the last renewal makes room for work that can begin.
        let doubtful = &mut self.doubtful;
        self.waiting.retain(|reserved| {
            let held = told.get(&reserved.lease);
            if held == Some(&Held::Unknown) && doubtful.len() < MOST_DOUBTFUL {
                doubtful.push(reserved.lease.clone());
            }
            !matches!(held, Some(Held::Lost | Held::Unknown))
        });
        for running in self.running.values() {
            match told.get(&running.lease) {
                Some(Held::Lost) => {
                    tracing::info!(task = %running.task.id, "its lease was lost: the attempt ends");
                    running.stop.now(Why::Lost);
                }
                Some(Held::Cancelled) => running.stop.now(Why::Cancelled),
                Some(Held::Yes | Held::Unknown) | None => {}
            }
        }
    }

    /// Hands back what was given up in doubt, as far as its part of the store answers by now.
    async fn give_back_doubtful(&mut self) {
        let jobs = &self.worker.store.jobs;
        let asked = std::mem::take(&mut self.doubtful);
        let back = asked
            .iter()
            .map(|lease| jobs.hand_back(std::slice::from_ref(lease)));
        let back = futures::future::join_all(back).await;
        let left = asked.into_iter().zip(back);
        let left = left.filter(|(_, back)| matches!(back, Err(StoreError::Unavailable(_))));
        self.doubtful = left.map(|(lease, _)| lease).collect();
    }

    async fn give_back_waiting(&mut self) {
        let waiting: Vec<_> = self.waiting.drain(..).map(|r| r.lease).collect();
        hand_back(&self.worker, &waiting).await;
    }

    /// Hands back what waits, gives what runs the grace time, and then stops it and hands it back too.
    async fn drain(&mut self, mut renewal: Interval) {
        self.give_back_waiting().await;
        self.give_back_doubtful().await;
        let grace = Duration::from_secs(self.worker.config.worker.grace);
        // Work stops at its next checkpoint; that, too, shall be over when the grace time is.
        let winding_down = (grace / 5).min(Duration::from_secs(3));
        let began = Instant::now();
        self.finish_until(began + (grace - winding_down), &mut renewal)
            .await;
        for running in self.running.values() {
            running.stop.now(Why::Draining);
        }
        self.finish_until(began + grace, &mut renewal).await;
        self.attempts.shutdown().await;
        let left: Vec<_> = self.running.drain().map(|(_, r)| r.lease).collect();
        hand_back(&self.worker, &left).await;
    }

    async fn finish_until(&mut self, deadline: Instant, renewal: &mut Interval) {
        while !self.running.is_empty() {
            tokio::select! {
                Some(ended) = self.attempts.join_next_with_id() => self.note_end(ended),
                _ = renewal.tick() => self.renew().await,
                () = tokio::time::sleep_until(deadline) => break,
            }
        }
    }

    fn lease_time(&self) -> Duration {
        Duration::from_secs(self.worker.config.worker.lease)
    }

    fn renewal_period(&self) -> Duration {
        Duration::from_secs(self.worker.config.worker.extend_every.max(1))
    }

    fn show(&self) {
        let load = WorkerLoad {
            running: self.busy(),
            waiting: self.waiting.len(),
            concurrency: self.slots,
            max_tasks_per_child: self.settings.max_tasks_per_child,
            done: self.ended,
        };
        self.loads.set(self.queue, load);
    }
}

/// Never when there is no such time.
async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
