/** What the person is about to submit: pictures, model, options, formats; and its way to the server. */

import * as api from "./api";
import { announcer } from "./announce.svelte";
import { catalogue } from "./catalogue.svelte";
import { leftOut, named, same, small, type Picture } from "./pictures";
import { fields, type Value } from "./options";
import type { ModelInfo, UploadLimits } from "./types";
import { plural } from "./words";

export class UploadForm {
  models = $state.raw<ModelInfo[]>([]);
  pictures = $state<Picture[]>([]);
  /** What was submitted last, to be tried with another shape or other options. */
  last = $state.raw<Picture[]>([]);
  model = $state("");
  /** By model, by option; what is not there has its default. */
  values = $state<Record<string, Record<string, Value>>>({});
  formats = $state<string[]>([]);
  /** Share sent, 0 to 1, while an upload runs. */
  sent = $state<number | undefined>(undefined);
  error = $state.raw<{ text: string; lines: string[] } | undefined>(undefined);
  /** What is said of files that were dropped or chosen but cannot be sent, reason by reason. */
  passedOver = $state.raw<string[]>([]);
  /** What the server takes; until it is known, the server says so itself. */
  limits: UploadLimits | undefined;
  #number = 0;
  /** Kept while the same submission is tried again, so that a lost answer makes no second job. */
  #submission: { key: string; of: string } | undefined;
  #upload: api.Upload | undefined;

  get info(): ModelInfo | undefined {
    return this.models.find(({ name }) => name === this.model);
  }

  async loadModels(): Promise<void> {
    this.error = undefined;
    try {
      this.models = await api.models();
      catalogue.models = this.models;
      this.model ||= this.models[0]?.name ?? "";
    } catch (error) {
      this.#tell(error);
    }
  }

  add(files: Iterable<File>): void {
    const fresh = [...files].filter((file) => !this.pictures.some((picture) => same(picture.file, file)));
    const { taken, told } = leftOut(fresh, this.pictures.length, this.limits);
    this.passedOver = told;
    for (const file of taken) {
      const key = ++this.#number;
      this.pictures.push({ key, file: named(file, key), small: undefined });
      void this.#shrink(key);
    }
    if (taken.length) {
      this.error = undefined;
      announcer.say(`${plural(taken.length, "picture")} added, ${this.pictures.length} in all.`);
    }
  }

  /** Takes the pictures of the last submission again. */
  again(): void {
    this.add(this.last.map(({ file }) => file));
    this.last = [];
  }

  /** Forgets all pictures. */
  clear(): void {
    this.abort();
    this.pictures = [];
    this.last = [];
    this.error = undefined;
    this.passedOver = [];
  }

  remove(key: number): void {
    this.pictures = this.pictures.filter((picture) => picture.key !== key);
    this.error = undefined;
    this.passedOver = [];
  }

  value(name: string): Value | undefined {
    return this.values[this.model]?.[name];
  }

  set(name: string, value: Value | undefined): void {
    const own = (this.values[this.model] ??= {});
    if (value === undefined) delete own[name];
    else own[name] = value;
  }

  /** Uploads; `taken` hears the job's id and the small pictures once the server has accepted. */
  async submit(taken: (id: string, pictures: (string | null)[]) => void): Promise<void> {
    const info = this.info;
    if (!info || this.sent !== undefined || !this.pictures.length) return;
    this.error = undefined;
    this.sent = 0;
    for (const picture of this.pictures) delete picture.refused;
    const asked = fields(info, this.values[info.name] ?? {}, this.formats);
    const submitted = [...this.pictures];
    try {
      this.#upload = api.upload(
        submitted.map(({ file }) => file),
        asked,
        this.#keyOf(asked),
        (share) => (this.sent = share),
      );
      const answer = await this.#upload.answer;
      this.pictures = this.pictures.filter(({ key }) => !submitted.some((picture) => picture.key === key));
      this.last = submitted;
      this.#submission = undefined;
      taken(answer.job_id, submitted.map((picture) => picture.small ?? null));
    } catch (error) {
      this.#tell(error);
    } finally {
      this.sent = undefined;
      this.#upload = undefined;
    }
  }

  abort(): void {
    this.#upload?.abort();
  }

  #keyOf(asked: [string, string][]): string {
    const of = JSON.stringify([asked, this.pictures.map(({ key }) => key)]);
    if (this.#submission?.of !== of) this.#submission = { key: api.submissionKey(), of };
    return this.#submission.key;
  }

  async #shrink(key: number): Promise<void> {
    const find = (): Picture | undefined => this.pictures.find((picture) => picture.key === key);
    const file = find()?.file;
    const made = file ? await small(file) : null;
    const picture = find();
    if (picture) picture.small = made;
  }

  /** Puts each line of a refusal beside its picture; the rest is told above the button. */
  #tell(error: unknown): void {
    if (!(error instanceof api.ApiError)) throw error;
    if (error.status !== 0) this.#submission = undefined;
    const left = error.lines.filter((line) => {
      const picture = this.pictures.find(({ file }) => line.startsWith(`${file.name}: `));
      if (picture) picture.refused = line.slice(picture.file.name.length + 2);
      return !picture && !error.message.includes(line);
    });
    this.error = { text: error.message, lines: left };
  }
}
