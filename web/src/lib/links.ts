/**
 * Signed links, `path?link=<until>.…`: where a server has keys, the browser opens streams, pictures and files by them,
 * since it can send no header there. Each lasts an hour.
 */

/** A link that is this much older than a fresh one gives way to it; milliseconds. */
const GIVES_WAY = 40 * 60_000;

export function isSigned(url: string): boolean {
  return /[?&]link=/.test(url);
}

/** Of two links to one thing the known one, while it is good: what has been loaded by it is not loaded anew. */
export function steady(known: string | undefined, fresh: string): string {
  if (!known || !isSigned(known) || path(known) !== path(fresh)) return fresh;
  return until(fresh) - until(known) < GIVES_WAY ? known : fresh;
}

function path(url: string): string {
  return url.split("?")[0] ?? "";
}

function until(url: string): number {
  return Number(/[?&]link=(\d+)\./.exec(url)?.[1] ?? Number.NaN);
}
