import { describe, expect, it } from "vitest";
import { isSigned, steady } from "./links";

const MINUTE = 60_000;

function link(path: string, until: number): string {
  return `${path}?link=${until}.owner.signature`;
}

describe("a link", () => {
  it("stays while it is good for a while, and then gives way to a fresh one", () => {
    const known = link("/a.glb", 60 * MINUTE);
    expect(steady(known, link("/a.glb", 90 * MINUTE))).toBe(known);
    const fresh = link("/a.glb", 101 * MINUTE);
    expect(steady(known, fresh)).toBe(fresh);
  });

  it("stands for its own path only", () => {
    const fresh = link("/b.glb", 61 * MINUTE);
    expect(steady(link("/a.glb", 60 * MINUTE), fresh)).toBe(fresh);
  });

  it("is what the server says when keys come or go", () => {
    const signed = link("/a.glb", 60 * MINUTE);
    expect(steady("/a.glb", signed)).toBe(signed);
    expect(steady(signed, "/a.glb")).toBe("/a.glb");
    expect(steady(undefined, signed)).toBe(signed);
    expect([isSigned(signed), isSigned("/a.glb")]).toEqual([true, false]);
  });
});
