import { beforeEach, describe, expect, it } from "vitest";
import { ApiError } from "./api";
import { watch, type Connection, type World } from "./stream";
import type { Job } from "./types";

/** An `EventSource` that does what the test says. */
class Source extends EventTarget {
  readyState = 0;
  closed = false;
  readonly url: string;

  constructor(url: string) {
    super();
    this.url = url;
  }

  close(): void {
    this.closed = true;
    this.readyState = 2;
  }

  opens(): void {
    this.readyState = 1;
    this.dispatchEvent(new Event("open"));
  }

  breaks(readyState: 0 | 2): void {
    this.readyState = readyState;
    this.dispatchEvent(new Event("error"));
  }

  tells(name: string, id: string, data: unknown): void {
    const event = Object.assign(new Event(name), { data: JSON.stringify(data), lastEventId: id });
    this.dispatchEvent(event);
  }
}

const JOB: Job = { job_id: "j", status: "processing", created: 0, options: {}, items: [], stream_url: "/s" };

let sources: Source[];
let waits: { action: () => void; milliseconds: number; dropped: boolean }[];
let answer: () => Promise<Job>;
let heard: { events: string[]; connections: Connection[]; snapshots: string[]; gone: number };

const world: World = {
  open: (url) => {
    const source = new Source(url);
    sources.push(source);
    return source as unknown as EventSource;
  },
  load: () => answer(),
  later: (action, milliseconds) => {
    const wait = { action, milliseconds, dropped: false };
    waits.push(wait);
    return () => (wait.dropped = true);
  },
};

function start(): () => void {
  const listener = {
    event: (name: string) => void heard.events.push(name),
    connection: (state: Connection) => void heard.connections.push(state),
    snapshot: (job: Job) => void heard.snapshots.push(job.status),
    gone: () => void (heard.gone += 1),
  };
  return watch("j", (last) => `/stream?after=${last}`, listener, world);
}

/** Lets everything that has been promised happen. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
}

beforeEach(() => {
  sources = [];
  waits = [];
  answer = () => Promise.resolve(JOB);
  heard = { events: [], connections: [], snapshots: [], gone: 0 };
});

describe("following a stream", () => {
  it("passes events on and ends with the job, after one look at it", async () => {
    start();
    sources[0]?.opens();
    sources[0]?.tells("file_update", "2", {});
    answer = () => Promise.resolve({ ...JOB, status: "completed" });
    sources[0]?.tells("task_completed", "3", {});
    await settle();
    expect(heard).toEqual({
      events: ["file_update", "task_completed"],
      connections: ["live"],
      snapshots: ["completed"],
      gone: 0,
    });
    expect(sources[0]?.closed).toBe(true);
  });

  it("lets the browser reconnect, and takes a snapshot when it has", async () => {
    start();
    sources[0]?.opens();
    sources[0]?.breaks(0);
    await settle();
    expect(heard.snapshots).toEqual([]);
    sources[0]?.opens();
    await settle();
    expect(heard.connections).toEqual(["live", "lost", "live"]);
    expect(heard.snapshots).toEqual(["processing"]);
    expect(sources.length).toBe(1);
  });

  it("opens a new stream after the last event where the browser gave up, later and later", async () => {
    start();
    sources[0]?.opens();
    sources[0]?.tells("file_update", "2.7", {});
    sources[0]?.breaks(2);
    await settle();
    waits[0]?.action();
    expect(sources[1]?.url).toBe("/stream?after=2.7");
    answer = () => Promise.reject(new ApiError(0, "no server"));
    sources[1]?.breaks(2);
    await settle();
    expect(waits.map(({ milliseconds }) => milliseconds)).toEqual([500, 1000]);
    waits[1]?.action();
    sources[2]?.opens();
    sources[2]?.breaks(2);
    await settle();
    expect(waits[2]?.milliseconds).toBe(500);
  });

  it("stops when a look shows that the job has ended or is gone", async () => {
    answer = () => Promise.resolve({ ...JOB, status: "failed" });
    start();
    sources[0]?.breaks(2);
    await settle();
    expect(heard.snapshots).toEqual(["failed"]);
    answer = () => Promise.reject(new ApiError(404, "no such job"));
    start();
    sources[1]?.breaks(2);
    await settle();
    expect(heard.gone).toBe(1);
    expect(waits).toEqual([]);
  });

  it("keeps looking for the files of an ended job while the server is away", async () => {
    start();
    answer = () => Promise.reject(new ApiError(0, "no server"));
    sources[0]?.tells("task_completed", "3", {});
    await settle();
    expect(waits.length).toBe(1);
    answer = () => Promise.resolve({ ...JOB, status: "completed" });
    waits[0]?.action();
    await settle();
    expect(heard.snapshots).toEqual(["completed"]);
  });

  it("hears nothing after it was stopped", async () => {
    const stop = start();
    sources[0]?.breaks(2);
    await settle();
    stop();
    expect(waits[0]?.dropped).toBe(true);
    sources[0]?.tells("file_update", "2", {});
    expect(heard.events).toEqual([]);
  });

  it("asks no more when it was stopped while a look was on its way", async () => {
    const stop = start();
    let fail: (error: Error) => void = () => {};
    answer = () => new Promise((_, reject) => (fail = reject));
    sources[0]?.tells("task_completed", "3", {});
    stop();
    fail(new ApiError(0, "no server"));
    await settle();
    expect(waits).toEqual([]);
    expect(heard.snapshots).toEqual([]);
  });
});
