// What happens to a job while the person, the network or the server goes away.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { launch, Visit } from "./support/browser.mjs";
import { copies, DUCK } from "./support/pictures.mjs";
import { Server } from "./support/server.mjs";

let browser, server, picture;

before(async () => {
  picture = await readFile(DUCK);
  [browser, server] = await Promise.all([launch(), Server.start()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Submits a job of so many pictures and waits until the first is being worked on. */
async function running(count) {
  const visit = await Visit.open(browser, server);
  await visit.choose(copies(picture, count));
  await visit.create();
  await visit.page.getByText(/^Working/).first().waitFor();
  return visit;
}

async function newest() {
  const { jobs } = await server.get("/jobs?limit=1");
  return server.get(`/jobs/${jobs[0].job_id}`);
}

describe("a job that is under way", () => {
  it("is picked up again after the page was loaded anew", async () => {
    const visit = await running(6);
    await visit.page.reload();
    await visit.page.getByRole("heading", { name: "picture-1 and 5 more" }).waitFor();
    assert.notEqual((await newest()).status, "completed", "the job ended before the page was loaded again");
    await visit.page.getByText("Done", { exact: true }).waitFor();
    await visit.page.getByText("6 of 6 models", { exact: false }).waitFor();
    await visit.model();
    await visit.close();
  });

  it("is followed to its end when the server was killed and started again", async () => {
    const visit = await running(6);
    visit.expected.push("net::ERR_");
    await server.kill();
    await visit.page.getByText("The connection is broken", { exact: false }).waitFor();
    await server.resume();
    await visit.page.getByText("Done", { exact: true }).waitFor({ timeout: 60_000 });
    await visit.page.getByText("6 of 6 models", { exact: false }).waitFor();
    await visit.page.getByText("The connection is broken", { exact: false }).waitFor({ state: "detached" });
    assert.equal((await newest()).status, "completed");
    await visit.close();
  });

  it("ends when it is cancelled", async () => {
    const visit = await running(20);
    await visit.page.getByRole("button", { name: "Cancel", exact: true }).click();
    const ended = visit.page.locator("article .status").getByText("Cancelled", { exact: true });
    await ended.waitFor();
    const job = await newest();
    assert.equal(job.status, "cancelled");
    assert.ok(job.items.some(({ status }) => status === "cancelled"));
    await visit.page.reload();
    await ended.waitFor();
    const left = job.items.filter(({ status }) => status !== "completed").length;
    await visit.page.getByRole("button", { name: /^Try (the rest )?again$/ }).click();
    await visit.page.getByText(`${left} of ${left} models`, { exact: false }).waitFor({ timeout: 60_000 });
    assert.equal((await newest()).retry_of, job.job_id);
    await visit.assertAccessible("another try");
    await visit.screenshot("again-1280-light");
    await visit.close();
  });
});
