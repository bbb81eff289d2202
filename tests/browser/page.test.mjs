// The page as a person meets it: real server, real browser.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { launch, Visit } from "./support/browser.mjs";
import { assertGlb, assertStl } from "./support/models.mjs";
import { CLAIMED, copies, DUCK, EMPTY, HUGE, TEAPOT, TEXT } from "./support/pictures.mjs";
import { difference, ground, look } from "./support/pixels.mjs";
import { Server } from "./support/server.mjs";

let browser, server, folder;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "image2model-downloads-"));
  [browser, server] = await Promise.all([launch(), Server.start()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function saved(page, click, name) {
  const [download] = await Promise.all([page.waitForEvent("download"), click()]);
  const file = path.join(folder, name);
  await download.saveAs(file);
  return file;
}

describe("a photo", () => {
  it("becomes a model that is seen, turned, dressed and downloaded", async () => {
    const visit = await Visit.open(browser, server);
    const { page } = visit;
    await visit.choose(DUCK);
    await visit.create();
    await visit.model();
    const textured = await look(page);
    const seen = await difference(browser, textured, await ground(page));
    assert.ok(seen.share > 0.08, `the model covers ${seen.share} of the stage`);
    assert.ok(seen.colours > 24, `the model has ${seen.colours} colours`);

    await page.getByRole("radio", { name: "Wireframe" }).check();
    const wired = await difference(browser, await look(page), textured);
    assert.ok(wired.share > 0.05, `wireframe changes ${wired.share} of the stage`);
    await page.getByRole("radio", { name: "Textured" }).check();
    await page.getByRole("button", { name: "Turn right" }).click();
    const turned = await difference(browser, await look(page), textured);
    assert.ok(turned.share > 0.02, `a turn changes ${turned.share} of the stage`);
    await page.getByRole("button", { name: "Size box" }).click();
    await page.getByText(/^100\.0 mm (wide|high|deep)$/).waitFor();

    await assertGlb(await saved(page, () => page.getByRole("link", { name: /^GLB/ }).click(), "duck.glb"));
    await visit.close();
  });

  it("can be had in a further format afterwards", async () => {
    const visit = await Visit.open(browser, server);
    const { page } = visit;
    await visit.choose(TEAPOT);
    await page.getByLabel("Triangles, at most", { exact: true }).fill("3000");
    await visit.create();
    await visit.model();
    const triangles = await assertStl(await saved(page, () => page.getByRole("link", { name: /^STL/ }).click(), "teapot.stl"));
    assert.ok(triangles <= 3000, `${triangles} triangles`);
    await visit.close();
  });

  it("can be used again for another shape", async () => {
    const visit = await Visit.open(browser, server);
    const { page } = visit;
    await visit.choose(TEAPOT);
    await visit.create();
    await visit.model();
    await page.getByRole("button", { name: "Use the last picture again" }).click();
    await page.getByRole("list", { name: "Chosen pictures" }).getByText("teapot.jpg").waitFor();
    await page.getByRole("radio", { name: "Relief" }).check();
    await visit.create();
    await page.locator("article", { hasText: "Relief · " }).getByText("Done", { exact: true }).waitFor();
    await visit.close();
  });

  it("can be dropped anywhere and pasted", async () => {
    const visit = await Visit.open(browser, server);
    const { page } = visit;
    const picture = (await readFile(DUCK)).toString("base64");
    await page.evaluate(async (text) => {
      const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
      const carry = (name) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([bytes], name, { type: "image/jpeg" }));
        return transfer;
      };
      document.querySelector("footer").dispatchEvent(new DragEvent("drop", { bubbles: true, dataTransfer: carry("dropped.jpg") }));
      window.dispatchEvent(new ClipboardEvent("paste", { clipboardData: carry("pasted.jpg") }));
    }, picture);
    const chosen = page.getByRole("list", { name: "Chosen pictures" });
    await chosen.getByText("dropped.jpg").waitFor();
    await chosen.getByText("pasted.jpg").waitFor();
    await visit.close();
  });
});

describe("what goes wrong", () => {
  it("is told for the picture that fails, and spares its neighbour", async () => {
    const visit = await Visit.open(browser, server);
    const { page } = visit;
    await visit.choose([DUCK]);
    await page.getByLabel("Add more pictures").setInputFiles(TEXT);
    await visit.create();
    await page.getByText("not a JPEG, PNG or WebP picture", { exact: false }).waitFor();
    await visit.model();
    await page.getByText("1 of 2 models · 1 failed", { exact: false }).waitFor();
    await visit.assertAccessible("a failure");
    await visit.screenshot("failed-1280-light");
    await visit.close();
  });

  it("is told beside the picture that the server refuses, and the form is kept", async () => {
    const visit = await Visit.open(browser, server);
    const { page } = visit;
    visit.expected.push("status of 400");
    await visit.choose([CLAIMED, await file(DUCK)]);
    await visit.create();
    await page.getByRole("list", { name: "Chosen pictures" }).getByText("The declared type \"text/plain\" is not image/*.").waitFor();
    await page.getByRole("alert").getByText("claimed.png", { exact: false }).waitFor();
    await visit.assertAccessible("a refusal");
    await page.getByRole("button", { name: "Remove claimed.png" }).click();
    await visit.create();
    await visit.model();
    await visit.close();
  });
});

describe("what the server would refuse", () => {
  it("is left out when it is chosen, and named", async () => {
    const visit = await Visit.open(browser, server);
    const { page } = visit;
    await visit.choose([HUGE, EMPTY, ...copies(await readFile(DUCK), 27), { ...TEXT, name: "letter.txt" }]);
    const told = page.getByRole("alert");
    await told.getByText("Only JPEG, PNG and WebP pictures are read; left out: letter.txt.").waitFor();
    await told.getByText("An empty file is no picture; left out: empty.png.").waitFor();
    await told.getByText("A picture may have 10 MB at most; left out: huge.png.").waitFor();
    await told.getByText(/^25 pictures at most .* left out: picture-26\.jpg, picture-27\.jpg\.$/).waitFor();
    await page.getByText("25 pictures chosen").waitFor();
    await visit.assertAccessible("pictures left out");
    await visit.screenshot("left-out-1280-light");
    await visit.close();
  });
});

async function file(picture) {
  return { name: path.basename(picture), mimeType: "image/jpeg", buffer: await readFile(picture) };
}
