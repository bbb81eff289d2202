/** The jobs of this browser and their live state: a few are streamed, the rest looked at together. */

import * as api from "./api";
import { access } from "./access.svelte";
import { announcer } from "./announce.svelte";
import { isSigned } from "./links";
import { apply, isFinal, merge, news } from "./progress";
import { load, save } from "./storage";
import { watch, type Connection } from "./stream";
import type { Job, StreamEvent } from "./types";

/** A browser allows six connections to an HTTP/1.1 server, over all tabs; streams keep theirs. */
const STREAMS = 2;
const POLL = 3000;
const AT_ONCE = 100;
/** Between two looks whether links grow old, and how old what was loaded may be: links last an hour. */
const LINKS_LOOK = 60_000;
const LINKS_AGE = 10 * 60_000;

/** One job as this page follows it. */
export class Followed {
  readonly id: string;
  readonly pictures: (string | null)[];
  job = $state.raw<Job | null>(null);
  connection = $state<Connection>("live");
  stop: (() => void) | undefined;
  /** When the server last told how it stands. */
  #loaded = 0;

  constructor(id: string, pictures: (string | null)[]) {
    this.id = id;
    this.pictures = pictures;
  }

  get running(): boolean {
    return !this.job || !isFinal(this.job.status);
  }

  /** Its links are such that end, and not of just now. */
  get ages(): boolean {
    const files = this.job?.items.flatMap((item) => item.files) ?? [];
    return files.some(({ url }) => isSigned(url)) && Date.now() - this.#loaded > LINKS_AGE;
  }

  /** Takes over what the server tells. */
  load(job: Job): void {
    this.#loaded = Date.now();
    this.set(merge(this.job, job));
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
    setInterval(() => void this.#renew(), LINKS_LOOK);
    document.addEventListener("visibilitychange", () => void this.#renew());
  }

  /** Goes on after a key was asked for. */
  resume(): void {
    void this.#look();
  }

  /** Takes all jobs off this browser's list; the server keeps them. */
  forgetAll(): void {
    for (const followed of this.list) followed.stop?.();
    this.list = [];
    this.#keep();
    this.#balance();
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
    followed.load(await api.cancel(followed.id));
  }

  async refresh(followed: Followed): Promise<void> {
    followed.load(await api.job(followed.id));
  }

  #keep(): void {
    save(this.list.map(({ id, pictures }) => ({ id, pictures })));
  }

  /** Loads every running job that has no stream. */
  async #look(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#load(this.list.filter((followed) => followed.running && !followed.stop));
    this.#balance();
  }

  /** Gets new links for what is done, before the old ones end: while a job runs, it is loaded anyway. */
  async #renew(): Promise<void> {
    if (document.hidden || access.asks) return;
    await this.#load(this.list.filter((followed) => !followed.running && followed.ages));
  }

  /** In one request per hundred. */
  async #load(wanted: Followed[]): Promise<void> {
    try {
      for (let at = 0; at < wanted.length; at += AT_ONCE) {
        const part = wanted.slice(at, at + AT_ONCE);
        const found = await api.jobs(part.map(({ id }) => id));
        part.forEach((followed, index) => {
          const job = found[index];
          if (job) followed.load(job);
          else this.forget(followed.id);
        });
      }
      this.unreachable = false;
    } catch (error) {
      this.unreachable = error instanceof api.ApiError && error.status === 0;
    }
  }

  /** Gives the newest running jobs a stream each and plans the next look at the others. */
  #balance(): void {
    clearTimeout(this.#timer);
    if (access.asks) return;
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
      (lastEvent) => (followed.job ? api.streamUrl(followed.job, lastEvent) : ""),
      {
        event: (name, data) => reader.event(name, data),
        connection: (state) => (followed.connection = state),
        snapshot: (job) => {
          followed.load(job);
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
      this.#followed.load(await api.job(this.#followed.id));
    } catch {
      // The job's end brings the files, or the next reconnect does.
    }
    this.#loading = false;
    if (this.#again) void this.#load();
  }
}

export const jobs = new Jobs();
