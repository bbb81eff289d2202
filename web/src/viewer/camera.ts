/** Where the model is seen from: steps for keys and buttons, named views, and the words for an angle. */

import { MathUtils, Spherical, Vector3, type PerspectiveCamera } from "three";

export type View = "front" | "right" | "back" | "left" | "top";

const AZIMUTH: Record<Exclude<View, "top">, number> = { front: 0, right: 90, back: 180, left: -90 };
const HIGHEST = MathUtils.degToRad(4);
const LOWEST = MathUtils.degToRad(176);

/** Places the camera on a sphere around `target`; angles in degrees, azimuth 0 in front, elevation 0 level. */
export function place(
  camera: PerspectiveCamera,
  target: Vector3,
  azimuth: number,
  elevation: number,
  distance: number,
): void {
  const polar = MathUtils.clamp(MathUtils.degToRad(90 - elevation), HIGHEST, LOWEST);
  const offset = new Vector3().setFromSpherical(new Spherical(distance, polar, MathUtils.degToRad(azimuth)));
  camera.position.copy(target).add(offset);
  camera.lookAt(target);
}

/** Angles (degrees) and distance of the camera as it stands. */
export function standing(camera: PerspectiveCamera, target: Vector3): { azimuth: number; elevation: number; distance: number } {
  const spherical = new Spherical().setFromVector3(camera.position.clone().sub(target));
  return {
    azimuth: MathUtils.radToDeg(spherical.theta),
    elevation: 90 - MathUtils.radToDeg(spherical.phi),
    distance: spherical.radius,
  };
}

export function anglesOf(view: View): { azimuth: number; elevation: number } {
  return view === "top" ? { azimuth: 0, elevation: 86 } : { azimuth: AZIMUTH[view], elevation: 8 };
}

const SIDES = ["the front", "the front right", "the right", "the back right", "the back", "the back left", "the left", "the front left"];

/** `Seen from the front right, from above` for a screen reader. */
export function describe(azimuth: number, elevation: number): string {
  const eighth = Math.round((((azimuth % 360) + 360) % 360) / 45) % 8;
  const height = elevation > 20 ? ", from above" : elevation < -20 ? ", from below" : "";
  return elevation > 70 ? "Seen from above" : elevation < -70 ? "Seen from below" : `Seen from ${SIDES[eighth]}${height}`;
}

/** Distance at which a sphere of that radius fills the picture with a little air, whatever the picture's shape. */
export function fitting(camera: PerspectiveCamera, radius: number): number {
  const vertical = MathUtils.degToRad(camera.fov) / 2;
  const horizontal = Math.atan(Math.tan(vertical) * camera.aspect);
  return (radius * 1.18) / Math.sin(Math.min(vertical, horizontal));
}
