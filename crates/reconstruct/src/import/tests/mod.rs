use proptest::prelude::*;

use super::{Request, Source, import, peak_bytes, read, soup::Soup, staged};
use crate::{
    Bounds, Error, Format, Model, Silent, Warning,
    fixtures::{ball, cube},
    format::write,
    preview::{View, render},
};

mod foreign;

fn convert(bytes: &[u8]) -> Model {
    import(bytes, &Request::default(), &Silent).unwrap()
}

fn refusal(bytes: &[u8]) -> String {
    import(bytes, &Request::default(), &Silent)
        .unwrap_err()
        .to_string()
}

/// Each triangle's corners, in order.
fn corners(model: &Model) -> Vec<[[f32; 3]; 3]> {
    let corner = |v: u32| model.positions[v as usize];
    model.triangles.iter().map(|t| t.map(corner)).collect()
}

fn soup_corners(soup: &Soup) -> Vec<[[f32; 3]; 3]> {
    let corner = |v: u32| soup.vertices[v as usize].position;
    soup.triangles.iter().map(|t| t.map(corner)).collect()
}

fn assert_near(got: &[[[f32; 3]; 3]], want: &[[[f32; 3]; 3]], rounding: f32) {
    assert_eq!(got.len(), want.len());
    let values = |all: &[[[f32; 3]; 3]]| all.as_flattened().as_flattened().to_vec();
    for (got, want) in values(got).iter().zip(values(want)) {
        let scale = want.abs().max(1e-3);
        assert!((got - want).abs() <= rounding * scale, "{got} {want}");
    }
}

const READ_BACK: [(Format, Source); 4] = [
    (Format::Glb, Source::Glb),
    (Format::Obj, Source::Obj),
    (Format::Stl, Source::Stl),
    (Format::Ply, Source::Ply),
];

