import { describe, expect, it } from "vitest";
import { fault, fields, fromSlider, toSlider } from "./options";
import type { ModelInfo, OptionSpec } from "./types";

const FACES: OptionSpec = { name: "face_limit", help: "", type: "integer", min: 1, max: 500_000, default: 20_000 };
const MODEL: ModelInfo = {
  name: "inflate",
  description: "",
  supported_formats: ["glb", "stl"],
  options: [FACES, { name: "cut_out", help: "", type: "boolean", default: true }],
};

describe("a submission's fields", () => {
  it("are the model, what differs from its defaults, and formats that it has", () => {
    const values = { face_limit: 20_000, cut_out: false, unknown: 1 };
    expect(fields(MODEL, values, ["stl", "usdz"])).toEqual([
      ["model", "inflate"],
      ["cut_out", "false"],
      ["format", "stl"],
    ]);
  });
});

describe("a number", () => {
  it("must be within its bounds and whole where it counts", () => {
    expect(fault(FACES, undefined)).toBe("");
    expect(fault(FACES, 1)).toBe("");
    expect(fault(FACES, 0)).toBe("From 1 to 500,000.");
    expect(fault(FACES, 500_001)).toBe("From 1 to 500,000.");
    expect(fault(FACES, 2.5)).toBe("Enter a whole number.");
    expect(fault(FACES, Number.NaN)).toBe("Enter a number.");
  });

  it("keeps its place on the slider", () => {
    expect(fromSlider(0, 500_000)).toBe(100);
    expect(fromSlider(200, 500_000)).toBe(500_000);
    for (let place = 0; place <= 200; place += 1) {
      expect(Math.abs(toSlider(fromSlider(place, 500_000), 500_000) - place)).toBeLessThanOrEqual(1);
    }
  });
});
