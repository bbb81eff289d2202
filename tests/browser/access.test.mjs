// The page without a mouse, for a screen reader, in both colour schemes and at both ends of screen sizes.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { launch, Visit } from "./support/browser.mjs";
import { copies, DUCK, TEAPOT } from "./support/pictures.mjs";
import { Server } from "./support/server.mjs";

let browser, server;

before(async () => {
  [browser, server] = await Promise.all([launch(), Server.start()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Presses Tab until what has the focus answers to `name`. */
async function tabTo(page, name) {
  for (let presses = 0; presses < 80; presses += 1) {
    await page.keyboard.press("Tab");
    const reached = await page.evaluate(
      () => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.labels?.[0]?.innerText ?? document.activeElement?.innerText ?? "",
    );
    if (name.test(reached.trim())) return;
  }
  assert.fail(`no way by the Tab key to ${name}`);
}

describe("the keyboard alone", () => {
  it("leads from the file to the model and its download", async () => {
    const visit = await Visit.open(browser, server);
    const { page } = visit;
    // Asked for before the way there: the browser hands dialogs over only some moments after one listens.
    const dialog = page.waitForEvent("filechooser");
    await tabTo(page, /^Choose your pictures$/);
    await page.keyboard.press("Enter");
    await (await dialog).setFiles(DUCK);
    await tabTo(page, /^Inflate$/);
    await page.keyboard.press("ArrowRight");
    assert.ok(await page.getByRole("radio", { name: "Relief" }).isChecked());
    await page.keyboard.press("ArrowLeft");
    await tabTo(page, /^Create model$/);
    await page.keyboard.press("Enter");
    await visit.model();

    await tabTo(page, /^3D model of duck$/);
    const spoken = page.locator("[aria-live=polite][role=status]").last();
    for (let turns = 0; turns < 4; turns += 1) await page.keyboard.press("ArrowRight");
    await page.waitForFunction((element) => /^Seen from the right/.test(element.textContent), await spoken.elementHandle());
    await tabTo(page, /^GLB/);
    const [download] = await Promise.all([page.waitForEvent("download"), page.keyboard.press("Enter")]);
    assert.match(download.suggestedFilename(), /\.glb$/);
    await visit.close();
  });
});

for (const [width, height] of [[1280, 900], [390, 844]]) {
  for (const colours of ["light", "dark"]) {
    const name = `${width}-${colours}`;
    it(`nothing is hard to see or to reach at ${name}`, async () => {
      const visit = await Visit.open(browser, server, { width, height, colours });
      const { page } = visit;
      await page.getByText("Results are kept", { exact: false }).waitFor();
      await visit.assertAccessible("start");
      await visit.screenshot(`start-${name}`);
      const [duck, teapot] = await Promise.all([DUCK, TEAPOT].map((picture) => readFile(picture)));
      await visit.choose([...copies(duck, 1), ...copies(teapot, 2).slice(1)]);
      await page.getByText("More options").click();
      await visit.assertAccessible("chosen");
      await visit.screenshot(`chosen-${name}`);
      await page.getByText("More options").click();
      await visit.create();
      await page.getByText(/^Working/).first().waitFor();
      await visit.screenshot(`running-${name}`);
      await visit.assertAccessible("running");
      await page.getByText("Done", { exact: true }).waitFor();
      await visit.model();
      await visit.assertAccessible("done");
      await visit.screenshot(`done-${name}`);
      const sideways = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(sideways <= 0, `the page is ${sideways} pixels too wide`);
      await visit.close();
    });
  }
}
