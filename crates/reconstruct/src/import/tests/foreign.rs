//! Files as other programs write them.

use super::{convert, corners, refusal};
use crate::{Model, Warning, fixtures::cube, sampler::to_linear};

/// A GLB of that JSON and those bytes.
fn glb(json: &str, bin: &[u8]) -> Vec<u8> {
    let (mut json, mut bin) = (json.as_bytes().to_vec(), bin.to_vec());
    json.resize(json.len().next_multiple_of(4), b' ');
    bin.resize(bin.len().next_multiple_of(4), 0);
    let chunk =
        |kind: &[u8], bytes: &[u8]| [&(bytes.len() as u32).to_le_bytes(), kind, bytes].concat();
    let chunks = [chunk(b"JSON", &json), chunk(b"BIN\0", &bin)].concat();
    let length = (12 + chunks.len() as u32).to_le_bytes();
    [&b"glTF\x02\0\0\0"[..], &length, &chunks].concat()
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// A unit square in the plane z = 0 as four positions.
fn square() -> Vec<u8> {
    floats(&[0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0])
}

fn area(model: &Model) -> f64 {
    let double = |t: [[f32; 3]; 3]| crate::mesh::length(crate::mesh::area_vector(t));
    corners(model).into_iter().map(double).sum::<f64>() / 2.0
}

#[test]
fn every_way_to_list_corners_gives_the_same_square() {
    let indices: [(&str, Vec<u8>, u32, u32); 5] = [
        ("5121", vec![0, 1, 2, 0, 2, 3], 4, 6),
        (
            "5123",
            [0_u16, 1, 2, 0, 2, 3]
                .iter()
                .flat_map(|i| i.to_le_bytes())
                .collect(),
            4,
            6,
        ),
        (
            "5125",
            [0_u32, 1, 2, 0, 2, 3]
                .iter()
                .flat_map(|i| i.to_le_bytes())
                .collect(),
            4,
            6,
        ),
        ("5121", vec![1, 2, 0, 3], 5, 4),
        ("5121", vec![0, 1, 2, 3], 6, 4),
    ];
    for (kind, list, mode, count) in indices {
        let bin = [square(), list.clone()].concat();
        let json = format!(
            r#"{{"asset":{{"version":"2.0"}},"meshes":[{{"primitives":[{{"attributes":{{"POSITION":0}},"indices":1,"mode":{mode}}}]}}],
            "accessors":[{{"bufferView":0,"componentType":5126,"count":4,"type":"VEC3"}},{{"bufferView":1,"componentType":{kind},"count":{count},"type":"SCALAR"}}],
            "bufferViews":[{{"buffer":0,"byteLength":48}},{{"buffer":0,"byteOffset":48,"byteLength":{}}}],"buffers":[{{"byteLength":{}}}]}}"#,
            list.len(),
            bin.len()
        );
        let model = convert(&glb(&json, &bin));
        assert_eq!(
            (area(&model), model.triangles.len()),
            (1.0, 2),
            "{mode} {kind}"
        );
        assert!(
            model.normals.iter().all(|n| *n == [0.0, 0.0, 1.0]),
            "{mode} {kind}"
        );
        assert_eq!(model.warnings, [Warning::NotClosed { edges: 4 }]);
    }
    let without = r#"{"meshes":[{"primitives":[{"attributes":{"POSITION":0}}]}],
        "accessors":[{"bufferView":0,"componentType":5126,"count":3,"type":"VEC3"}],"bufferViews":[{"buffer":0,"byteLength":36}]}"#;
    assert_eq!(area(&convert(&glb(without, &square()))), 0.5);
}

