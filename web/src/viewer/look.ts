/** What the model wears: its texture, plain clay, or clay with its triangles drawn over. */

import {
  type BufferGeometry,
  type Material,
  Mesh,
  MeshBasicMaterial,
  MeshStandardMaterial,
  type Object3D,
} from "three";

export type Look = "textured" | "plain" | "wireframe";

export interface Palette {
  clay: string;
  wire: string;
  box: string;
}

export interface Dressed {
  triangles: number;
  wear: (look: Look, palette: Palette) => void;
  dispose: () => void;
}

/** Takes hold of every mesh below `root`. */
export function dress(root: Object3D): Dressed {
  const meshes: { mesh: Mesh; own: Material | Material[]; lines: Mesh }[] = [];
  const clay = new MeshStandardMaterial({ roughness: 0.85, polygonOffset: true, polygonOffsetFactor: 1, polygonOffsetUnits: 1 });
  const wire = new MeshBasicMaterial({ wireframe: true, transparent: true, opacity: 0.55 });
  let triangles = 0;
  root.traverse((object) => {
    if (!(object instanceof Mesh)) return;
    const mesh = object as Mesh;
    mesh.castShadow = true;
    triangles += trianglesOf(mesh.geometry);
    const lines = new Mesh(mesh.geometry, wire);
    lines.visible = false;
    meshes.push({ mesh, own: mesh.material, lines });
  });
  for (const { mesh, lines } of meshes) mesh.add(lines);
  return {
    triangles,
    wear(look, palette) {
      clay.color.set(palette.clay);
      wire.color.set(palette.wire);
      for (const { mesh, own, lines } of meshes) {
        mesh.material = look === "textured" ? own : clay;
        lines.visible = look === "wireframe";
      }
    },
    dispose() {
      clay.dispose();
      wire.dispose();
      for (const { mesh, own } of meshes) {
        mesh.geometry.dispose();
        for (const material of Array.isArray(own) ? own : [own]) disposeMaterial(material);
      }
    },
  };
}

function trianglesOf(geometry: BufferGeometry): number {
  const corners = geometry.index ?? geometry.getAttribute("position");
  return corners ? corners.count / 3 : 0;
}

function disposeMaterial(material: Material): void {
  if (material instanceof MeshStandardMaterial) material.map?.dispose();
  material.dispose();
}
