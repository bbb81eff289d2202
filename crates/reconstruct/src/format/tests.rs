use std::collections::HashMap;

use proptest::{collection::vec, prelude::*};

use super::{Format, read_glb, stl, write, write_obj_files};
use crate::{
    Error, Model, Texture, Warning,
    fixtures::{ball, cube},
};

fn number() -> impl Strategy<Value = f32> {
    prop_oneof![-10.0_f32..10.0, Just(-0.0), proptest::num::f32::NORMAL]
}

fn any_warning() -> impl Strategy<Value = Warning> {
    prop_oneof![
        Just(Warning::NoForeground),
        Just(Warning::FirstFrame),
        (1_u32..100).prop_map(|asked| Warning::FaceLimitRaised { asked }),
        any::<u32>().prop_map(|edges| Warning::NotClosed { edges }),
        Just(Warning::TextureOnVertices),
    ]
}

fn any_model() -> impl Strategy<Value = Model> {
    let vertex = (
        prop::array::uniform3(number()),
        prop::array::uniform3(number()),
        prop::array::uniform2(number()),
    );
    let texture = (any::<[bool; 3]>(), 1_u32..5000, vec(any::<u8>(), 1..50));
    (
        vec(vertex, 3..40),
        vec(prop::array::uniform3(any::<prop::sample::Index>()), 1..40),
        texture,
        vec(any_warning(), 0..4),
        vec((".*", ".*"), 0..5),
    )
        .prop_map(
            |(vertices, triangles, ([png, repeats, coloured], width, bytes), warnings, options)| {
                let count = vertices.len();
                let corner = |i: prop::sample::Index| i.index(count) as u32;
                Model {
                    positions: vertices.iter().map(|v| v.0).collect(),
                    normals: vertices.iter().map(|v| v.1).collect(),
                    uvs: vertices.iter().map(|v| v.2).collect(),
                    colours: if coloured {
                        vertices.iter().map(|v| v.1).collect()
                    } else {
                        Vec::new()
                    },
                    triangles: triangles.into_iter().map(|t| t.map(corner)).collect(),
                    texture: Texture {
                        media_type: if png { "image/png" } else { "image/jpeg" },
                        width,
                        height: 7,
                        repeats,
                        bytes,
                    },
                    warnings,
                    options,
                }
            },
        )
}

fn bits(model: &Model) -> Vec<u32> {
    let positions = model.positions.as_flattened().iter();
    positions
        .chain(model.normals.as_flattened())
        .chain(model.uvs.as_flattened())
        .map(|v| v.to_bits())
        .collect()
}

proptest! {
    #[test]
    fn glb_gives_back_what_was_written(model in any_model()) {
        let again = read_glb(&write(&model, Format::Glb, "any").unwrap()).unwrap();
        prop_assert_eq!(bits(&model), bits(&again));
        prop_assert_eq!(model, again);
    }

    #[test]
    fn a_damaged_glb_is_an_error_or_a_sound_model(at in any::<prop::sample::Index>(), value: u8, cut: bool) {
        let mut bytes = write(&cube(), Format::Glb, "any").unwrap();
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
        } else {
            bytes[at] = value;
        }
        match read_glb(&bytes) {
            Ok(model) => prop_assert!(model.triangles.as_flattened().iter().all(|i| (*i as usize) < model.uvs.len())),
            Err(error) => prop_assert!(matches!(error, Error::Model(_))),
        }
    }
}

#[test]
fn glb_uses_short_indices_until_they_run_out() {
    let small = ball(254, 256);
    assert!(small.positions.len() <= 65_535);
    let large = ball(255, 256);
    assert!(large.positions.len() > 65_535);
    for (model, bytes_per_index) in [(small, 2), (large, 4)] {
        let file = write(&model, Format::Glb, "any").unwrap();
        let data = 32 * model.positions.len() + 3 * bytes_per_index * model.triangles.len();
        let rest = file.len() - data - model.texture.bytes.len();
        assert!(rest < 2500, "{rest} bytes besides the data");
        assert_eq!(read_glb(&file).unwrap(), model);
    }
}

#[test]
fn every_format_is_the_same_bytes_every_time() {
    let model = ball(24, 12);
    for format in Format::ALL {
        let first = write(&model, format, "ball").unwrap();
        assert_eq!(first, write(&model, format, "ball").unwrap());
        assert!(first.len() > 1000);
    }
}

/// How often each undirected edge is used, by the positions of its ends.
fn edges<T: std::hash::Hash + Ord + Clone>(triangles: &[[T; 3]]) -> HashMap<[T; 2], usize> {
    let mut edges = HashMap::new();
    for triangle in triangles {
        for i in 0..3 {
            let mut edge = [triangle[i].clone(), triangle[(i + 1) % 3].clone()];
            edge.sort();
            *edges.entry(edge).or_insert(0) += 1;
        }
    }
    edges
}