#[test]
fn nodes_are_flattened_and_a_mirror_keeps_faces_outwards() {
    let json = |root: &str| {
        format!(
            r#"{{"scene":0,"scenes":[{{"nodes":[0]}}],"nodes":[{{{root},"children":[1]}},{{"mesh":0,"translation":[0,0,5]}}],
            "meshes":[{{"primitives":[{{"attributes":{{"POSITION":0}},"mode":6}}]}}],
            "accessors":[{{"bufferView":0,"componentType":5126,"count":4,"type":"VEC3"}}],"bufferViews":[{{"buffer":0,"byteLength":48}}]}}"#
        )
    };
    let turned = convert(&glb(
        &json(r#""rotation":[0,0.70710678,0,0.70710678],"scale":[2,2,2],"translation":[1,0,0]"#),
        &square(),
    ));
    let near = |a: [f32; 3], b: [f32; 3]| (0..3).all(|i| (a[i] - b[i]).abs() < 1e-5);
    // A quarter turn about y takes z to x, and x to -z.
    assert!(near(turned.positions[1], [11.0, 0.0, -2.0]), "{turned:?}");
    assert!(near(turned.normals[0], [1.0, 0.0, 0.0]), "{turned:?}");
    let mirrored = convert(&glb(
        &json(r#""matrix":[-1,0,0,0, 0,1,0,0, 0,0,1,0, 0,0,0,1]"#),
        &square(),
    ));
    assert_eq!(mirrored.normals[0], [0.0, 0.0, 1.0]);
    let loops = refusal(&glb(
        &json(r#""scale":[1,1,1]"#).replace("\"mesh\":0", "\"children\":[0]"),
        &square(),
    ));
    assert!(loops.contains("node 0 has two parents"), "{loops}");
}

#[test]
fn interleaved_normalized_and_sparse_values_are_read() {
    // Positions as 16-bit whole numbers, with a colour after each.
    let mut bin = Vec::new();
    for [x, y] in [[0_i16, 0], [100, 0], [100, 100], [0, 100]] {
        bin.extend([x, y, 0, 0].iter().flat_map(|v| v.to_le_bytes()));
        bin.extend([255, 0, 0, 255]);
    }
    // The third position is moved by a sparse part.
    bin.extend([2, 0, 0, 0]);
    bin.extend([200_i16, 200, 0, 0].iter().flat_map(|v| v.to_le_bytes()));
    let json = r#"{"extensionsRequired":["KHR_mesh_quantization"],"meshes":[{"primitives":[{"attributes":{"POSITION":0,"COLOR_0":1},"mode":6}]}],
        "accessors":[{"bufferView":0,"componentType":5122,"count":4,"type":"VEC3","sparse":{"count":1,
            "indices":{"bufferView":1,"componentType":5121},"values":{"bufferView":2}}},
            {"bufferView":0,"byteOffset":8,"componentType":5121,"normalized":true,"count":4,"type":"VEC4"}],
        "bufferViews":[{"buffer":0,"byteLength":48,"byteStride":12},{"buffer":0,"byteOffset":48,"byteLength":4},{"buffer":0,"byteOffset":52,"byteLength":8}]}"#;
    let model = convert(&glb(json, &bin));
    assert!(model.positions.contains(&[200.0, 200.0, 0.0]));
    assert_eq!(model.colours, vec![[1.0, 0.0, 0.0]; 4]);
}

/// Two squares, each with a material of its own.
fn two_materials(materials: &str, uvs: &[f32]) -> Vec<u8> {
    let image = cube().texture.bytes;
    let mut bin = [square(), floats(uvs)].concat();
    let at = bin.len();
    bin.extend(&image);
    let json = format!(
        r#"{{"meshes":[{{"primitives":[{{"attributes":{{"POSITION":0,"TEXCOORD_0":1}},"mode":6,"material":0}},{{"attributes":{{"POSITION":0,"TEXCOORD_0":1}},"mode":6,"material":1}}]}}],
        "materials":[{materials}],"textures":[{{"source":0}},{{"source":1}}],"images":[{{"bufferView":2,"mimeType":"image/png"}},{{"uri":"elsewhere.png"}}],
        "accessors":[{{"bufferView":0,"componentType":5126,"count":4,"type":"VEC3"}},{{"bufferView":1,"componentType":5126,"count":4,"type":"VEC2"}}],
        "bufferViews":[{{"buffer":0,"byteLength":48}},{{"buffer":0,"byteOffset":48,"byteLength":32}},{{"buffer":0,"byteOffset":{at},"byteLength":{}}}]}}"#,
        image.len()
    );
    glb(&json, &bin)
}

