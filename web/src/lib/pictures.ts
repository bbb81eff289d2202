/** Pictures as the person chose them: what is taken, and a small copy to look at. */

import type { UploadLimits } from "./types";
import { bytes, plural } from "./words";

export interface Picture {
  key: number;
  file: File;
  /** A small data URL; `null` where the browser cannot read the picture; `undefined` while it tries. */
  small: string | null | undefined;
  /** Why the server refused it. */
  refused?: string;
}

const TAKEN = /\.(jpe?g|png|webp)$/i;
const SMALL_SIDE = 288;

/** Names that are told one by one. */
const NAMED = 5;

/** What of `files` goes beside the pictures that are already `chosen`, and what is said of the rest. */
export function leftOut(
  files: File[],
  chosen: number,
  limits: UploadLimits | undefined,
): { taken: File[]; told: string[] } {
  const { max_files: most, max_file_bytes: largest } = limits ?? { max_files: Infinity, max_file_bytes: Infinity };
  const pictures = files.filter(({ name }) => TAKEN.test(name));
  const small = pictures.filter(({ size }) => size > 0 && size <= largest);
  const room = Math.max(0, most - chosen);
  const reasons: [string, File[]][] = [
    ["Only JPEG, PNG and WebP pictures are read", files.filter((file) => !pictures.includes(file))],
    ["An empty file is no picture", pictures.filter(({ size }) => size === 0)],
    [`A picture may have ${bytes(largest)} at most`, pictures.filter(({ size }) => size > largest)],
    [`${plural(most, "picture")} at most are made at once; add the others afterwards`, small.slice(room)],
  ];
  const told = reasons.filter(([, out]) => out.length).map(([why, out]) => `${why}; left out: ${names(out)}.`);
  return { taken: small.slice(0, room), told };
}

function names(files: File[]): string {
  const told = files.slice(0, NAMED).map(({ name }) => name);
  const more = files.length - told.length;
  return told.join(", ") + (more ? ` and ${more} more` : "");
}

/** A pasted picture comes as `image.png` each time; a name of its own tells two apart. */
export function named(file: File, number: number): File {
  return file.name === "image.png" ? new File([file], `pasted-${number}.png`, { type: file.type }) : file;
}

/** The same file chosen twice is one picture. */
export function same(a: File, b: File): boolean {
  return a.name === b.name && a.size === b.size && a.lastModified === b.lastModified;
}

/** Decodes and shrinks; the picture's turn (EXIF) is applied. */
export async function small(file: File): Promise<string | null> {
  try {
    const whole = await createImageBitmap(file);
    const scale = Math.min(1, SMALL_SIDE / Math.max(whole.width, whole.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(whole.width * scale));
    canvas.height = Math.max(1, Math.round(whole.height * scale));
    const context = canvas.getContext("2d");
    if (!context) return null;
    context.imageSmoothingQuality = "high";
    context.drawImage(whole, 0, 0, canvas.width, canvas.height);
    whole.close();
    return canvas.toDataURL("image/webp", 0.8);
  } catch {
    return null;
  }
}
