// What is really drawn on the canvas.

/** The canvas as a person sees it, as a PNG. */
export function look(page) {
  return page.locator('[role="application"]').screenshot();
}

/** The same place with the drawing taken away: the ground alone. */
export async function ground(page) {
  const canvas = page.locator('[role="application"] canvas');
  await canvas.evaluate((element) => (element.style.visibility = "hidden"));
  const picture = await look(page);
  await canvas.evaluate((element) => (element.style.visibility = ""));
  return picture;
}

/**
 * Compares two PNGs of equal size: the share of pixels that differ visibly, and how many colours (of 4096) the
 * differing ones have in the first.
 */
export async function difference(browser, one, other) {
  const page = await browser.newPage();
  try {
    return await page.evaluate(compare, [one.toString("base64"), other.toString("base64")]);
  } finally {
    await page.close();
  }
}

/** Runs in the browser, which can decode PNGs. */
async function compare(pictures) {
  const [first, second] = await Promise.all(
    pictures.map(async (text) => {
      const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
      const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
      const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
      context.drawImage(bitmap, 0, 0);
      return context.getImageData(0, 0, bitmap.width, bitmap.height).data;
    }),
  );
  if (first.length !== second.length) return { share: 1, colours: 0 };
  const colours = new Set();
  let differing = 0;
  for (let at = 0; at < first.length; at += 4) {
    const apart = [0, 1, 2].some((channel) => Math.abs(first[at + channel] - second[at + channel]) > 16);
    if (!apart) continue;
    differing += 1;
    colours.add(((first[at] >> 4) << 8) | ((first[at + 1] >> 4) << 4) | (first[at + 2] >> 4));
  }
  return { share: differing / (first.length / 4), colours: colours.size };
}
