// Judges downloaded model files.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";

const JUDGE = path.resolve(import.meta.dirname, "../../judges/validate-gltf.mjs");

/** A GLB that the Khronos validator finds nothing wrong with. */
export async function assertGlb(file) {
  const bytes = await readFile(file);
  assert.equal(bytes.toString("latin1", 0, 4), "glTF");
  assert.equal(bytes.readUInt32LE(8), bytes.length, "the length that the header states");
  const { stdout } = await promisify(execFile)(process.execPath, [JUDGE, file]);
  const { errors, warnings, messages } = JSON.parse(stdout)[file];
  assert.deepEqual({ errors, warnings }, { errors: 0, warnings: 0 }, messages.join("\n"));
}

/** A binary STL with as many triangles as it says; returns their number. */
export async function assertStl(file) {
  const bytes = await readFile(file);
  const triangles = bytes.readUInt32LE(80);
  assert.ok(triangles > 0);
  assert.equal(bytes.length, 84 + 50 * triangles);
  return triangles;
}
