//! What a primitive's faces wear: a factor and an image with its coordinates.

use std::collections::{HashMap, HashSet};

use super::{
    FORMAT,
    accessor::view,
    broken,
    json::{Document, Material, Transform},
};
use crate::{
    Error, Warning,
    import::{
        colour::{Images, size},
        soup::{BARE, Soup},
    },
};

const CLAMP_TO_EDGE: u32 = 33071;

/// A material as far as it is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// Linear.
    pub(super) factor: [f32; 3],
    /// Number in the soup's images, or [`BARE`].
    pub(super) image: u32,
    /// Which set of texture coordinates the image lies by.
    pub(super) texcoord: u32,
    transform: Option<Transform>,
}

impl Look {
    pub(super) fn uv(&self, [u, v]: [f32; 2]) -> [f32; 2] {
        let Some(transform) = self.transform else {
            return [u, v];
        };
        let scale = transform.scale.unwrap_or([1.0; 2]);
        let (u, v) = (u * scale[0], v * scale[1]);
        let (sin, cos) = transform.rotation.sin_cos();
        [
            cos * u + sin * v + transform.offset[0],
            cos * v - sin * u + transform.offset[1],
        ]
    }
}

/// The document's materials, and the images that were asked for so far.
pub(super) struct Materials<'a> {
    document: &'a Document,
    bin: &'a [u8],
    images: Images,
    /// By buffer view and whether it repeats; an image that cannot be used is [`BARE`].
    known: HashMap<(usize, bool), u32>,
}

impl<'a> Materials<'a> {
    pub(super) fn of(document: &'a Document, bin: &'a [u8]) -> Self {
        Self {
            document,
            bin,
            images: Images::within(bin.len()),
            known: HashMap::new(),
        }
    }

    /// The look of a primitive with that material; white without one.
    pub(super) fn look(&mut self, material: Option<usize>, soup: &mut Soup) -> Result<Look, Error> {
        let plain = Material::default();
        let material = match material {
            Some(number) => (self.document.materials.get(number))
                .ok_or_else(|| broken(FORMAT, format!("there is no material {number}")))?,
            None => &plain,
        };
        let pbr = &material.pbr_metallic_roughness;
        if material.normal_texture.is_some()
            || material.occlusion_texture.is_some()
            || material.emissive_texture.is_some()
            || pbr.metallic_roughness_texture.is_some()
        {
            soup.warn(Warning::MaterialReduced);
        }
        let [red, green, blue, _] = pbr.base_color_factor.unwrap_or([1.0; 4]);
        let mut look = Look {
            factor: [red, green, blue],
            image: BARE,
            texcoord: 0,
            transform: None,
        };
        if let Some(info) = &pbr.base_color_texture {
            look.image = self.image(info.index);
            look.transform = info.extensions.transform;
            let own_set = look.transform.and_then(|transform| transform.tex_coord);
            look.texcoord = own_set.unwrap_or(info.tex_coord);
            if look.image == BARE {
                soup.warn(Warning::TextureLeftOut);
            }
        }
        Ok(look)
    }

    pub(super) fn hand_over(self, soup: &mut Soup) {
        soup.images = self.images.textures;
    }

    /// The number of a texture's image, if it lies in the file as a sound JPEG or PNG.
    fn image(&mut self, number: usize) -> u32 {
        let Some((bytes_at, repeats)) = self.source(number) else {
            return BARE;
        };
        if let Some(known) = self.known.get(&(bytes_at, repeats)) {
            return *known;
        }
        let bytes = view(self.document, self.bin, bytes_at).ok();
        let image = bytes.and_then(|bytes| self.images.take(bytes, repeats));
        let image = image.unwrap_or(BARE);
        self.known.insert((bytes_at, repeats), image);
        image
    }

    /// A texture's buffer view, and whether its sampler lets it repeat.
    fn source(&self, number: usize) -> Option<(usize, bool)> {
        let texture = self.document.textures.get(number)?;
        let image = self.document.images.get(texture.source?)?;
        let sampler = texture.sampler.and_then(|n| self.document.samplers.get(n));
        let clamps = sampler.is_some_and(|sampler| sampler.wrap_s == Some(CLAMP_TO_EDGE));
        Some((image.buffer_view?, !clamps))
    }
}

/// Of all images that the file holds, each counted once; from their headers alone.
pub(super) fn pixels(document: &Document, bin: &[u8]) -> u64 {
    let views: HashSet<usize> = (document.images.iter())
        .filter_map(|image| image.buffer_view)
        .collect();
    let sizes = views.into_iter().filter_map(|number| {
        let (_, width, height) = size(view(document, bin, number).ok()?)?;
        Some(u64::from(width) * u64::from(height))
    });
    sizes.sum()
}
