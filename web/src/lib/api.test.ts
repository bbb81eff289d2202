import { afterEach, describe, expect, it, vi } from "vitest";
import { refusal, retention } from "./api";

function answers(status: number, body: string): void {
  vi.stubGlobal("fetch", () => Promise.resolve(new Response(body, { status })));
}

describe("how long results are kept", () => {
  afterEach(() => vi.unstubAllGlobals());

  const report = { status: "degraded", results: { keep: "auto", text: "for a while" } };

  it("is read off the health report", async () => {
    answers(200, JSON.stringify(report));
    expect(await retention()).toBe("for a while");
  });

  it("is read off the refusal of a server that is unwell", async () => {
    answers(503, JSON.stringify({ detail: "A component is unhealthy.", details: report }));
    expect(await retention()).toBe("for a while");
  });

  it("is not told by anything else", async () => {
    for (const body of ["<html>", "{}", JSON.stringify({ detail: "No.", details: null })]) {
      answers(503, body);
      expect(await retention()).toBe("");
    }
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("no network")));
    expect(await retention()).toBe("");
  });
});

describe("a refusal that ends by itself", () => {
  const problem = (detail: string): string => JSON.stringify({ detail });

  it("says how long to wait", () => {
    const busy = refusal(503, problem("64 uploads are being received, which is the limit."), "5");
    expect(busy.message).toBe("64 uploads are being received, which is the limit. Wait 5 seconds, then try again.");
    const often = refusal(429, problem("The limit is reached"), "3000");
    expect(often.message).toBe("The limit is reached. Wait 50 minutes, then try again.");
    expect(refusal(503, "<html>", "1").message).toBe(
      "The server answered with status 503. Wait 1 second, then try again.",
    );
  });

  it("advises to wait where only its status tells", () => {
    for (const status of [429, 502, 503, 504]) {
      const told = refusal(status, "<html>").message;
      expect(told).toBe(`The server answered with status ${status}. Wait a moment, then try again.`);
    }
  });

  it("promises nothing where no wait is known to help", () => {
    expect(refusal(429, problem("3 images wait, which is your limit.")).message).toBe("3 images wait, which is your limit.");
    expect(refusal(404, "<html>").message).toBe("The server answered with status 404.");
    expect(refusal(503, problem("No."), "Wed, 21 Oct 2026 07:28:00 GMT").message).toBe("No.");
  });
});
