/** The size box: the model's bounds as lines, with its three lengths written on HTML labels. */

import { type Box3, Box3Helper, Color, type LineBasicMaterial, type PerspectiveCamera, Vector3 } from "three";

export class SizeBox {
  readonly lines: Box3Helper;
  #middles: [Vector3, Vector3, Vector3];
  #labels: HTMLElement[];

  /** `labels` are the elements for width, height and depth, in that order. */
  constructor(bounds: Box3, labels: HTMLElement[]) {
    this.lines = new Box3Helper(bounds, new Color());
    this.#labels = labels;
    const { min, max } = bounds;
    const middle = bounds.getCenter(new Vector3());
    this.#middles = [
      new Vector3(middle.x, min.y, max.z),
      new Vector3(max.x, middle.y, max.z),
      new Vector3(max.x, min.y, middle.z),
    ];
    this.show(false);
  }

  get shown(): boolean {
    return this.lines.visible;
  }

  show(shown: boolean): void {
    this.lines.visible = shown;
    for (const label of this.#labels) label.hidden = !shown;
  }

  paint(colour: string): void {
    (this.lines.material as LineBasicMaterial).color.set(colour);
  }

  /** Moves the labels to where their edges are seen, in a picture of that size in CSS pixels. */
  update(camera: PerspectiveCamera, width: number, height: number): void {
    if (!this.shown) return;
    this.#middles.forEach((middle, index) => {
      const seen = middle.clone().project(camera);
      const x = ((seen.x + 1) / 2) * width;
      const y = ((1 - seen.y) / 2) * height;
      const label = this.#labels[index];
      if (label) label.style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px) translate(-50%, -50%)`;
    });
  }

  dispose(): void {
    this.lines.geometry.dispose();
    (this.lines.material as LineBasicMaterial).dispose();
  }
}