#[test]
fn obj_is_welded_and_names_its_files() {
    let files = write_obj_files(&cube(), "a cup\n2");
    let text = String::from_utf8(files.obj).unwrap();
    let lines = |label: &str| text.lines().filter(|l| l.starts_with(label)).count();
    assert_eq!(
        (lines("v "), lines("vt "), lines("vn "), lines("f ")),
        (8, 24, 24, 12)
    );
    assert!(text.contains("\nmtllib a cup_2.mtl\n"));
    assert!(text.contains("\nusemtl a_cup_2\n"));
    assert_eq!(
        (&*files.mtl_name, &*files.texture_name),
        ("a cup_2.mtl", "a cup_2_texture.png")
    );
    let mtl = String::from_utf8(files.mtl).unwrap();
    assert!(mtl.contains("newmtl a_cup_2\n") && mtl.ends_with("map_Kd a cup_2_texture.png\n"));

    let corner = |part: &str| part.split('/').next().unwrap().parse::<usize>().unwrap();
    let faces: Vec<[usize; 3]> = text
        .lines()
        .filter_map(|line| line.strip_prefix("f "))
        .map(|face| {
            face.split(' ')
                .map(corner)
                .collect::<Vec<_>>()
                .try_into()
                .unwrap()
        })
        .collect();
    assert!(edges(&faces).values().all(|uses| *uses == 2));
}

#[test]
fn obj_positions_read_back_to_the_same_bits() {
    let model = ball(40, 20);
    let text = String::from_utf8(write(&model, Format::Obj, "ball").unwrap()).unwrap();
    assert!(
        !text.contains("mtllib"),
        "the text alone has no material to name"
    );
    let read: Vec<u32> = text
        .lines()
        .filter_map(|line| line.strip_prefix("v "))
        .flat_map(|line| line.split(' ').map(|v| v.parse::<f32>().unwrap().to_bits()))
        .collect();
    let welded = super::weld::weld(&model.positions).positions;
    assert_eq!(
        read,
        welded
            .as_flattened()
            .iter()
            .map(|v| v.to_bits())
            .collect::<Vec<_>>()
    );
    assert!(
        text.contains("\nvt 0.000000 1.000000\n"),
        "the top of the picture is v = 1"
    );
}

#[test]
fn obj_zip_holds_the_three_files() {
    let model = cube();
    let bytes = write(&model, Format::ObjZip, "../cube").unwrap();
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(&bytes)).unwrap();
    let names: Vec<_> = zip
        .file_names()
        .map(|name| name.unwrap().into_owned())
        .collect();
    assert_eq!(names, [".._cube.obj", ".._cube.mtl", ".._cube_texture.png"]);
    let mut texture = Vec::new();
    std::io::Read::read_to_end(
        &mut zip.by_name(".._cube_texture.png").unwrap(),
        &mut texture,
    )
    .unwrap();
    assert_eq!(texture, model.texture.bytes);
}

#[test]
fn stl_stands_upright_on_the_plate_in_millimetres() {
    let bytes = write(&ball(48, 24), Format::Stl, "ball").unwrap();
    let count = u32::from_le_bytes(bytes[80..84].try_into().unwrap()) as usize;
    assert_eq!(bytes.len(), 84 + 50 * count);
    let corner = |face: usize, corner: usize| -> [f32; 3] {
        std::array::from_fn(|axis| {
            let at = 84 + 50 * face + 12 * (corner + 1) + 4 * axis;
            f32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
        })
    };
    let faces: Vec<[[f32; 3]; 3]> = (0..count)
        .map(|face| std::array::from_fn(|i| corner(face, i)))
        .collect();
    let bounds = crate::Bounds::of(faces.as_flattened());
    for (got, want) in bounds.min.iter().zip([-50.0, -50.0, 0.0]) {
        assert!((got - want).abs() < 1e-3, "{bounds:?}");
    }
    assert!((bounds.max[2] - 100.0).abs() < 1e-3, "{bounds:?}");
    let by_bits: Vec<_> = faces
        .iter()
        .map(|f| f.map(|p| p.map(f32::to_bits)))
        .collect();
    assert!(edges(&by_bits).values().all(|uses| *uses == 2));
    // The signed volume of a ball that kept its orientation.
    let volume: f32 = faces
        .iter()
        .map(|[a, b, c]| {
            a[0] * (b[1] * c[2] - b[2] * c[1])
                + a[1] * (b[2] * c[0] - b[0] * c[2])
                + a[2] * (b[0] * c[1] - b[1] * c[0])
        })
        .sum::<f32>()
        / 6.0;
    assert!(volume > 510_000.0 && volume < 523_600.0, "{volume}");
}

#[test]
fn stl_of_the_front_faces_the_person() {
    // A face whose normal is +z (front) in the model looks towards -y on the plate.
    let mut model = cube();
    model
        .triangles
        .retain(|t| model.normals[t[0] as usize] == [0.0, 0.0, 1.0]);
    let bytes = stl::write(&model);
    let normal = [84, 88, 92].map(|at| f32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()));
    assert_eq!(normal, [0.0, -1.0, 0.0]);
}

#[test]
fn ply_has_welded_vertices_with_the_texture_s_colours() {
    let mut model = cube();
    let bytes = write(&model, Format::Ply, "cube").unwrap();
    let end = bytes
        .windows(11)
        .position(|w| w == b"end_header\n")
        .unwrap()
        + 11;
    let header = std::str::from_utf8(&bytes[..end]).unwrap();
    assert!(header.contains("element vertex 8\n") && header.contains("element face 12\n"));
    assert_eq!(bytes.len() - end, 8 * 27 + 12 * 13);
    let colours = (0..8).map(|v| &bytes[end + 27 * v + 24..end + 27 * v + 27]);
    assert!(
        colours
            .clone()
            .any(|c| c != colours.clone().next().unwrap())
    );

    model.texture.bytes.truncate(40);
    let error = write(&model, Format::Ply, "cube").unwrap_err();
    assert!(
        error.to_string().contains("texture does not decode"),
        "{error}"
    );
}
