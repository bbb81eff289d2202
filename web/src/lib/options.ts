/** A model's options: what is sent for them, and how a control shows them. */

import type { ModelInfo, OptionSpec } from "./types";

export type Value = string | number | boolean;

/** Options that everybody sees; the others lie under "More options". */
export function isProminent(spec: OptionSpec): boolean {
  return spec.name === "face_limit";
}

/** The form fields of a submission: the model, what differs from its defaults, and further formats. */
export function fields(
  info: ModelInfo,
  values: Record<string, Value>,
  formats: string[],
): [string, string][] {
  const asked: [string, string][] = [["model", info.name]];
  for (const spec of info.options) {
    const value = values[spec.name];
    if (value !== undefined && value !== spec.default) asked.push([spec.name, String(value)]);
  }
  for (const format of formats) {
    if (info.supported_formats.includes(format)) asked.push(["format", format]);
  }
  return asked;
}

/** Why a number cannot be taken, or nothing. */
export function fault(spec: OptionSpec, value: Value | undefined): string {
  if (spec.type !== "integer" && spec.type !== "number") return "";
  if (value === undefined) return "";
  if (typeof value !== "number" || Number.isNaN(value)) return "Enter a number.";
  if (value < spec.min || value > spec.max) {
    return `From ${spec.min.toLocaleString("en")} to ${spec.max.toLocaleString("en")}.`;
  }
  return spec.type === "integer" && !Number.isInteger(value) ? "Enter a whole number." : "";
}

const STEPS = 200;
/** The slider starts where the server's least face count is; fewer can be typed and counts as this. */
const SLIDER_FROM = 100;

/** A slider's place (0 to 200) for a value on a logarithmic scale, and back with two digits kept. */
export function toSlider(value: number, max: number): number {
  const clamped = Math.min(Math.max(value, SLIDER_FROM), max);
  return Math.round((STEPS * Math.log(clamped / SLIDER_FROM)) / Math.log(max / SLIDER_FROM));
}

export function fromSlider(place: number, max: number): number {
  const exact = SLIDER_FROM * (max / SLIDER_FROM) ** (place / STEPS);
  const digit = 10 ** (Math.floor(Math.log10(exact)) - 1);
  return Math.min(max, Math.round(exact / digit) * digit);
}
