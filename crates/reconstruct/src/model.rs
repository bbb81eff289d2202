use std::fmt;

/// A finished model, ready to be written: metres, y up, front towards +z. One made of a picture has the photo's
/// left on -x and its origin at the bottom centre of the bounding box; one that was read stays where it was.
///
/// `positions`, `normals` and `uvs` have equal length; a vertex of the closed surface appears several
/// times, with bit-equal position, where its UV or normal differs. `uvs` have their origin in the
/// texture's top left corner, as glTF has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    pub positions: Vec<[f32; 3]>,
    pub normals: Vec<[f32; 3]>,
    pub uvs: Vec<[f32; 2]>,
    /// Per vertex, in linear light: what the texture's colour is multiplied by. Empty where that is white throughout.
    pub colours: Vec<[f32; 3]>,
    /// Counter-clockwise seen from outside.
    pub triangles: Vec<[u32; 3]>,
    pub texture: Texture,
    pub warnings: Vec<Warning>,
    /// The options it was made with, as `name = value`, defaults included.
    pub options: Vec<(String, String)>,
}

/// What the surface wears: an encoded picture, stored as it is in every format that has textures.
#[derive(Debug, Clone, PartialEq)]
pub struct Texture {
    /// `image/jpeg` or `image/png`.
    pub media_type: &'static str,
    pub width: u32,
    pub height: u32,
    /// Whether it goes on beyond 0 to 1 as a pattern, instead of ending with its edge's colour.
    pub repeats: bool,
    pub bytes: Vec<u8>,
}

/// Axis-aligned bounding box in the model's unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    pub min: [f32; 3],
    pub max: [f32; 3],
}

impl Bounds {
    /// The box around `positions`; a box of zeros when there are none.
    #[must_use]
    pub fn of(positions: &[[f32; 3]]) -> Self {
        let Some(&first) = positions.first() else {
            return Self {
                min: [0.0; 3],
                max: [0.0; 3],
            };
        };
        let mut bounds = Self {
            min: first,
            max: first,
        };
        for p in positions {
            bounds.min = std::array::from_fn(|axis| bounds.min[axis].min(p[axis]));
            bounds.max = std::array::from_fn(|axis| bounds.max[axis].max(p[axis]));
        }
        bounds
    }

    /// Edge lengths.
    #[must_use]
    pub fn size(&self) -> [f32; 3] {
        std::array::from_fn(|axis| self.max[axis] - self.min[axis])
    }
}

/// Something the person should know about a model that was made all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// No foreground stood out; the whole picture was taken.
    NoForeground,
    /// The picture is animated; its first frame was taken.
    FirstFrame,
    /// A face limit under 100 was asked for and counted as 100.
    FaceLimitRaised { asked: u32 },
    /// A border was asked for, but a relief that is cut out has none.
    BorderLeftOut,
    /// Edges of a mesh that was read lie on one face only.
    NotClosed { edges: u32 },
    /// Edges of a mesh that was read lie on more than two faces, or two faces run along one the same way.
    NotManifold { edges: u32 },
    /// Vertices of a mesh that was read join parts that touch only there.
    Pinched { vertices: u32 },
    /// The faces of a closed mesh look inwards.
    InsideOut,
    /// Faces without area were left out.
    FlatFacesLeftOut { faces: u32 },
    /// A texture cannot be used, so its faces wear their plain colour.
    TextureLeftOut,
    /// What a texture showed is kept at the vertices only.
    TextureOnVertices,
    /// Maps and colours besides a material's base colour were left out.
    MaterialReduced,
    /// No way leads to the face limit that keeps a surface.
    FaceLimitMissed { faces: u32 },
}

impl Warning {
    /// Stable machine-readable name.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoForeground => "no_foreground",
            Self::FirstFrame => "first_frame",
            Self::FaceLimitRaised { .. } => "face_limit_raised",
            Self::BorderLeftOut => "border_left_out",
            Self::NotClosed { .. } => "not_closed",
            Self::NotManifold { .. } => "not_manifold",
            Self::Pinched { .. } => "pinched",
            Self::InsideOut => "inside_out",
            Self::FlatFacesLeftOut { .. } => "flat_faces_left_out",
            Self::TextureLeftOut => "texture_left_out",
            Self::TextureOnVertices => "texture_on_vertices",
            Self::MaterialReduced => "material_reduced",
            Self::FaceLimitMissed { .. } => "face_limit_missed",
        }
    }

    /// The number that it speaks of, where there is one.
    #[must_use]
    pub fn figure(&self) -> Option<u32> {
        match *self {
            Self::FaceLimitRaised { asked: figure }
            | Self::NotClosed { edges: figure }
            | Self::NotManifold { edges: figure }
            | Self::Pinched { vertices: figure }
            | Self::FlatFacesLeftOut { faces: figure }
            | Self::FaceLimitMissed { faces: figure } => Some(figure),
            Self::NoForeground
            | Self::FirstFrame
            | Self::BorderLeftOut
            | Self::InsideOut
            | Self::TextureLeftOut
            | Self::TextureOnVertices
            | Self::MaterialReduced => None,
        }
    }

    /// The warning of that [`code`](Self::code) and [`figure`](Self::figure).
    pub(crate) fn from_parts(code: &str, figure: Option<u32>) -> Option<Self> {
        let number = figure.unwrap_or_default();
        [
            Self::NoForeground,
            Self::FirstFrame,
            Self::FaceLimitRaised { asked: number },
            Self::BorderLeftOut,
            Self::NotClosed { edges: number },
            Self::NotManifold { edges: number },
            Self::Pinched { vertices: number },
            Self::InsideOut,
            Self::FlatFacesLeftOut { faces: number },
            Self::TextureLeftOut,
            Self::TextureOnVertices,
            Self::MaterialReduced,
            Self::FaceLimitMissed { faces: number },
        ]
        .into_iter()
        .find(|warning| warning.code() == code && warning.figure() == figure)
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoForeground => {
                f.write_str("no foreground stands out, so the whole picture was taken; a relief may suit it better")
            }
            Self::FirstFrame => f.write_str("the picture is animated; its first frame was taken"),
            Self::FaceLimitRaised { asked } => write!(
                f,
                "a face limit of {asked} counts as 100, the least there is"
            ),
            Self::BorderLeftOut => {
                f.write_str("the relief is cut out along its outline, so border_mm does not apply")
            }
            Self::NotClosed { edges } => write!(
                f,
                "the surface has holes: {edges} edges lie on one face only"
            ),
            Self::NotManifold { edges } => write!(
                f,
                "{edges} edges lie on more than two faces, or two faces run along one the same way"
            ),
            Self::Pinched { vertices } => write!(
                f,
                "{vertices} vertices join parts of the surface that touch only there"
            ),
            Self::InsideOut => f.write_str("the faces look inwards: the volume they enclose is negative"),
            Self::FlatFacesLeftOut { faces } => {
                write!(f, "{faces} faces without area were left out")
            }
            Self::TextureLeftOut => f.write_str(
                "a texture is not in the file or is no sound JPEG or PNG, so its faces wear their plain colour",
            ),
            Self::TextureOnVertices => f.write_str(
                "a texture could not be kept, so its colours are those of the vertices",
            ),
            Self::MaterialReduced => {
                f.write_str("of the materials only the base colours are kept")
            }
            Self::FaceLimitMissed { faces } => write!(
                f,
                "the surface would be lost below {faces} faces, so it keeps more than were asked for"
            ),
        }
    }
}
