//! Binary glTF 2.0: one textured primitive with a metallic-roughness material.
//!
//! The form in which models are stored, so reading gives back exactly what was written. The JSON's types
//! stand in `gltf.rs`; here are the container, the buffers and the way between them and a [`Model`].

use super::gltf::{
    ARRAY_BUFFER, Accessor, Asset, Attributes, Buffer, BufferView, CLAMP_TO_EDGE, Document,
    ELEMENT_ARRAY_BUFFER, Extras, FLOAT, Image, LINEAR, LINEAR_MIPMAP_LINEAR, Material, Mesh, Node,
    Note, Pairs, Pbr, Primitive, REPEAT, Sampler, Scene, Side, TextureInfo, TextureRef,
    UNSIGNED_INT, UNSIGNED_SHORT,
};
use crate::{Bounds, Error, Model, Texture, Warning};

const MAGIC: u32 = u32::from_le_bytes(*b"glTF");
const JSON: u32 = u32::from_le_bytes(*b"JSON");
const BIN: u32 = u32::from_le_bytes(*b"BIN\0");
const HEADER: usize = 12;
const CHUNK_HEADER: usize = 8;

/// How a photo's surface answers light: no metal, mostly matt.
const ROUGHNESS: f32 = 0.85;

/// More vertices than this need 32-bit indices; 65,535 itself means "restart" to graphics hardware.
const MAX_SHORT_VERTICES: usize = 65_535;

pub(super) fn write(model: &Model) -> Vec<u8> {
    let mut bin = Binary::default();
    let position = bin.vectors(&model.positions, "VEC3");
    let bounds = Bounds::of(&model.positions);
    bin.accessors[position].min = Some(bounds.min.map(f64::from));
    bin.accessors[position].max = Some(bounds.max.map(f64::from));
    let normal = bin.vectors(&model.normals, "VEC3");
    let texcoord = bin.vectors(&model.uvs, "VEC2");
    let colour = (!model.colours.is_empty()).then(|| bin.vectors(&model.colours, "VEC3"));
    let indices = bin.indices(&model.triangles, model.positions.len());
    let texture = bin.view(&model.texture.bytes, None);
    let attributes = Attributes {
        position,
        normal,
        texcoord,
        colour,
    };
    let json = document(model, attributes, indices, texture, &mut bin);
    assemble(&json, bin.bytes)
}

/// The binary chunk under construction, with the views and accessors that describe it.
#[derive(Default)]
struct Binary {
    bytes: Vec<u8>,
    views: Vec<BufferView>,
    accessors: Vec<Accessor>,
}

impl Binary {
    fn view(&mut self, bytes: &[u8], target: Option<u32>) -> usize {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self.views.push(BufferView {
            buffer: 0,
            byte_offset: self.bytes.len(),
            byte_length: bytes.len(),
            target,
        });
        self.bytes.extend_from_slice(bytes);
        self.views.len() - 1
    }

    fn accessor(&mut self, view: usize, component_type: u32, count: usize, kind: &str) -> usize {
        self.accessors.push(Accessor {
            buffer_view: view,
            component_type,
            count,
            kind: kind.to_owned(),
            min: None,
            max: None,
        });
        self.accessors.len() - 1
    }

    fn vectors<const N: usize>(&mut self, vectors: &[[f32; N]], kind: &str) -> usize {
        let bytes: Vec<u8> = vectors
            .as_flattened()
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        let view = self.view(&bytes, Some(ARRAY_BUFFER));
        self.accessor(view, FLOAT, vectors.len(), kind)
    }

    fn indices(&mut self, triangles: &[[u32; 3]], vertices: usize) -> usize {
        let flat = triangles.as_flattened();
        let (component_type, bytes): (u32, Vec<u8>) = if vertices <= MAX_SHORT_VERTICES {
            let short = |i: &u32| (*i as u16).to_le_bytes();
            (UNSIGNED_SHORT, flat.iter().flat_map(short).collect())
        } else {
            let long = |i: &u32| i.to_le_bytes();
            (UNSIGNED_INT, flat.iter().flat_map(long).collect())
        };
        let view = self.view(&bytes, Some(ELEMENT_ARRAY_BUFFER));
        self.accessor(view, component_type, flat.len(), "SCALAR")
    }
}

