"""Loads the models named on the command line (or, with "-", one path a line on standard input) with
trimesh, joins vertices by position alone, and prints one JSON object: path -> what trimesh says of it."""

import json
import sys

import trimesh


def is_textured(mesh: trimesh.Trimesh) -> bool:
    material = getattr(mesh.visual, "material", None)
    pictures = [getattr(material, name, None) for name in ("image", "baseColorTexture")]
    return any(picture is not None and min(picture.size) > 1 for picture in pictures)


def judge(path: str) -> dict:
    mesh = trimesh.load_mesh(path, process=False)
    textured = is_textured(mesh)
    # Seams in texture and normals split vertices; the surface is what is left when those are ignored.
    mesh.merge_vertices(merge_tex=True, merge_norm=True)
    return {
        "textured": textured,
        "watertight": bool(mesh.is_watertight),
        "winding": bool(mesh.is_winding_consistent),
        "volume": float(mesh.volume),
        "faces": len(mesh.faces),
        "bounds": mesh.bounds.tolist(),
    }


def main() -> None:
    named = sys.argv[1:]
    paths = sys.stdin.read().splitlines() if named == ["-"] else named
    verdicts = {}
    for path in paths:
        try:
            verdicts[path] = judge(path)
        except Exception as error:  # what it cannot load is a verdict, too
            verdicts[path] = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(verdicts))


main()
