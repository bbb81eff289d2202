//! Whatever the matte and the limit: a mesh that passes every check, or an error that names why not.

use proptest::prelude::*;
use reconstruct::{
    Error, ModelKind, Options, Silent,
    image::Picture,
    mesh::{check, simplify},
    segment::Matte,
    shape::{Fineness, build},
};

/// A reproducible stream of numbers (Marsaglia's xorshift).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u32) -> u32 {
        (self.next() % u64::from(end)) as u32
    }
}

#[derive(Debug, Clone, Copy)]
enum Texture {
    /// Every pixel by itself.
    Salt,
    /// Rectangles, one pixel and more, on top of each other and over the border.
    Boxes,
    /// Squares that touch at corners only.
    Diagonal,
    /// A frame along the border with lines of one pixel.
    Frame,
    /// Grey at random, around the level of the outline.
    Fog,
}

fn alpha(texture: Texture, width: u32, height: u32, seed: u64) -> Vec<u8> {
    let mut noise = Noise(seed | 1);
    let mut alpha = vec![0_u8; (width * height) as usize];
    let at = |x: u32, y: u32| (y * width + x) as usize;
    match texture {
        Texture::Salt => alpha
            .iter_mut()
            .for_each(|a| *a = (noise.below(2) * 255) as u8),
        Texture::Fog => alpha
            .iter_mut()
            .for_each(|a| *a = 96 + noise.below(64) as u8),
        Texture::Boxes => {
            for turn in 0..12 {
                let (x, y) = (noise.below(width), noise.below(height));
                let (right, bottom) = (
                    x + 1 + noise.below(width / 2),
                    y + 1 + noise.below(height / 2),
                );
                for y in y..bottom.min(height) {
                    for x in x..right.min(width) {
                        alpha[at(x, y)] = if turn % 3 == 2 { 0 } else { 255 };
                    }
                }
            }
        }
        Texture::Diagonal => {
            let side = 1 + noise.below(9);
            for y in 0..height {
                for x in 0..width {
                    alpha[at(x, y)] = ((x / side + y / side) % 2 * 255) as u8;
                }
            }
        }
        Texture::Frame => {
            let step = 3 + noise.below(20);
            for y in 0..height {
                for x in 0..width {
                    let edge = x == 0 || y == 0 || x + 1 == width || y + 1 == height;
                    alpha[at(x, y)] = if edge || x % step == 0 { 255 } else { 0 };
                }
            }
        }
    }
    alpha
}

fn picture(width: u32, height: u32, alpha: &[u8], seed: u64) -> Picture {
    let mut noise = Noise(seed | 3);
    let rgba = alpha
        .iter()
        .flat_map(|&a| {
            let grey = noise.below(256) as u8;
            [grey, grey, grey / 2, a]
        })
        .collect();
    Picture {
        width,
        height,
        rgba,
        warnings: Vec::new(),
    }
}

fn textures() -> impl Strategy<Value = Texture> {
    prop_oneof![
        Just(Texture::Salt),
        Just(Texture::Boxes),
        Just(Texture::Diagonal),
        Just(Texture::Frame),
        Just(Texture::Fog),
    ]
}

fn limits() -> impl Strategy<Value = u32> {
    prop_oneof![1_u32..400, 400_u32..6000, Just(20_000), Just(500_000)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_matte_becomes_a_sound_mesh_or_a_named_error(
        texture in textures(),
        width in 2_u32..120,
        height in 2_u32..120,
        seed in any::<u64>(),
        kind in 0_usize..3,
        limit in limits(),
        cut_out in any::<bool>(),
        depth in 0.05_f32..3.0,
        bevel in 0.0_f32..20.0,
        thickness in 0.2_f32..50.0,
    ) {
        let mut options = Options::of(ModelKind::ALL[kind]);
        (options.face_limit, options.cut_out, options.depth) = (limit, cut_out, depth);
        (options.bevel_mm, options.thickness_mm, options.border_mm) = (bevel, thickness, bevel);
        let alpha = alpha(texture, width, height, seed);
        let picture = picture(width, height, &alpha, seed);
        let matte = Matte { width, height, alpha, warnings: Vec::new() };
        let limit = options.effective_face_limit();
        let mut refused = None;
        for fineness in Fineness::ladder(limit) {
            let start = match build(&picture, &matte, &options, fineness, &Silent) {
                Ok(start) => start,
                Err(Error::NoContent(_)) => return Ok(()),
                Err(other) => return Err(TestCaseError::fail(other.to_string())),
            };
            prop_assert_eq!(check(&start, u32::MAX), Ok(()), "the start mesh");
            match simplify(start, limit, &Silent) {
                Ok(mesh) => {
                    prop_assert_eq!(check(&mesh, limit), Ok(()));
                    return Ok(());
                }
                Err(defect) => refused = Some(defect),
            }
        }
        prop_assert!(false, "no start gave a sound mesh: {refused:?}");
    }
}

/// Its plan has a triangle without area, whose weights were beyond all numbers.
#[test]
fn a_matte_of_scattered_pixels_becomes_a_finite_mesh() {
    let (width, height, seed) = (66, 108, 4_670_584_686_735_949_122);
    let alpha = alpha(Texture::Salt, width, height, seed);
    let picture = picture(width, height, &alpha, seed);
    let matte = Matte {
        width,
        height,
        alpha,
        warnings: Vec::new(),
    };
    let mut options = Options::of(ModelKind::ALL[0]);
    (options.face_limit, options.depth) = (4424, 0.05);
    for fineness in Fineness::ladder(options.effective_face_limit()) {
        let start = build(&picture, &matte, &options, fineness, &Silent).unwrap();
        assert_eq!(check(&start, u32::MAX), Ok(()));
    }
}