fn document(
    model: &Model,
    attributes: Attributes,
    indices: usize,
    image: usize,
    bin: &mut Binary,
) -> Document {
    let name = || "model".to_owned();
    let wrap = if model.texture.repeats {
        REPEAT
    } else {
        CLAMP_TO_EDGE
    };
    // Through a hole the inner side is seen, too.
    let has_holes = |warning: &Warning| matches!(warning, Warning::NotClosed { .. });
    Document {
        asset: Asset {
            version: "2.0".to_owned(),
            generator: super::GENERATOR.to_owned(),
            extras: Extras {
                options: Pairs(model.options.clone()),
                warnings: model.warnings.iter().map(note).collect(),
            },
        },
        scene: 0,
        scenes: vec![Scene { nodes: vec![0] }],
        nodes: vec![Node {
            name: name(),
            mesh: 0,
        }],
        meshes: vec![Mesh {
            name: name(),
            primitives: vec![Primitive {
                attributes,
                indices,
                material: 0,
            }],
        }],
        materials: vec![Material {
            name: "photo".to_owned(),
            pbr_metallic_roughness: Pbr {
                base_color_texture: TextureInfo { index: 0 },
                metallic_factor: 0.0,
                roughness_factor: ROUGHNESS,
            },
            double_sided: model.warnings.iter().any(has_holes),
        }],
        textures: vec![TextureRef {
            sampler: 0,
            source: 0,
        }],
        images: vec![Image {
            mime_type: model.texture.media_type.to_owned(),
            buffer_view: image,
            extras: Side {
                width: model.texture.width,
                height: model.texture.height,
            },
        }],
        samplers: vec![Sampler {
            mag_filter: LINEAR,
            min_filter: LINEAR_MIPMAP_LINEAR,
            wrap_s: wrap,
            wrap_t: wrap,
        }],
        accessors: std::mem::take(&mut bin.accessors),
        buffer_views: std::mem::take(&mut bin.views),
        buffers: vec![Buffer {
            byte_length: bin.bytes.len(),
        }],
    }
}

fn note(warning: &Warning) -> Note {
    Note {
        code: warning.code().to_owned(),
        message: warning.to_string(),
        figure: warning.figure(),
    }
}

fn warning(note: &Note) -> Result<Warning, Error> {
    Warning::from_parts(&note.code, note.figure)
        .ok_or_else(|| unreadable(format!("it carries the unknown warning {:?}", note.code)))
}

fn assemble(document: &Document, mut bin: Vec<u8>) -> Vec<u8> {
    // A document of texts and finite numbers always serializes.
    let mut json = serde_json::to_vec(document).unwrap_or_default();
    json.resize(json.len().next_multiple_of(4), b' ');
    bin.resize(bin.len().next_multiple_of(4), 0);
    let length = HEADER + 2 * CHUNK_HEADER + json.len() + bin.len();
    let mut out = Vec::with_capacity(length);
    for word in [MAGIC, 2, length as u32, json.len() as u32, JSON] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(&json);
    for word in [bin.len() as u32, BIN] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(&bin);
    out
}

pub(super) fn read(bytes: &[u8]) -> Result<Model, Error> {
    let (json, bin) = chunks(bytes)?;
    let document: Document = serde_json::from_slice(json)
        .map_err(|e| unreadable(format!("its JSON is not one that image2model writes: {e}")))?;
    let primitive = document
        .meshes
        .first()
        .and_then(|mesh| mesh.primitives.first())
        .ok_or_else(|| unreadable("it has no mesh"))?;
    let source = Source {
        document: &document,
        bin,
    };
    let model = Model {
        positions: source.vectors(primitive.attributes.position, "VEC3")?,
        normals: source.vectors(primitive.attributes.normal, "VEC3")?,
        uvs: source.vectors(primitive.attributes.texcoord, "VEC2")?,
        colours: match primitive.attributes.colour {
            Some(colour) => source.vectors(colour, "VEC3")?,
            None => Vec::new(),
        },
        triangles: source.triangles(primitive.indices)?,
        texture: source.texture()?,
        warnings: document
            .asset
            .extras
            .warnings
            .iter()
            .map(warning)
            .collect::<Result<_, _>>()?,
        options: document.asset.extras.options.0.clone(),
    };
    let vertices = model.positions.len();
    let coloured = primitive.attributes.colour.is_some();
    if model.normals.len() != vertices
        || model.uvs.len() != vertices
        || (coloured && model.colours.len() != vertices)
    {
        return Err(unreadable("its attributes differ in length"));
    }
    if let Some(i) = (model.triangles.as_flattened().iter()).find(|i| **i as usize >= vertices) {
        return Err(unreadable(format!("index {i} of {vertices} vertices")));
    }
    Ok(model)
}

