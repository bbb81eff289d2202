/** What a job's events and snapshots change, as pure functions. An ended item never changes its outcome. */

import { steady } from "./links";
import type { Item, ItemStatus, Job, JobStatus, StreamEvent } from "./types";

const FINAL: ReadonlySet<string> = new Set(["completed", "failed", "cancelled"]);

/** Failures of the picture itself, which would fail again. */
const FOR_GOOD = ["unknown_format", "truncated", "damaged", "too_large", "too_small", "no_content"];

/** Whether it is worthwhile to make it once more. */
export function isWorthAnotherTry(item: Item): boolean {
  const code = typeof item.error === "object" ? item.error?.code : undefined;
  return item.status === "cancelled" || (item.status === "failed" && !FOR_GOOD.includes(code ?? ""));
}

export function isFinal(status: ItemStatus | JobStatus): boolean {
  return FINAL.has(status);
}

/** Events that end the stream, and the status that each gives the job. */
const ENDS: Record<string, JobStatus> = {
  task_completed: "completed",
  task_failed: "failed",
  task_cancelled: "cancelled",
};

/** All events that a job's stream may hold and the page cares for. */
export const EVENTS = [
  "task_queued",
  "task_progress",
  "file_update",
  "task_retry",
  ...Object.keys(ENDS),
] as const;

export function endsJob(event: string): boolean {
  return event in ENDS;
}

/** Mean over the items, an ended one counting as whole; 0 to 100. */
export function overall(job: Job): number {
  if (isFinal(job.status)) return 100;
  if (job.items.length === 0) return 0;
  const sum = job.items.reduce((total, item) => total + (isFinal(item.status) ? 100 : item.progress), 0);
  return sum / job.items.length;
}

/** The job after one event of its stream. Facts may come again after a reconnect; they change nothing then. */
export function apply(job: Job, event: string, data: StreamEvent): Job {
  if (isFinal(job.status)) return job;
  const end = ENDS[event];
  if (end) return { ...job, status: end };
  if (!data.file_id) {
    return event === "task_progress" && job.status === "queued" ? { ...job, status: "processing" } : job;
  }
  const items = job.items.map((item) => (item.file_id === data.file_id ? applyToItem(item, event, data) : item));
  const started = items.some((item) => item.status !== "queued" && item.status !== "pending");
  return { ...job, items, status: started ? "processing" : job.status };
}

function applyToItem(item: Item, event: string, data: StreamEvent): Item {
  if (isFinal(item.status)) return item;
  const status = event === "task_retry" ? "retrying" : itemStatus(data, item.status);
  const told = data.file_progress ?? (event === "task_progress" ? 0 : (data.progress ?? 0));
  const progress = Math.max(item.progress, told);
  const changed: Item = { ...item, status, progress };
  if (data.step) changed.step = data.step;
  if (data.error && status === "failed") changed.error = data.error;
  return changed;
}

/** The old clients' words know no `cancelled` for a file: it is `failed` with that error. */
function itemStatus({ status, error }: StreamEvent, before: ItemStatus): ItemStatus {
  switch (status) {
    case "failed":
      return error === "cancelled" ? "cancelled" : "failed";
    case "completed":
    case "cancelled":
    case "processing":
    case "retrying":
      return status;
    default:
      return before;
  }
}

/** A snapshot taken over what events have told since: an item's progress does not fall back while it runs. */
export function merge(before: Job | null, fresh: Job): Job {
  if (!before) return fresh;
  const items = fresh.items.map((item) => {
    const old = before.items.find((candidate) => candidate.file_id === item.file_id);
    if (!old) return item;
    const files = item.files.map((file) => {
      const known = old.files.find(({ filename }) => filename === file.filename);
      return { ...file, url: steady(known?.url, file.url) };
    });
    if (isFinal(item.status) || old.status !== item.status) return { ...item, files };
    const kept: Item = { ...item, files, progress: Math.max(item.progress, old.progress) };
    if (old.step) kept.step = old.step;
    return kept;
  });
  return { ...fresh, items };
}

/** The sentences to say aloud for what changed between two states of a job. */
export function news(before: Job | null, after: Job): string[] {
  if (!before) return [];
  const told: string[] = [];
  for (const item of after.items) {
    const old = before.items.find((candidate) => candidate.file_id === item.file_id);
    if (!old || isFinal(old.status) || !isFinal(item.status)) continue;
    if (item.status === "completed") told.push(`${item.filename} is ready.`);
    if (item.status === "failed") told.push(`${item.filename} has failed.`);
  }
  if (!isFinal(before.status) && isFinal(after.status)) {
    const ready = after.items.filter((item) => item.status === "completed").length;
    if (after.status === "cancelled") told.push("The job was cancelled.");
    else if (after.items.length > 1) told.push(`All done: ${ready} of ${after.items.length} pictures became models.`);
  }
  return told;
}
