/** Numbers and names as people read them. */

import type { ItemStatus, JobStatus, Notice } from "./types";

export function bytes(count: number): string {
  if (count < 1000) return `${count} B`;
  const units = ["kB", "MB", "GB"];
  let value = count;
  let unit = "B";
  for (const next of units) {
    if (value < 1000) break;
    value /= 1000;
    unit = next;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

export function count(value: number): string {
  return value.toLocaleString("en");
}

/** `1 picture`, `3 pictures`. */
export function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** A length in millimetres, with as many digits as a maker cares for. */
export function millimetres(value: number): string {
  return value < 10 ? value.toFixed(1) : String(Math.round(value));
}

/** `texture_size` → `Texture size`; a trailing `_mm` belongs to the unit. */
export function optionLabel(name: string): string {
  const text = name.replace(/_mm$/, "").replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function noticeText(notice: Notice | string): string {
  return sentence(typeof notice === "string" ? notice : notice.message);
}

/** `1 second`, `40 seconds`, `3 minutes`, `2 hours`: never less than it is. */
export function span(seconds: number): string {
  if (seconds < 100) return plural(Math.ceil(seconds), "second");
  if (seconds < 6000) return plural(Math.ceil(seconds / 60), "minute");
  return plural(Math.ceil(seconds / 3600), "hour");
}

/** First letter upper case, unless it is a file's, and one full stop. */
export function sentence(text: string): string {
  const trimmed = text.trim();
  if (!trimmed) return trimmed;
  const isFile = /^[^:]*\.\w+:/.test(trimmed);
  const started = isFile ? trimmed : trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?…]$/.test(started) ? started : `${started}.`;
}

const STATUS_WORDS: Record<ItemStatus | JobStatus, string> = {
  pending: "Waiting",
  queued: "Waiting",
  processing: "Working",
  retrying: "Trying again",
  completed: "Done",
  failed: "Failed",
  cancelled: "Cancelled",
};

export function statusWord(status: ItemStatus | JobStatus): string {
  return STATUS_WORDS[status];
}

const FORMATS: Record<string, { label: string; use: string }> = {
  glb: { label: "GLB", use: "Blender, Unity, web" },
  obj: { label: "OBJ", use: "shape only" },
  "obj.zip": { label: "OBJ + texture", use: "as a ZIP" },
  stl: { label: "STL", use: "3D printing" },
  ply: { label: "PLY", use: "vertex colours" },
};

export function formatLabel(format: string): string {
  return FORMATS[format]?.label ?? format.toUpperCase();
}

export function formatUse(format: string): string {
  return FORMATS[format]?.use ?? "";
}

/** The file's name without its extension. */
export function stem(filename: string): string {
  return filename.replace(/\.[^.]+$/, "") || filename;
}

/** `just now`, `5 minutes ago`, `yesterday`. */
export function ago(moment: number | string, now = Date.now()): string {
  const then = typeof moment === "number" ? moment : Date.parse(moment);
  const seconds = Math.round((then - now) / 1000);
  if (Number.isNaN(seconds) || seconds > -45) return "just now";
  const format = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  if (seconds > -3600) return format.format(Math.round(seconds / 60), "minute");
  if (seconds > -86_400) return format.format(Math.round(seconds / 3600), "hour");
  return format.format(Math.round(seconds / 86_400), "day");
}