fn unreadable(why: impl Into<String>) -> Error {
    Error::Model(why.into())
}

fn word(bytes: &[u8], at: usize) -> Result<u32, Error> {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map(|word| u32::from_le_bytes(*word))
        .ok_or_else(|| unreadable(format!("it ends at byte {}", bytes.len())))
}

/// The JSON and the binary chunk.
fn chunks(bytes: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    if word(bytes, 0)? != MAGIC || word(bytes, 4)? != 2 {
        return Err(unreadable("it is not a binary glTF 2.0 file"));
    }
    let chunk = |at: usize, kind: u32| {
        let length = word(bytes, at)? as usize;
        if word(bytes, at + 4)? != kind {
            return Err(unreadable(format!("an unexpected chunk at byte {at}")));
        }
        let start = at + CHUNK_HEADER;
        bytes
            .get(start..start + length)
            .ok_or_else(|| unreadable(format!("it ends at byte {}", bytes.len())))
    };
    let json = chunk(HEADER, JSON)?;
    let bin = chunk(HEADER + CHUNK_HEADER + json.len(), BIN)?;
    Ok((json, bin))
}

/// Typed access to the binary chunk by accessor number.
struct Source<'a> {
    document: &'a Document,
    bin: &'a [u8],
}

impl Source<'_> {
    fn view(&self, index: usize) -> Result<&[u8], Error> {
        self.document
            .buffer_views
            .get(index)
            .and_then(|view| {
                let end = view.byte_offset.checked_add(view.byte_length)?;
                self.bin.get(view.byte_offset..end)
            })
            .ok_or_else(|| unreadable(format!("buffer view {index} lies outside the file")))
    }

    fn accessor(&self, index: usize, kind: &str) -> Result<(&Accessor, &[u8]), Error> {
        let accessor = (self.document.accessors.get(index))
            .filter(|accessor| accessor.kind == kind)
            .ok_or_else(|| unreadable(format!("accessor {index} is not a {kind}")))?;
        Ok((accessor, self.view(accessor.buffer_view)?))
    }

    fn vectors<const N: usize>(&self, index: usize, kind: &str) -> Result<Vec<[f32; N]>, Error> {
        let (accessor, bytes) = self.accessor(index, kind)?;
        let (words, rest) = bytes.as_chunks::<4>();
        let (vectors, odd) = words.as_chunks::<N>();
        if accessor.component_type != FLOAT
            || !rest.is_empty()
            || !odd.is_empty()
            || vectors.len() != accessor.count
        {
            return Err(unreadable(format!("accessor {index} is malformed")));
        }
        Ok(vectors
            .iter()
            .map(|vector| vector.map(f32::from_le_bytes))
            .collect())
    }

    fn triangles(&self, index: usize) -> Result<Vec<[u32; 3]>, Error> {
        let (accessor, bytes) = self.accessor(index, "SCALAR")?;
        let flat: Vec<u32> = if accessor.component_type == UNSIGNED_SHORT {
            let words = bytes.as_chunks::<2>().0.iter();
            words.map(|i| u32::from(u16::from_le_bytes(*i))).collect()
        } else {
            let words = bytes.as_chunks::<4>().0.iter();
            words.map(|i| u32::from_le_bytes(*i)).collect()
        };
        let (triangles, rest) = flat.as_chunks::<3>();
        if !rest.is_empty() || flat.len() != accessor.count {
            return Err(unreadable(format!("accessor {index} is malformed")));
        }
        Ok(triangles.to_vec())
    }

    fn texture(&self) -> Result<Texture, Error> {
        let image = (self.document.images.first()).ok_or_else(|| unreadable("it has no image"))?;
        let media_type = ["image/jpeg", "image/png"]
            .into_iter()
            .find(|known| *known == image.mime_type)
            .ok_or_else(|| unreadable(format!("its texture is {}", image.mime_type)))?;
        Ok(Texture {
            media_type,
            width: image.extras.width,
            height: image.extras.height,
            repeats: (self.document.samplers.first()).is_some_and(|s| s.wrap_s == REPEAT),
            bytes: self.view(image.buffer_view)?.to_vec(),
        })
    }
}
