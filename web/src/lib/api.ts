/** The server's API: one function per request, one error class for every refusal. */

import { access } from "./access.svelte";
import type { Job, ModelInfo, UploadAnswer, UploadLimits } from "./types";
import { sentence, span } from "./words";

const BASE = "/api/v1";

/** A refusal in the server's own words, or what the browser knows when the server did not answer. */
export class ApiError extends Error {
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
  /** One line per thing that is wrong, where there are several. */
  readonly lines: string[];
  /** What else the server says, as it says it. */
  readonly details: unknown;

  constructor(status: number, message: string, lines: string[] = [], details: unknown = {}) {
    super(message);
    this.status = status;
    this.lines = lines;
    this.details = details;
  }
}

const UNREACHABLE = "The server cannot be reached. Check that it is running, then try again.";

/** Statuses of a proxy whose server is busy, starts anew or is away for now. */
const FOR_NOW = [429, 502, 503, 504];

/** What to do about a refusal that ends by itself, as `Retry-After` tells; empty where nobody knows. */
function waiting(retryAfter: string | null): string {
  const seconds = Number(retryAfter);
  return seconds > 0 ? ` Wait ${span(seconds)}, then try again.` : "";
}

/** Reads an error body: problem+json with the old members beside. */
export function refusal(status: number, body: string, retryAfter: string | null = null): ApiError {
  const wait = waiting(retryAfter);
  try {
    const problem: unknown = JSON.parse(body);
    if (problem && typeof problem === "object") {
      const { detail, message, error, errors, details } = problem as Record<string, unknown>;
      const text = [detail, message, error].find((part) => typeof part === "string");
      if (typeof text === "string") {
        return new ApiError(status, sentence(text) + wait, lines(errors, details), details ?? {});
      }
    }
  } catch {
    // Not JSON: a proxy's own page, say.
  }
  const advice = wait || (FOR_NOW.includes(status) ? " Wait a moment, then try again." : "");
  return new ApiError(status, `The server answered with status ${status}.${advice}`);
}

/** What an error body lists: texts, or `{field, message}`. */
function lines(errors: unknown, details: unknown): string[] {
  const parts = (details ?? {}) as Record<string, unknown>;
  for (const list of [errors, parts["errors"], parts["validation_errors"]]) {
    if (!Array.isArray(list)) continue;
    const texts = list.map((part: unknown) =>
      typeof part === "string" ? part : String((part as { message?: unknown } | null)?.message ?? ""),
    );
    const told = texts.filter((text) => text);
    if (told.length) return told;
  }
  return [];
}

/** The refusal, of which is known then whether a key would end it. */
function refused(status: number, body: string, retryAfter: string | null): ApiError {
  const problem = refusal(status, body, retryAfter);
  access.hear(status, problem.details);
  return problem;
}

async function request<T>(path: string, init?: RequestInit): Promise<T> {
  let response: Response;
  try {
    response = await fetch(BASE + path, { headers: access.headers(), ...init });
  } catch {
    throw new ApiError(0, UNREACHABLE);
  }
  if (!response.ok) throw refused(response.status, await response.text(), response.headers.get("Retry-After"));
  return (await response.json()) as T;
}

/** What this browser may send, with that key; an error where it may not call at all. */
export async function check(key = access.key): Promise<UploadLimits> {
  const usage = await request<{ upload: UploadLimits }>("/usage", { headers: access.headers(key) });
  return usage.upload;
}

export function models(): Promise<ModelInfo[]> {
  return request("/models/available");
}

export function job(id: string): Promise<Job> {
  return request(`/jobs/${id}`);
}

/** The jobs in the order asked for; `null` for those that are gone. At most 100. */
export async function jobs(ids: string[]): Promise<(Job | null)[]> {
  const answer = await request<{ jobs: (Job | null)[] }>(`/jobs?ids=${ids.join(",")}`);
  return answer.jobs;
}

export function cancel(id: string): Promise<Job> {
  return request(`/jobs/${id}/cancel`, { method: "POST" });
}

/** Makes a new job of what has become no model; under one key it makes one. */
export function retry(id: string, key: string): Promise<Job> {
  const headers = { ...access.headers(), "Idempotency-Key": key };
  return request(`/jobs/${id}/retry`, { method: "POST", headers });
}

/** Where a job's item can be had in a format that it was not made in. */
export function formatUrl(jobId: string, fileId: string, format: string): string {
  const query = new URLSearchParams({ format, file_id: fileId });
  return `${BASE}/models/download/${jobId}?${query}`;
}

/** A job's event stream, after the event that was seen last. */
export function streamUrl(job: Job, lastEvent: string): string {
  const url = job.stream_url;
  if (!lastEvent) return url;
  return `${url}${url.includes("?") ? "&" : "?"}${new URLSearchParams({ last_event_id: lastEvent })}`;
}

interface Health {
  results?: { text?: string };
}

/** How long results are kept, in the server's words; empty when it does not say. */
export async function retention(): Promise<string> {
  let health: Health | null;
  try {
    health = await request<Health>("/health/detailed");
  } catch (error) {
    // A server that is unwell, by a full disk say, tells the same in its refusal.
    health = error instanceof ApiError ? (error.details as Health) : null;
  }
  return health?.results?.text ?? "";
}

/** Has the server make a further format; resolves when the file is there. */
export async function makeFormat(url: string, patience = 120_000): Promise<void> {
  const until = Date.now() + patience;
  for (;;) {
    const abort = new AbortController();
    let response: Response;
    try {
      response = await fetch(url, { signal: abort.signal, headers: access.headers() });
    } catch {
      throw new ApiError(0, UNREACHABLE);
    }
    if (response.ok) {
      // The link will fetch the body; here only the answer counts.
      abort.abort();
      return;
    }
    const retryAfter = response.headers.get("Retry-After");
    const problem = refused(response.status, await response.text(), retryAfter);
    if (response.status !== 503 || Date.now() > until) throw problem;
    const seconds = Number(retryAfter) || 2;
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  }
}

export interface Upload {
  answer: Promise<UploadAnswer>;
  abort: () => void;
}

/**
 * Sends pictures and options as one job. `key` makes a repeat after a lost connection find the same job.
 * `progress` hears the share that has been sent, 0 to 1.
 */
export function upload(
  files: File[],
  fields: [string, string][],
  key: string,
  progress: (share: number) => void,
): Upload {
  const form = new FormData();
  for (const [name, value] of fields) form.append(name, value);
  for (const file of files) form.append("files", file, file.name);
  // Not fetch: only this tells how much of a body has been sent.
  const sender = new XMLHttpRequest();
  const answer = new Promise<UploadAnswer>((resolve, reject) => {
    sender.open("POST", `${BASE}/upload/`);
    sender.setRequestHeader("Idempotency-Key", key);
    for (const [name, value] of Object.entries(access.headers())) sender.setRequestHeader(name, value);
    sender.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) progress(event.loaded / event.total);
    });
    sender.addEventListener("load", () => {
      if (sender.status >= 200 && sender.status < 300) {
        resolve(JSON.parse(sender.responseText) as UploadAnswer);
      } else {
        reject(refused(sender.status, sender.responseText, sender.getResponseHeader("Retry-After")));
      }
    });
    sender.addEventListener("error", () => reject(new ApiError(0, UNREACHABLE)));
    sender.addEventListener("abort", () => reject(new ApiError(0, "The upload was stopped.")));
  });
  sender.send(form);
  return { answer, abort: () => sender.abort() };
}

/** A random name for one submission; works without a secure context, where `randomUUID` is missing. */
export function submissionKey(): string {
  const random = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
