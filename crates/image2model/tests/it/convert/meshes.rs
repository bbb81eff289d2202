//! Meshes that others made, on the command line.

use reconstruct::{Bounds, format::read_glb};

use super::{Desk, disc, photo};

#[test]
fn a_mesh_becomes_another_format_with_its_faces_and_the_size_asked_for() {
    let desk = Desk::new();
    desk.put("a.png", photo());
    desk.convert(&["a.png", "--format", "glb,stl"]).succeeded();
    let made = read_glb(&desk.read("a.glb")).unwrap();

    desk.run(&[
        "convert",
        "a.stl",
        "--format",
        "obj.zip",
        "--size-mm",
        "80",
        "-o",
        "b.glb",
    ])
    .succeeded();
    let read = read_glb(&desk.read("b.glb")).unwrap();
    assert_eq!(read.triangles.len(), made.triangles.len());
    let size = Bounds::of(&read.positions).size();
    let longest = size[0].max(size[1]).max(size[2]);
    assert!((longest - 0.08).abs() < 1e-6, "{size:?}");
    assert!(desk.read("b.obj.zip").starts_with(b"PK"));

    desk.run(&[
        "convert",
        "a.glb",
        "-o",
        "few.glb",
        "--face-limit",
        "120",
        "--preview",
    ])
    .succeeded();
    let few = read_glb(&desk.read("few.glb")).unwrap();
    assert!(few.triangles.len() <= 120);
    assert_eq!(few.texture, made.texture);
    assert!(desk.read("few.preview.png").starts_with(b"\x89PNG"));
}

#[test]
fn pictures_and_meshes_mix_and_a_mesh_is_never_written_over() {
    let desk = Desk::new();
    desk.put("a.png", disc([10, 90, 200]));
    desk.put("plane.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n");
    desk.put("odd.ply", "ply\nformat ascii 1.0\nend_header\n");
    let run = desk.convert(&["a.png", "plane.obj", "odd.ply", "--format", "obj"]);
    assert_eq!(run.code, 1);
    assert!(
        run.err.contains("odd.ply: the PLY mesh has no faces"),
        "{}",
        run.err
    );
    let told = [run.text(), &run.err].concat();
    assert!(told.contains("3 edges lie on one face only"), "{told}");
    assert!(desk.read("plane.obj").starts_with(b"v 0 0 0"));
    assert!(desk.read("plane-2.obj").starts_with(b"# image2model"));
    assert!(desk.read("a.obj").starts_with(b"# image2model"));
}
