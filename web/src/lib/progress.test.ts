import { describe, expect, it } from "vitest";
import { apply, isWorthAnotherTry, merge, news, overall } from "./progress";
import type { Item, Job, StreamEvent } from "./types";

function item(id: string, change: Partial<Item> = {}): Item {
  return { file_id: id, filename: `${id}.jpg`, status: "queued", progress: 0, attempts: 0, warnings: [], files: [], ...change };
}

function job(items: Item[], change: Partial<Job> = {}): Job {
  return { job_id: "j", status: "queued", created: 0, options: {}, items, stream_url: "/s", ...change };
}

function told(start: Job, events: [string, StreamEvent][]): Job {
  return events.reduce((now, [name, data]) => apply(now, name, data), start);
}

const STARTED: [string, StreamEvent] = ["file_update", { file_id: "a", status: "processing", progress: 0 }];
const HALF: [string, StreamEvent] = ["task_progress", { file_id: "a", status: "processing", progress: 25, file_progress: 50, step: "shape" }];
const READY: [string, StreamEvent] = ["file_update", { file_id: "a", status: "completed", progress: 100 }];

describe("a job's events", () => {
  it("lead from queued to done", () => {
    const start = job([item("a"), item("b")]);
    const half = told(start, [["task_queued", { status: "queued" }], STARTED, HALF]);
    expect(half.status).toBe("processing");
    expect(half.items[0]).toMatchObject({ status: "processing", progress: 50, step: "shape" });
    expect(overall(half)).toBe(25);
    const failed = told(half, [READY, ["file_update", { file_id: "b", status: "failed", progress: 100, error: "not a picture" }]]);
    expect(failed.items.map(({ status }) => status)).toEqual(["completed", "failed"]);
    expect(failed.items[1]?.error).toBe("not a picture");
    expect(told(failed, [["task_completed", { status: "completed" }]]).status).toBe("completed");
  });

  it("change nothing when they come again", () => {
    const once = told(job([item("a"), item("b")]), [STARTED, HALF, READY]);
    expect(told(once, [STARTED, HALF, READY])).toEqual(once);
  });

  it("never move an item's progress back, not for a new attempt either", () => {
    const half = told(job([item("a")]), [STARTED, HALF]);
    expect(told(half, [STARTED]).items[0]?.progress).toBe(50);
    const retried = told(half, [["task_retry", { file_id: "a", status: "retrying", progress: 50, error: "mesh" }]]);
    expect(retried.items[0]).toMatchObject({ status: "retrying", progress: 50 });
    expect(retried.items[0]?.error).toBeUndefined();
    expect(told(retried, [STARTED]).items[0]).toMatchObject({ status: "processing", progress: 50 });
  });

  it("tell a cancelled item from a failed one", () => {
    const cancelled = told(job([item("a")]), [["file_update", { file_id: "a", status: "failed", progress: 100, error: "cancelled" }]]);
    expect(cancelled.items[0]?.status).toBe("cancelled");
  });

  it("leave an ended job as it is", () => {
    const ended = job([item("a", { status: "cancelled" })], { status: "cancelled" });
    expect(told(ended, [STARTED, ["task_completed", {}]])).toBe(ended);
  });
});

describe("a snapshot", () => {
  it("does not take a running item back, and brings the files of an ended one", () => {
    const before = told(job([item("a"), item("b")]), [STARTED, HALF]);
    const file = { filename: "f.glb", format: "glb", size: 1, url: "/f.glb" };
    const fresh = job([item("a", { status: "processing", progress: 40 }), item("b", { status: "completed", files: [file] })], {
      status: "processing",
    });
    const merged = merge(before, fresh);
    expect(merged.items[0]).toMatchObject({ progress: 50, step: "shape" });
    expect(merged.items[1]?.files).toEqual([file]);
  });
});

describe("news", () => {
  it("are said once for each end", () => {
    const before = told(job([item("a"), item("b")]), [STARTED]);
    const after = told(before, [READY]);
    expect(news(before, after)).toEqual(["a.jpg is ready."]);
    expect(news(after, after)).toEqual([]);
    expect(news(null, after)).toEqual([]);
    const ended = { ...after, status: "cancelled" as const };
    expect(news(after, ended)).toEqual(["The job was cancelled."]);
  });
});

describe("another try", () => {
  it("is for what was cancelled or failed by no fault of the picture's", () => {
    const failed = (code: string): Item => item("a", { status: "failed", error: { code, message: "why" } });
    expect(isWorthAnotherTry(item("a", { status: "cancelled" }))).toBe(true);
    expect(isWorthAnotherTry(failed("decoder_died"))).toBe(true);
    expect(isWorthAnotherTry(failed("truncated"))).toBe(false);
    expect(isWorthAnotherTry(item("a", { status: "completed" }))).toBe(false);
  });
});
