//! The atlas shows the object and nothing of its background, the same every time.

use reconstruct::{
    Error, ModelKind, Options, Silent,
    image::Picture,
    mesh::Patch,
    segment::{Matte, segment},
    texture::{Atlas, paint},
};

use crate::draw::{GROUNDS, OBJECTS, SIDE, composite};

fn paint_as(model: ModelKind, picture: &Picture, matte: &Matte) -> Atlas {
    let options = Options::parse(model, []).unwrap();
    let atlas = paint(picture, matte, &options, &Silent).unwrap();
    let again = paint(picture, matte, &options, &Silent).unwrap();
    assert_eq!(atlas, again);
    assert!(atlas.texture.width.max(atlas.texture.height) <= options.texture_size);
    atlas
}

/// The texel that a picture position maps to.
fn texel(atlas: &Atlas, image: &image::RgbImage, patch: Patch, x: f32, y: f32) -> [f32; 3] {
    let [u, v] = atlas.uv(patch, x, y);
    let at = |t: f32, len: u32| ((t * len as f32) as u32).min(len - 1);
    image
        .get_pixel(at(u, image.width()), at(v, image.height()))
        .0
        .map(f32::from)
}

fn decoded(atlas: &Atlas) -> image::RgbImage {
    image::load_from_memory(&atlas.texture.bytes)
        .unwrap()
        .into_rgb8()
}

fn far(a: [f32; 3], b: [f32; 3]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

#[test]
fn the_front_is_the_photo_and_no_background_bleeds_in_at_the_rim() {
    for (name, outline, colours) in OBJECTS {
        let (picture, truth) = composite((outline, colours), GROUNDS[2].1, [0.0, 0.0]);
        let matte = segment(&picture, None, &Silent).unwrap();
        let atlas = paint_as(ModelKind::Inflate, &picture, &matte);
        let image = decoded(&atlas);
        let (mut error, mut inside) = (0.0, 0.0);
        let (mut rim, mut object_like) = (0, 0);
        for i in 0..SIDE * SIDE {
            let (x, y) = ((i % SIDE) as f32 + 0.5, (i / SIDE) as f32 + 0.5);
            let (ux, uy) = (2.0 * x / SIDE as f32 - 1.0, 2.0 * y / SIDE as f32 - 1.0);
            let distance = outline(ux, uy) * SIDE as f32 / 2.0;
            let seen = texel(&atlas, &image, Patch::Front, x, y);
            if truth[i as usize] && distance < -2.0 {
                let px = &picture.rgba[4 * i as usize..][..3];
                error += far(seen, [px[0], px[1], px[2]].map(f32::from)) / 3.0;
                inside += 1.0;
            }
            // From just inside to eight texels beyond: both patches wear the object's colours.
            if (-2.0..8.0).contains(&distance) {
                for seen in [seen, texel(&atlas, &image, Patch::Back, x, y)] {
                    rim += 1;
                    let object = colours(ux, uy);
                    object_like += u32::from(far(seen, object) < far(seen, GROUNDS[2].1(ux, uy)));
                }
            }
        }
        let psnr = 10.0 * (255.0 * 255.0 * inside / error).log10();
        assert!(psnr > 30.0, "{name}: {psnr} dB");
        assert!(
            object_like * 100 >= rim * 97,
            "{name}: {object_like} of {rim}"
        );
    }
}

#[test]
fn flat_art_is_png_and_wears_its_front_on_the_back() {
    let two_colours = |x: f32, _: f32| {
        if x < 0.0 {
            [200.0, 30.0, 30.0]
        } else {
            [20.0, 40.0, 160.0]
        }
    };
    let (picture, _) = composite((OBJECTS[1].1, two_colours), GROUNDS[0].1, [0.0, 0.0]);
    let matte = segment(&picture, None, &Silent).unwrap();
    let flat = paint_as(ModelKind::Inflate, &picture, &matte);
    assert_eq!(
        (flat.texture.media_type, flat.front),
        ("image/png", flat.back)
    );
    let (photo, _) = composite((OBJECTS[1].1, OBJECTS[1].2), GROUNDS[2].1, [0.0, 0.0]);
    let matte = segment(&photo, None, &Silent).unwrap();
    let atlas = paint_as(ModelKind::Inflate, &photo, &matte);
    assert_eq!(atlas.texture.media_type, "image/jpeg");
    assert_ne!(atlas.front, atlas.back);
    let extruded = paint_as(ModelKind::Extrude, &photo, &matte);
    assert_eq!(extruded.front, extruded.back);
}

#[test]
fn the_back_of_a_relief_is_one_calm_colour() {
    let (picture, _) = composite((OBJECTS[0].1, OBJECTS[0].2), GROUNDS[1].1, [0.0, 0.0]);
    let atlas = paint_as(ModelKind::Relief, &picture, &Matte::whole(SIDE, SIDE));
    let image = decoded(&atlas);
    let first = texel(&atlas, &image, Patch::Back, 0.0, 0.0);
    for (x, y) in [(10.0, 390.0), (200.0, 200.0), (400.0, 5.0)] {
        assert!(far(first, texel(&atlas, &image, Patch::Back, x, y)) < 20.0);
    }
}

fn with_alpha(alpha: impl Fn(u32, u32) -> u8) -> Picture {
    let (mut picture, _) = composite((OBJECTS[0].1, OBJECTS[0].2), GROUNDS[2].1, [0.0, 0.0]);
    for i in 0..SIDE * SIDE {
        picture.rgba[4 * i as usize + 3] = alpha(i % SIDE, i / SIDE);
    }
    picture
}

#[test]
fn alpha_counts_when_it_is_really_used() {
    let half = |x: u32, _: u32| if x < SIDE / 2 { 255 } else { 30 };
    let matte = segment(&with_alpha(half), None, &Silent).unwrap();
    assert!((0..SIDE * SIDE).all(|i| matte.alpha[i as usize] == half(i % SIDE, 0)));
    // A few clear pixels in a corner cut nothing out.
    let corner = with_alpha(|x, y| if x < 20 && y < 20 { 0 } else { 255 });
    let opaque = with_alpha(|_, _| 255);
    assert_eq!(
        segment(&corner, None, &Silent),
        segment(&opaque, None, &Silent)
    );
    let clear = segment(&with_alpha(|_, _| 0), None, &Silent);
    assert_eq!(clear, Err(Error::NoContent("all of it is transparent")));
}

fn mask(width: u32, height: u32, px: impl Fn(u32) -> [u8; 4]) -> Picture {
    let rgba = (0..width * height).flat_map(|i| px(i % width)).collect();
    Picture {
        width,
        height,
        rgba,
        warnings: Vec::new(),
    }
}

#[test]
fn the_persons_own_mask_decides_at_any_size() {
    let picture = with_alpha(|_, _| 255);
    let white = mask(10, 4, |x| if x < 5 { [255; 4] } else { [0, 0, 0, 255] });
    let opaque = mask(100, 7, |x| if x < 50 { [0, 0, 0, 255] } else { [0; 4] });
    for own in [white, opaque] {
        let matte = segment(&picture, Some(&own), &Silent).unwrap();
        for (i, &alpha) in matte.alpha.iter().enumerate() {
            let x = i as u32 % SIDE;
            assert!(
                x.abs_diff(SIDE / 2) < 2 || (alpha >= 128) == (x < SIDE / 2),
                "{x}"
            );
        }
    }
    let none = mask(3, 3, |_| [20, 20, 20, 255]);
    let refused = segment(&picture, Some(&none), &Silent).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the mask cannot be used: it is 3x3 pixels and none of them is white, so nothing is marked as the object"
    );
}