const TEXTURED: &str =
    r#"{"pbrMetallicRoughness":{"baseColorTexture":{"index":0}},"normalTexture":{"index":0}}"#;
const RED: &str = r#"{"pbrMetallicRoughness":{"baseColorFactor":[1,0,0,1]}}"#;
const UNIT: [f32; 8] = [0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0];

#[test]
fn several_looks_become_one_texture_and_colours() {
    let model = convert(&two_materials(&format!("{TEXTURED},{RED}"), &UNIT));
    assert!(model.warnings.contains(&Warning::MaterialReduced));
    assert_eq!(model.texture.media_type, "image/png");
    assert_eq!(model.colours[0], [1.0; 3]);
    assert_eq!(model.colours[4], [1.0, 0.0, 0.0]);
    let sampler = crate::sampler::Sampler::decode(&model.texture).unwrap();
    assert_eq!(
        sampler.sample(model.uvs[4], 0.0),
        [1.0; 3],
        "the red one's texel is white"
    );
    let own = crate::sampler::Sampler::decode(&cube().texture).unwrap();
    let middle = |uvs: &[[f32; 2]]| [0, 1].map(|i| (uvs[0][i] + uvs[2][i]) / 2.0);
    let (got, want) = (
        sampler.sample(middle(&model.uvs), 0.0),
        own.sample([0.5; 2], 0.0),
    );
    assert!(
        (0..3).all(|c| (got[c] - want[c]).abs() < 0.02),
        "{got:?} {want:?}"
    );
}

#[test]
fn a_pattern_stays_one_when_it_is_alone_and_goes_to_the_vertices_beside_others() {
    let tiled = UNIT.map(|c| 3.0 * c + 0.25);
    let alone = convert(&two_materials(&format!("{TEXTURED},{TEXTURED}"), &tiled));
    assert_eq!(
        (alone.texture.bytes.clone(), alone.texture.repeats),
        (cube().texture.bytes, true)
    );
    assert_eq!(alone.uvs[2], [3.25, 3.25]);
    let beside = convert(&two_materials(&format!("{TEXTURED},{RED}"), &tiled));
    assert!(beside.warnings.contains(&Warning::TextureOnVertices));
    assert_eq!(
        (beside.texture.width, beside.colours[4]),
        (1, [1.0, 0.0, 0.0])
    );
    let missing = TEXTURED.replace("\"index\":0", "\"index\":1");
    let missing = convert(&two_materials(&format!("{missing},{RED}"), &UNIT));
    assert!(missing.warnings.contains(&Warning::TextureLeftOut));
}

