// Pictures to submit: the project's samples, and files that only claim to be pictures.
import path from "node:path";

const SAMPLES = path.resolve(import.meta.dirname, "../../../samples");

export const DUCK = path.join(SAMPLES, "duck.jpg");
export const TEAPOT = path.join(SAMPLES, "teapot.jpg");

/** A text that is named like a picture. */
export const TEXT = {
  name: "letter.jpg",
  mimeType: "image/jpeg",
  buffer: Buffer.from("Dear server, I am a letter and no picture at all.\n".repeat(20)),
};

/** A picture that is over the limit. */
export const HUGE = { name: "huge.png", mimeType: "image/png", buffer: Buffer.alloc(11 * 1024 * 1024, 7) };

export const EMPTY = { name: "empty.png", mimeType: "image/png", buffer: Buffer.alloc(0) };

/** A picture that the server refuses before it is decoded. */
export const CLAIMED = { name: "claimed.png", mimeType: "text/plain", buffer: Buffer.from("a text") };

/** `count` copies of a picture under names of their own. */
export function copies(picture, count) {
  return Array.from({ length: count }, (_, index) => ({
    name: `picture-${index + 1}.jpg`,
    mimeType: "image/jpeg",
    buffer: picture,
  }));
}
