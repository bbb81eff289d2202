//! The part of glTF 2.0's JSON that our files use, written and read by the same types.
//!
//! Field order is the order in the file. See the Khronos glTF 2.0 specification for the meaning of each.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
    ser::SerializeMap,
};

pub(super) const FLOAT: u32 = 5126;
pub(super) const UNSIGNED_SHORT: u32 = 5123;
pub(super) const UNSIGNED_INT: u32 = 5125;
pub(super) const ARRAY_BUFFER: u32 = 34962;
pub(super) const ELEMENT_ARRAY_BUFFER: u32 = 34963;
pub(super) const LINEAR: u32 = 9729;
pub(super) const LINEAR_MIPMAP_LINEAR: u32 = 9987;
pub(super) const CLAMP_TO_EDGE: u32 = 33071;
pub(super) const REPEAT: u32 = 10497;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    pub(super) asset: Asset,
    pub(super) scene: u32,
    pub(super) scenes: Vec<Scene>,
    pub(super) nodes: Vec<Node>,
    pub(super) meshes: Vec<Mesh>,
    pub(super) materials: Vec<Material>,
    pub(super) textures: Vec<TextureRef>,
    pub(super) images: Vec<Image>,
    pub(super) samplers: Vec<Sampler>,
    pub(super) accessors: Vec<Accessor>,
    pub(super) buffer_views: Vec<BufferView>,
    pub(super) buffers: Vec<Buffer>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Asset {
    pub(super) version: String,
    pub(super) generator: String,
    pub(super) extras: Extras,
}

/// What the file says of its own making.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Extras {
    pub(super) options: Pairs,
    pub(super) warnings: Vec<Note>,
}

/// A [`crate::Warning`]: its code, its words, and the figure that some carry.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) code: String,
    pub(super) message: String,
    #[serde(default, alias = "asked", skip_serializing_if = "Option::is_none")]
    pub(super) figure: Option<u32>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Scene {
    pub(super) nodes: Vec<u32>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) mesh: u32,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Mesh {
    pub(super) name: String,
    pub(super) primitives: Vec<Primitive>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Primitive {
    pub(super) attributes: Attributes,
    pub(super) indices: usize,
    pub(super) material: u32,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) struct Attributes {
    pub(super) position: usize,
    pub(super) normal: usize,
    #[serde(rename = "TEXCOORD_0")]
    pub(super) texcoord: usize,
    #[serde(rename = "COLOR_0", default, skip_serializing_if = "Option::is_none")]
    pub(super) colour: Option<usize>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Material {
    pub(super) name: String,
    pub(super) pbr_metallic_roughness: Pbr,
    pub(super) double_sided: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pbr {
    pub(super) base_color_texture: TextureInfo,
    pub(super) metallic_factor: f32,
    pub(super) roughness_factor: f32,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TextureInfo {
    pub(super) index: u32,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TextureRef {
    pub(super) sampler: u32,
    pub(super) source: u32,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Image {
    pub(super) mime_type: String,
    pub(super) buffer_view: usize,
    pub(super) extras: Side,
}

/// The picture's size, so that a reader need not decode it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Side {
    pub(super) width: u32,
    pub(super) height: u32,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sampler {
    pub(super) mag_filter: u32,
    pub(super) min_filter: u32,
    pub(super) wrap_s: u32,
    pub(super) wrap_t: u32,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Accessor {
    pub(super) buffer_view: usize,
    pub(super) component_type: u32,
    pub(super) count: usize,
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// Doubles hold every `f32` exactly, so the bounds are those of the data to the bit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) min: Option<[f64; 3]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) max: Option<[f64; 3]>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BufferView {
    pub(super) buffer: u32,
    pub(super) byte_offset: usize,
    pub(super) byte_length: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) target: Option<u32>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Buffer {
    pub(super) byte_length: usize,
}

/// A JSON object of texts that keeps its order.
#[derive(Debug)]
pub(super) struct Pairs(pub(super) Vec<(String, String)>);

impl Serialize for Pairs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}