/// Bodies of triangles at random places, so that no two faces are alike.
fn any_mesh() -> impl Strategy<Value = Model> {
    let shift = prop::array::uniform3(-40.0_f32..40.0);
    (4_u32..14, 3_u32..9, shift, any::<bool>(), any::<u64>()).prop_map(
        |(columns, rows, shift, coloured, seed)| {
            let mut model = ball(columns, rows);
            for position in &mut model.positions {
                *position = std::array::from_fn(|axis| 30.0 * position[axis] + shift[axis]);
            }
            if coloured {
                let count = model.positions.len() as u64;
                let part = |n: u64| (n.wrapping_mul(seed | 1) >> 40) as f32 / (1 << 24) as f32;
                model.colours = (0..count)
                    .map(|n| [part(n), part(n + count), part(n + 2 * count)])
                    .collect();
            }
            model
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_as_the_same_mesh(model in any_mesh()) {
        for (format, source) in READ_BACK {
            let bytes = write(&model, format, "any").unwrap();
            prop_assert_eq!(Source::of(&bytes), Some(source));
            let rounding = if format == Format::Stl { 1e-6 } else { 0.0 };
            let soup = read(&bytes).unwrap();
            assert_near(&soup_corners(&soup), &corners(&model), rounding);
            let again = convert(&bytes);
            assert_near(&corners(&again), &corners(&model), rounding);
            prop_assert_eq!(&again.warnings, &[], "{:?}", format);
        }
    }

    #[test]
    fn a_glb_comes_back_with_all_that_it_wears(model in any_mesh()) {
        let again = convert(&write(&model, Format::Glb, "any").unwrap());
        prop_assert_eq!(&again.texture, &model.texture);
        for (read, written) in again.triangles.iter().zip(&model.triangles) {
            for (read, written) in read.iter().zip(written) {
                let (read, written) = (*read as usize, *written as usize);
                prop_assert_eq!(again.uvs[read], model.uvs[written]);
                prop_assert_eq!(again.colours.get(read), model.colours.get(written));
                let [a, b] = [again.normals[read], model.normals[written]];
                prop_assert!((0..3).all(|i| (a[i] - b[i]).abs() < 1e-6));
            }
        }
    }

    #[test]
    fn whatever_the_bytes_are_they_are_a_mesh_or_an_error(
        start in prop::sample::select(vec![&b"glTF\x02\0\0\0"[..], b"ply\nformat ascii 1.0\n", b"solid a\n", b"v 0 0 0\n", b""]),
        bytes in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let bytes = [start, &bytes].concat();
        let _ = peak_bytes(&bytes);
        let _ = import(&bytes, &Request::default(), &Silent);
    }

    #[test]
    fn a_damaged_mesh_is_sound_or_an_error(
        format in prop::sample::select(READ_BACK.map(|(format, _)| format).to_vec()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = write(&cube(), format, "cube").unwrap();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(at) = cut {
            bytes.truncate(at.index(bytes.len()));
        }
        let _ = peak_bytes(&bytes);
        let request = Request { face_limit: Some(100), size_mm: Some(50.0) };
        if let Ok(model) = import(&bytes, &request, &Silent) {
            let finite = |v: &[[f32; 3]]| v.as_flattened().iter().all(|x| x.is_finite());
            prop_assert!(finite(&model.positions) && finite(&model.normals));
            prop_assert!(model.triangles.as_flattened().iter().all(|i| (*i as usize) < model.uvs.len()));
            for format in Format::ALL {
                write(&model, format, "again").unwrap();
            }
        }
    }

    #[test]
    fn a_face_limit_is_kept_and_a_closed_body_stays_closed(columns in 12_u32..60, rows in 8_u32..40, limit in 100_u32..600) {
        let model = ball(columns, rows);
        for (format, _) in READ_BACK {
            let bytes = write(&model, format, "ball").unwrap();
            let request = Request { face_limit: Some(limit), size_mm: None };
            let fewer = import(&bytes, &request, &Silent).unwrap();
            prop_assert!(fewer.triangles.len() <= limit as usize);
            let broken = |w: &&Warning| !matches!(w, Warning::TextureOnVertices);
            prop_assert_eq!(fewer.warnings.iter().find(broken), None, "{:?}", format);
        }
    }
}

#[test]
fn fewer_faces_still_wear_the_texture() {
    let model = ball(60, 40);
    let bytes = write(&model, Format::Glb, "ball").unwrap();
    let request = Request {
        face_limit: Some(400),
        size_mm: None,
    };
    let fewer = import(&bytes, &request, &Silent).unwrap();
    assert_eq!(fewer.texture, model.texture);
    assert_eq!(fewer.warnings, []);
    for (position, uv) in fewer.positions.iter().zip(&fewer.uvs) {
        let known = model.positions.iter().zip(&model.uvs);
        assert!(known.into_iter().any(|(p, t)| (p, t) == (position, uv)));
    }
}

#[test]
fn a_size_scales_about_the_origin_and_nothing_else_moves() {
    let bytes = write(&cube(), Format::Stl, "cube").unwrap();
    let request = Request {
        face_limit: None,
        size_mm: Some(250.0),
    };
    let model = import(&bytes, &request, &Silent).unwrap();
    let Bounds { min, max } = Bounds::of(&model.positions);
    for (got, want) in min
        .iter()
        .chain(&max)
        .zip([-0.125, 0.0, -0.125, 0.125, 0.25, 0.125])
    {
        assert!((got - want).abs() < 1e-6, "{got} {want}");
    }
    assert_eq!(
        model.options,
        [("model", "convert"), ("size_mm", "250")].map(|(n, v)| (n.to_owned(), v.to_owned()))
    );
    let few = Request {
        face_limit: Some(7),
        size_mm: None,
    };
    let model = import(&bytes, &few, &Silent).unwrap();
    assert_eq!(model.warnings, [Warning::FaceLimitRaised { asked: 7 }]);
}

#[test]
fn an_open_mesh_is_told_with_counts_and_seen_from_both_sides() {
    let model = convert(b"v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nv 5 5 5\nf 1 2 3 4\nf 1 1 2\n");
    assert_eq!(
        model.warnings,
        [
            Warning::FlatFacesLeftOut { faces: 1 },
            Warning::NotClosed { edges: 4 }
        ]
    );
    assert_eq!(model.positions.len(), 4, "a vertex without a face goes");
    let staged = staged(&model);
    assert_eq!(staged.triangles.len(), 4);
    assert_eq!(Bounds::of(&staged.positions).min, [-0.5, 0.0, 0.0]);
    render(&staged, &View::three_quarter(32)).unwrap();
    let glb = write(&model, Format::Glb, "plane").unwrap();
    assert!(String::from_utf8_lossy(&glb).contains("\"doubleSided\":true"));
    assert_eq!(crate::format::read_glb(&glb).unwrap(), model);
}

#[test]
fn a_fan_of_three_faces_on_an_edge_and_an_inverted_body_are_told() {
    let fan = convert(b"v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 -1 0\nv 0 0 1\nf 1 2 3\nf 1 2 4\nf 1 2 5\n");
    assert!(fan.warnings.contains(&Warning::NotManifold { edges: 2 }));
    let inverted =
        convert(b"v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 2 3\nf 1 4 2\nf 1 3 4\nf 2 4 3\n");
    assert_eq!(inverted.warnings, [Warning::InsideOut]);
}

#[test]
fn what_no_step_can_deal_with_is_an_error_that_names_it() {
    for (bytes, words) in [
        (&b"GIF89a"[..], "not a GLB, OBJ, STL or PLY mesh"),
        (b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 4\n", "names vertex 4, but there are 3 vertices"),
        (b"v 0 0 0\nv 1 0 0\nf 1 2 -3\n", "names vertex -3, but there are 2"),
        (b"v 0 0 0\nv 1 0 0\nv 0 NaN 0\nf 1 2 3\n", "a coordinate of vertex 3 is NaN"),
        (b"v 0 0 0\nv 1 0 0\nv 0 1e99 0\nf 1 2 3\n", "a coordinate of vertex 3 is inf"),
        (b"v 0 0 0\nv 1 0 0\nv 0 2e9 0\nf 1 2 3\n", "a coordinate in metres is 2000000000, over the limit of 1000000000"),
        (b"v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n", "the OBJ mesh has no faces"),
        (b"v 0 0\n", "line 1 is not well formed: \"v 0 0\""),
        (b"solid\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 0 0\nendloop\n", "line 6 has not three corners"),
        (b"solid\nvertex 0 0 0\n", "it ends within a face"),
        (b"solid nothing\nendsolid\n", "the STL mesh has no faces"),
        (b"ply\nformat ascii 1.0\nelement vertex 4000000\nproperty float x\nproperty float y\nproperty float z\nend_header\n1 2 3\n", "ends before the 4000000 of \"vertex\""),
        (b"ply\nformat ascii 1.0\nelement vertex 4000000000\nend_header\n", "the number of vertices is 4000000000, over the limit of 6000000"),
        (b"ply\nformat ascii 1.0\nproperty quad x\nend_header\n", "line 3 of its header is not understood"),
        (b"ply\nelement vertex 3\nend_header\n", "its header names no known format"),
        (b"glTF\x01\0\0\0", "it is of version 1, not 2"),
        (b"glTF\x02\0\0\0\0\0\0\0\xff\xff\xff\xffJSON{}", "it ends at byte 22"),
    ] {
        let told = refusal(bytes);
        assert!(told.contains(words), "{told}");
    }
    let cancelled = Error::Cancelled(crate::Step::Decode).to_string();
    assert_eq!(cancelled, "cancelled during decode");
}

#[test]
fn options_are_those_of_pictures_with_their_bounds() {
    let asked = [("face_limit", "5000"), ("size_mm", "80.5")];
    let request = Request::parse(asked).unwrap();
    let pairs = request.pairs();
    assert_eq!(
        pairs
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect::<Vec<_>>(),
        asked
    );
    let refused = |pair| Request::parse([pair]).unwrap_err().message;
    assert_eq!(
        refused(("face_limit", "0")),
        "face_limit is 0; it must be from 1 to 500000"
    );
    assert_eq!(
        refused(("depth", "1")),
        "a conversion has no option \"depth\"; it knows face_limit and size_mm"
    );
}
