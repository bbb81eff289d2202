/** The jobs of this browser and their live state: a few are streamed, the rest looked at together. */

import * as api from "./api";
import { announcer } from "./announce.svelte";
import { apply, isFinal, merge, news } from "./progress";
import { load, save } from "./storage";
import { watch, type Connection } from "./stream";
import type { Job, StreamEvent } from "./types";

/** A browser allows six connections to an HTTP/1.1 server, over all tabs; streams keep theirs. */
const STREAMS = 2;
const POLL = 3000;
const AT_ONCE = 100;

/** One job as this page follows it. */
export class Followed {
  readonly id: string;
  readonly pictures: (string | null)[];
  job = $state.raw<Job | null>(null);
  connection = $state<Connection>("live");
  stop: (() => void) | undefined;

  constructor(id: string, pictures: (string | null)[]) {
    this.id = id;
    this.pictures = pictures;
  }

  get running(): boolean {
    return !this.job || !isFinal(this.job.status);
  }

  /** Takes over a newer state and says aloud what has changed. */
  set(job: Job): void {
    const told = news(this.job, job);
    this.job = job;
    if (told.length) announcer.say(told.join(" "));
  }
}

class Jobs {
  list = $state<Followed[]>([]);
  /** The server did not answer the last look at the list. */
  unreachable = $state(false);
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Reads the list of earlier visits and picks up again what still runs. */
  start(): void {
    this.list = load().map(({ id, pictures }) => new Followed(id, pictures));
    void this.#look();
  }

  /** Follows a job, as the newest. */
  add(id: string, pictures: (string | null)[]): void {
    if (this.list.some((followed) => followed.id === id)) return;
    this.list = [new Followed(id, pictures), ...this.list];
    this.#keep();
    void this.#look();
  }

  /** Takes a job off this browser's list; the server keeps it. */
  forget(id: string): void {
    this.list.find((followed) => followed.id === id)?.stop?.();
    this.list = this.list.filter((followed) => followed.id !== id);
    this.#keep();
    this.#balance();
  }

  async cancel(followed: Followed): Promise<void> {
    followed.set(merge(followed.job, await api.cancel(followed.id)));
  }

  async refresh(followed: Followed): Promise<void> {
    followed.set(merge(followed.job, await api.job(followed.id)));
  }

  #keep(): void {
    save(this.list.map(({ id, pictures }) => ({ id, pictures })));
  }

  /** Loads every running job that has no stream, in one request per hundred. */
  async #look(): Promise<void> {
    clearTimeout(this.#timer);
    const wanted = this.list.filter((followed) => followed.running && !followed.stop);
    try {
      for (let at = 0; at < wanted.length; at += AT_ONCE) {
        const part = wanted.slice(at, at + AT_ONCE);
        const found = await api.jobs(part.map(({ id }) => id));
        part.forEach((followed, index) => {
          const job = found[index];
          if (job) followed.set(merge(followed.job, job));
          else this.forget(followed.id);
        });
      }
      this.unreachable = false;
    } catch (error) {
      this.unreachable = error instanceof api.ApiError && error.status === 0;
    }
    this.#balance();
  }

  /** Gives the newest running jobs a stream each and plans the next look at the others. */
  #balance(): void {
    clearTimeout(this.#timer);
    const running = this.list.filter((followed) => followed.running);
    for (const followed of running.slice(0, STREAMS)) {
      if (followed.job && !followed.stop) this.#stream(followed);
    }
    if (running.some((followed) => !followed.stop)) {
      this.#timer = setTimeout(() => void this.#look(), POLL);
    }
  }

  #stream(followed: Followed): void {
    const reader = new Reader(followed);
    followed.stop = watch(
      followed.id,
      (lastEvent) => api.streamUrl(followed.id, lastEvent),
      {
        event: (name, data) => reader.event(name, data),
        connection: (state) => (followed.connection = state),
        snapshot: (job) => {
          followed.set(merge(followed.job, job));
          if (followed.running) return;
          followed.connection = "live";
          followed.stop = undefined;
          this.#balance();
        },
        gone: () => this.forget(followed.id),
      },
      {
        open: (url) => new EventSource(url),
        load: api.job,
        later: (action, milliseconds) => {
          const timer = setTimeout(action, milliseconds);
          return () => clearTimeout(timer);
        },
      },
    );
  }
}

/** Applies events, and fetches the files of an item as soon as it has them: events do not carry files. */
class Reader {
  #followed: Followed;
  #loading = false;
  #again = false;

  constructor(followed: Followed) {
    this.#followed = followed;
  }

  event(name: string, data: StreamEvent): void {
    const before = this.#followed.job;
    if (!before) return;
    const after = apply(before, name, data);
    this.#followed.set(after);
    const ended = (job: Job): number => job.items.filter((item) => isFinal(item.status)).length;
    if (ended(after) > ended(before) && !isFinal(after.status)) void this.#load();
  }

  async #load(): Promise<void> {
    this.#again = this.#loading;
    if (this.#loading) return;
    this.#loading = true;
    try {
      this.#followed.set(merge(this.#followed.job, await api.job(this.#followed.id)));
    } catch {
      // The job's end brings the files, or the next reconnect does.
    }
    this.#loading = false;
    if (this.#again) void this.#load();
  }
}

export const jobs = new Jobs();
