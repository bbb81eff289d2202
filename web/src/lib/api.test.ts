import { afterEach, describe, expect, it, vi } from "vitest";
import { retention } from "./api";

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
