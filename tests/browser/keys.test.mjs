// The page of a server with keys: it asks for one, and all that a browser opens without a header opens.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { launch, Visit } from "./support/browser.mjs";
import { assertGlb, assertStl } from "./support/models.mjs";
import { DUCK } from "./support/pictures.mjs";
import { Server } from "./support/server.mjs";

let browser, server, folder;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "image2model-keys-"));
  [browser, server] = await Promise.all([launch(), Server.start({ keyed: true })]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function saved(page, link, name) {
  const [download] = await Promise.all([page.waitForEvent("download"), link.click()]);
  const file = path.join(folder, name);
  await download.saveAs(file);
  return file;
}

describe("a server with keys", () => {
  it("is used with a key until the key is forgotten", async () => {
    const visit = await Visit.open(browser, server, { asks: true });
    const { page } = visit;
    const key = page.getByLabel("Key", { exact: true });
    await visit.assertAccessible("asking for a key");
    await visit.screenshot("key-1280-light");
    visit.expected.push("status of 403");
    await key.fill(`${server.key}x`);
    await page.getByRole("button", { name: "Use this key" }).click();
    await page.getByRole("alert").getByText("the key is not known", { exact: false }).waitFor();
    assert.equal(await page.evaluate(() => localStorage.getItem("image2model.key")), null, "a wrong key is not kept");
    await key.fill(server.key);
    await key.press("Enter");

    await visit.choose(DUCK);
    await visit.create();
    await visit.model();
    const loaded = await page.locator("article .picture img").evaluate((picture) => picture.naturalWidth > 0);
    assert.ok(loaded, "the preview is shown");
    await assertGlb(await saved(page, page.getByRole("link", { name: /^GLB/ }), "duck.glb"));
    await assertStl(await saved(page, page.getByRole("link", { name: /^STL/ }), "duck.stl"));
    await visit.screenshot("keyed-1280-light");

    await page.reload();
    await page.getByText("Done", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Forget the key" }).click();
    await key.waitFor();
    assert.equal(await page.evaluate(() => JSON.stringify(localStorage).includes("i2m_")), false);
    assert.equal(await page.locator("article").count(), 0, "the list is forgotten with the key");
    await visit.close();
  });

  it("follows a job by links alone", async () => {
    const visit = await Visit.open(browser, server, { asks: true });
    const { page } = visit;
    const opened = [];
    page.on("request", (request) => {
      const { pathname, search } = new URL(request.url());
      if (/\/(stream|download)\b/.test(pathname)) opened.push([pathname, search, request.headers()["authorization"]]);
    });
    await page.getByLabel("Key", { exact: true }).fill(server.key);
    await page.getByRole("button", { name: "Use this key" }).click();
    await visit.choose(DUCK);
    await visit.create();
    await visit.model();
    assert.ok(opened.some(([pathname]) => pathname.endsWith("/stream")), "a stream was opened");
    for (const [pathname, search, header] of opened) {
      assert.ok(search.startsWith("?link=") && header === undefined, `${pathname}${search}`);
    }
    await visit.close();
  });

  it("takes the key in the form without scripts", async () => {
    const context = await browser.newContext({ javaScriptEnabled: false, acceptDownloads: true });
    const page = await context.newPage();
    await page.goto(`${server.url}plain`);
    const send = async (key) => {
      await page.getByLabel("Key").fill(key);
      await page.getByLabel(/^Up to/).setInputFiles(DUCK);
      await page.getByRole("button", { name: "Create models" }).click();
    };
    await send("i2m_wrong");
    await page.getByRole("alert").getByText("the key is not known", { exact: false }).waitFor();
    await page.goto(`${server.url}plain`);
    await send(server.key);
    await page.getByText("completed, 100 %").first().waitFor();
    assert.match(page.url(), /\/job\/[0-9a-f-]{36}\?link=/);
    await assertGlb(await saved(page, page.getByRole("link", { name: "glb" }), "plain.glb"));
    await context.close();
  });
});
