// Debian's Chromium with WebGL in software, and what every test asks of a page.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import axe from "axe-core";
import { chromium } from "playwright-core";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--use-gl=angle",
  "--use-angle=swiftshader",
  "--enable-unsafe-swiftshader",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const SCREENSHOTS = process.env.PAGE_TEST_SCREENSHOTS;

export function launch() {
  return chromium.launch({ executablePath: process.env.PAGE_TEST_CHROMIUM, headless: true, args: FLAGS });
}

/** A fresh visit: its page, and what went wrong on it. */
export class Visit {
  /** Console errors and uncaught exceptions. */
  errors = [];
  /** Requests to anywhere but the server. */
  strangers = [];
  /** Errors that the test causes on purpose: texts that they hold. */
  expected = [];

  static async open(browser, server, { width = 1280, height = 900, colours = "light", still = true, asks = false } = {}) {
    const visit = new Visit();
    visit.context = await browser.newContext({
      viewport: { width, height },
      colorScheme: colours,
      reducedMotion: still ? "reduce" : "no-preference",
      acceptDownloads: true,
    });
    visit.context.setDefaultTimeout(30_000);
    visit.page = await visit.context.newPage();
    visit.page.on("console", (message) => {
      if (message.type() === "error") visit.errors.push(message.text());
    });
    visit.page.on("pageerror", (error) => visit.errors.push(String(error)));
    visit.page.on("request", (request) => {
      const url = new URL(request.url());
      const inside = ["blob:", "data:"].includes(url.protocol) || url.host === server.address;
      if (!inside) visit.strangers.push(request.url());
    });
    if (asks) visit.expected.push("status of 401");
    await visit.page.goto(server.url);
    const first = asks ? visit.page.getByLabel("Key", { exact: true }) : visit.page.getByRole("radio", { name: "Inflate" });
    await first.waitFor();
    return visit;
  }

  /** Chooses files as a person does in the dialog. */
  async choose(files) {
    await this.page.getByLabel("Choose your pictures").setInputFiles(files);
  }

  async create() {
    await this.page.getByRole("button", { name: /^Create models?$/ }).click();
  }

  /** The model is drawn. */
  async model() {
    await this.page.locator('[role="application"][data-state="shown"]').waitFor();
  }

  /** Nothing serious for people who use a screen reader or a keyboard, or who see little. */
  async assertAccessible(stage) {
    await this.page.evaluate(axe.source);
    const { violations } = await this.page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
    const grave = violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(" | ")}`);
    assert.deepEqual(grave, [], `axe, ${stage}`);
  }

  async screenshot(name) {
    await mkdir(SCREENSHOTS, { recursive: true });
    await this.page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`), fullPage: true });
  }

  /** Ends the visit: no error, and no request that left the server. */
  async close() {
    await this.context.close();
    const unexpected = this.errors.filter((text) => !this.expected.some((part) => text.includes(part)));
    assert.deepEqual(unexpected, [], "errors on the console");
    assert.deepEqual(this.strangers, [], "requests to another origin");
  }
}