#[test]
fn what_lies_elsewhere_or_is_packed_is_refused_by_name() {
    let json = |more: &str, view: &str| {
        format!(
            r#"{{{more}"meshes":[{{"primitives":[{{"attributes":{{"POSITION":0}}}}]}}],
            "accessors":[{{"bufferView":0,"componentType":5126,"count":4000000,"type":"VEC3"}}],"bufferViews":[{{{view}"buffer":0,"byteLength":48}}],"buffers":[{{"byteLength":48,"uri":"a.bin"}}]}}"#
        )
    };
    for (json, words) in [
        (
            json(
                r#""extensionsRequired":["KHR_draco_mesh_compression"],"#,
                "",
            ),
            "needs the extension \"KHR_draco_mesh_compression\", which is not read",
        ),
        (
            json(r#""extensionsRequired":["EXT_meshopt_compression"],"#, ""),
            "\"EXT_meshopt_compression\"",
        ),
        (json("", ""), "needs a buffer outside the file"),
        (
            json("", "").replace(",\"uri\":\"a.bin\"", ""),
            "accessor 0 lies outside its buffer view",
        ),
        (
            json("", r#""byteOffset":18446744073709551615,"#).replace(",\"uri\":\"a.bin\"", ""),
            "buffer view 0 lies outside the file",
        ),
    ] {
        let told = refusal(&glb(&json, &square()));
        assert!(told.contains(words), "{told}");
    }
}

#[test]
fn an_obj_with_polygons_seams_and_colours_is_read() {
    let text = b"# by hand\r\nmtllib absent.mtl\r\no box\r\nv 0 0 0 1 0 0\r\nv 1 0 0 1 0 0\r\nv 1 1 0 0 0.5 0\r\nv 0 1 0 1 0 0\r\n\
        vt 0 0\r\nvt 1 0\r\nvt 1 1\r\nvt 0 1\r\nvn 0 0 2\r\ns off\r\nusemtl none\r\nf -4/1/1 -3/2/1 \\\r\n-2/3/1 -1/4/1\r\nl 1 2\r\n";
    let model = convert(text);
    assert_eq!((area(&model), model.triangles.len()), (1.0, 2));
    let at = model
        .positions
        .iter()
        .position(|p| *p == [1.0, 1.0, 0.0])
        .unwrap();
    assert_eq!(model.colours[at], [0.0, to_linear(128), 0.0]);
    assert_eq!(
        (model.uvs[at], model.normals[at]),
        ([1.0, 0.0], [0.0, 0.0, 1.0])
    );
}

#[test]
fn a_binary_stl_may_begin_with_solid_and_a_text_may_be_in_capitals() {
    let model = crate::format::write(&cube(), crate::Format::Stl, "cube").unwrap();
    let mut solid = model.clone();
    solid[..80].fill(b' ');
    solid[..12].copy_from_slice(b"solid facet ");
    assert_eq!(corners(&convert(&solid)), corners(&convert(&model)));
    let text = b"SOLID a\n FACET NORMAL 0 0 0\n  OUTER LOOP\n   VERTEX 0 0 0\n   VERTEX 1e3 0 0\n   VERTEX 0 0 1000\n  ENDLOOP\n ENDFACET\nENDSOLID a\n";
    assert_eq!(
        corners(&convert(text)),
        [[[0.0; 3], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]
    );
}

#[test]
fn a_ply_is_read_in_either_byte_order_with_what_it_has_besides() {
    let header = |format: &str| {
        format!(
            "ply\nformat {format} 1.0\ncomment a square\nelement camera 1\nproperty list uchar float view\nelement vertex 4\nproperty double x\nproperty double y\nproperty double z\n\
             property uchar red\nproperty uchar green\nproperty uchar blue\nproperty uchar alpha\nelement face 1\nproperty uchar flags\nproperty list uint8 int32 vertex_index\nend_header\n"
        )
    };
    let mut text = header("ascii").into_bytes();
    text.extend(b"2 0.5 0.5\n0 0 0 255 0 0 255\n1 0 0 255 0 0 255\n1 1 0 255 0 0 255\n0 1 0 0 0 255 255\n7 4 0 1 2 3\n");
    let ascii = convert(&text);
    assert_eq!((area(&ascii), ascii.triangles.len()), (1.0, 2));
    assert_eq!(ascii.colours[0], [1.0, 0.0, 0.0]);
    for big in [false, true] {
        let double = |v: f64| {
            if big {
                v.to_be_bytes()
            } else {
                v.to_le_bytes()
            }
        };
        let int = |v: i32| {
            if big {
                v.to_be_bytes()
            } else {
                v.to_le_bytes()
            }
        };
        let name = if big {
            "binary_big_endian"
        } else {
            "binary_little_endian"
        };
        let mut bytes = header(name).into_bytes();
        bytes.push(2);
        bytes.extend([0; 8]);
        for (x, y, colour) in [
            (0.0, 0.0, [255, 0, 0, 255]),
            (1.0, 0.0, [255, 0, 0, 255]),
            (1.0, 1.0, [255, 0, 0, 255]),
            (0.0, 1.0, [0, 0, 255, 255]),
        ] {
            bytes.extend([x, y, 0.0].iter().flat_map(|v| double(*v)));
            bytes.extend(colour);
        }
        bytes.extend([7, 4]);
        bytes.extend([0, 1, 2, 3].iter().flat_map(|v| int(*v)));
        assert_eq!(convert(&bytes), ascii);
        bytes.pop();
        assert!(
            refusal(&bytes).contains("ends before"),
            "{}",
            refusal(&bytes)
        );
    }
}
