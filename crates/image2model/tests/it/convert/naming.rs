use super::{Desk, disc, exists, is_glb, photo};

#[test]
fn without_an_output_the_model_lies_beside_its_picture() {
    let desk = Desk::new();
    desk.put("album/cup.PNG", photo());
    let run = desk.convert(&["album/cup.PNG"]).succeeded();
    assert!(
        run.text().starts_with("album/cup.PNG -> album/cup.glb  ("),
        "{}",
        run.text()
    );
    assert_eq!(desk.list("album"), ["cup.PNG", "cup.glb"]);
}

#[test]
fn folders_globs_and_files_are_taken_once_each() {
    let desk = Desk::new();
    for name in [
        "a/one.png",
        "a/two.jpg",
        "a/.hidden.png",
        "a/one.preview.png",
        "b/three.webp",
    ] {
        desk.put(name, photo());
    }
    desk.put("a/notes.txt", "not taken");
    desk.put("b/[odd].png", photo());
    let run = desk
        .convert(&[
            "a",
            "b/t*.webp",
            "b/[odd].png",
            "a/one.png",
            "./a/one.png",
            "-o",
            "out/",
        ])
        .succeeded();
    let models = ["[odd].glb", "one.glb", "three.glb", "two.glb"];
    assert_eq!(desk.list("out"), models);
    assert!(
        run.text().contains("4 of 4 pictures became models"),
        "{}",
        run.text()
    );

    let run = desk.convert(&["c*/x?.png", "-o", "out/"]);
    assert_eq!(
        (run.code, &*run.err),
        (1, "error: c*/x?.png: nothing matches the pattern\n")
    );
    std::fs::create_dir(desk.path("bare")).unwrap();
    let run = desk.convert(&["bare", "-o", "out/"]);
    assert_eq!(run.code, 1);
    assert!(
        run.err.contains("bare: the folder holds no .jpg"),
        "{}",
        run.err
    );
}

#[test]
fn pictures_of_one_name_get_distinct_models() {
    let desk = Desk::new();
    for (name, colour) in [
        ("a/cup.png", [200, 0, 0]),
        ("b/cup.png", [0, 200, 0]),
        ("b/CUP.jpg", [0, 0, 200]),
    ] {
        desk.put(name, disc(colour));
    }
    desk.convert(&["a", "b", "-o", "out", "--preview"])
        .succeeded();
    // In the order of the command line; capitals sort first.
    let names = [
        "CUP-2.glb",
        "CUP-2.preview.png",
        "cup-3.glb",
        "cup-3.preview.png",
        "cup.glb",
        "cup.preview.png",
    ];
    assert_eq!(desk.list("out"), names);
    assert_ne!(desk.read("out/cup.glb"), desk.read("out/cup-3.glb"));
}

#[test]
fn a_picture_is_never_written_over() {
    let desk = Desk::new();
    let odd = disc([10, 90, 160]);
    desk.put("cup.glb", &odd);
    let run = desk.convert(&["cup.glb", "-o", "./cup.glb"]);
    assert_eq!(run.code, 2);
    assert!(
        run.err
            .contains("./cup.glb is a picture that is read; it is never written over"),
        "{}",
        run.err
    );
    assert_eq!(desk.read("cup.glb"), odd);

    desk.convert(&["cup.glb"]).succeeded();
    assert_eq!(desk.list("."), ["cup-2.glb", "cup.glb"]);
    assert_eq!(desk.read("cup.glb"), odd);

    // Nor are a mask, a neighbour, or the photo whose name the texture could have had.
    desk.put("pot.jpg", photo());
    desk.put("pot.preview.png", photo());
    desk.convert(&["pot.jpg", "pot.preview.png", "--format", "obj", "--preview"])
        .succeeded();
    assert_eq!(desk.read("pot.jpg"), photo());
    assert_eq!(desk.read("pot.preview.png"), photo());
    assert!(exists(&desk.path("pot-2.preview.png")));
    let run = desk.convert(&[
        "pot.jpg",
        "-o",
        "pot.glb",
        "--preview",
        "--mask",
        "pot.preview.png",
    ]);
    assert_eq!(run.code, 2, "{}", run.err);

    // The very name that is checked is the one that is written, whatever letters it had to give up.
    desk.put("12:30.preview.png", photo());
    let odd = ["12:30.preview.png", "-o", "12:30.glb", "--preview"];
    desk.convert(&odd).succeeded();
    assert_eq!(desk.read("12:30.preview.png"), photo());
    assert!(exists(&desk.path("12_30.preview.png")));
    desk.put("12_30.preview.png", photo());
    let run = desk.convert(&["12_30.preview.png", "-o", "12:30.glb", "--preview"]);
    assert_eq!(run.code, 2, "{}", run.err);
    assert_eq!(desk.read("12_30.preview.png"), photo());
}

#[cfg(unix)]
#[test]
fn a_picture_is_never_written_over_through_a_link() {
    let desk = Desk::new();
    desk.put("real/photo.glb", photo());
    std::os::unix::fs::symlink(desk.path("real"), desk.path("link")).unwrap();
    let run = desk.convert(&["real/photo.glb", "-o", "link/photo.glb"]);
    assert_eq!(run.code, 2, "{}", run.err);
    assert_eq!(desk.read("real/photo.glb"), photo());
}

#[test]
fn an_obj_comes_with_its_material_and_texture() {
    let desk = Desk::new();
    desk.put("my cup.png", photo());
    desk.convert(&["my cup.png", "-o", "out/Mug.OBJ"])
        .succeeded();
    let names = desk.list("out");
    assert_eq!(
        (names.len(), &*names[0], &*names[1]),
        (3, "Mug.OBJ", "Mug.mtl")
    );
    let obj = String::from_utf8(desk.read("out/Mug.OBJ")).unwrap();
    assert!(obj.contains("\nmtllib Mug.mtl\n"));
    let mtl = String::from_utf8(desk.read("out/Mug.mtl")).unwrap();
    assert!(
        mtl.contains(&format!("map_Kd {}", names[2])),
        "{mtl} {names:?}"
    );
    assert!(image::load_from_memory(&desk.read(&format!("out/{}", names[2]))).is_ok());
}

#[test]
fn the_named_file_and_further_formats_lie_side_by_side() {
    let desk = Desk::new();
    desk.put("photo.png", photo());
    let formats = ["--format", "ply,glb", "--format", "obj.zip"];
    desk.convert(&[&["photo.png", "-o", "x.stl", "--turntable"], &formats[..]].concat())
        .succeeded();
    let names = [
        "photo.png",
        "x.glb",
        "x.obj.zip",
        "x.ply",
        "x.stl",
        "x.turntable.png",
    ];
    assert_eq!(desk.list("."), names);
    assert!(is_glb(&desk.read("x.glb")));
    let strip = image::load_from_memory(&desk.read("x.turntable.png")).unwrap();
    assert_eq!(strip.width(), 24 * strip.height());
}

#[test]
fn a_file_that_was_there_is_replaced_whole() {
    let desk = Desk::new();
    desk.put("photo.png", photo());
    desk.put("photo.glb", "an older model");
    desk.convert(&["photo.png"]).succeeded();
    assert!(is_glb(&desk.read("photo.glb")));
    assert_eq!(desk.list("."), ["photo.glb", "photo.png"]);
}
