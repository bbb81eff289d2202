import { afterEach, describe, expect, it, vi } from "vitest";
import { access } from "./access.svelte";
import { check, streamUrl } from "./api";
import type { Job } from "./types";

function answers(status: number, body: unknown): ReturnType<typeof vi.fn> {
  const fetch = vi.fn(() => Promise.resolve(new Response(JSON.stringify(body), { status })));
  vi.stubGlobal("fetch", fetch);
  return fetch;
}

describe("a key", () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    access.forget();
  });

  it("is asked for when the server says so, and not for other refusals", async () => {
    for (const [status, details, asks] of [
      [401, {}, true],
      [403, { code: "key_refused" }, true],
      [403, {}, false],
      [404, {}, false],
    ] as const) {
      access.forget();
      answers(status, { detail: "No.", details });
      await expect(check()).rejects.toThrow("No.");
      expect(access.asks !== "", `${status}`).toBe(asks);
    }
  });

  it("is shown with a request until it is forgotten", async () => {
    const fetch = answers(200, { jobs: [] });
    access.take(" i2m_a ");
    await check();
    access.forget();
    await check();
    const shown = fetch.mock.calls.map((call) => (call[1] as RequestInit).headers as Record<string, string>);
    expect(shown.map((headers) => headers["Authorization"])).toEqual(["Bearer i2m_a", undefined]);
  });
});

describe("a stream", () => {
  const job: Job = { job_id: "j", status: "queued", created: 0, options: {}, items: [], stream_url: "/s?link=1.a.b" };

  it("is opened by the link that the server gave", () => {
    expect(streamUrl(job, "")).toBe("/s?link=1.a.b");
    expect(streamUrl(job, "4.1")).toBe("/s?link=1.a.b&last_event_id=4.1");
    expect(streamUrl({ ...job, stream_url: "/s" }, "4.1")).toBe("/s?last_event_id=4.1");
  });
});
