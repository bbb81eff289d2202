/** Pictures as the person chose them: what is taken, and a small copy to look at. */

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

/** Whether the server will look at a file of that name at all. */
export function isTaken(file: File): boolean {
  return TAKEN.test(file.name);
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
