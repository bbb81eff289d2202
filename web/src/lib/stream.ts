/**
 * Follows a job's event stream until the job has ended.
 *
 * The browser's `EventSource` reconnects by itself after a broken connection and sends the last event's id, so
 * nothing is missed. It gives up on an answer that is no stream (503 while the server starts, 204 when
 * all has been told); then a look at the job decides between the end and another try, later and later,
 * from the event that was seen last.
 */

import { ApiError } from "./api";
import { EVENTS, endsJob, isFinal } from "./progress";
import type { Job, StreamEvent } from "./types";

export type Connection = "live" | "lost";

export interface Listener {
  event: (name: string, data: StreamEvent) => void;
  /** The stream is open, or broken and being tried again. */
  connection: (state: Connection) => void;
  /** A snapshot, taken where the stream alone cannot tell. */
  snapshot: (job: Job) => void;
  /** The server knows no such job any more. */
  gone: () => void;
}

/** What `watch` needs from outside; tests bring their own. */
export interface World {
  open: (url: string) => EventSource;
  load: (id: string) => Promise<Job>;
  later: (action: () => void, milliseconds: number) => () => void;
}

const FIRST_WAIT = 500;
const LONGEST_WAIT = 15_000;
/** `EventSource.CLOSED`, which is not there where tests run. */
const CLOSED = 2;

/** Starts following; the returned function stops it. */
export function watch(id: string, url: (lastEvent: string) => string, listener: Listener, world: World): () => void {
  let source: EventSource | undefined;
  let unschedule: (() => void) | undefined;
  let wait = FIRST_WAIT;
  let lastEvent = "";
  /** All has been told; a last snapshot may be on its way. */
  let over = false;
  /** Nobody listens any more. */
  let stopped = false;
  let broken = false;

  function end(): void {
    over = true;
    source?.close();
    unschedule?.();
  }

  function stop(): void {
    stopped = true;
    end();
  }

  function lost(): void {
    broken = true;
    listener.connection("lost");
  }

  function receive(name: string, event: MessageEvent<string>): void {
    if (over) return;
    lastEvent = event.lastEventId;
    let data: StreamEvent;
    try {
      data = JSON.parse(event.data) as StreamEvent;
    } catch {
      return;
    }
    listener.event(name, data);
    if (endsJob(name)) {
      end();
      void look();
    }
  }

  function connect(): void {
    source = world.open(url(lastEvent));
    const opened = source;
    for (const name of EVENTS) {
      opened.addEventListener(name, (event) => receive(name, event as MessageEvent<string>));
    }
    opened.addEventListener("open", () => {
      wait = FIRST_WAIT;
      listener.connection("live");
      // Facts are replayed, but a snapshot shows at once where everything stands.
      if (broken) void look();
      broken = false;
    });
    opened.addEventListener("error", () => {
      if (over) return;
      lost();
      if (opened.readyState === CLOSED) void decide();
    });
  }

  /** Takes a snapshot; says whether the job is over or gone. */
  async function look(): Promise<boolean> {
    try {
      const job = await world.load(id);
      if (stopped) return true;
      listener.snapshot(job);
      return isFinal(job.status);
    } catch (error) {
      if (stopped) return true;
      if (error instanceof ApiError && error.status === 404) {
        listener.gone();
        return true;
      }
      if (over) unschedule = world.later(() => void look(), retryWait());
      return false;
    }
  }

  async function decide(): Promise<void> {
    const done = await look();
    if (over) return;
    if (done) end();
    else unschedule = world.later(connect, retryWait());
  }

  function retryWait(): number {
    const now = wait;
    wait = Math.min(wait * 2, LONGEST_WAIT);
    return now;
  }

  connect();
  return stop;
}
