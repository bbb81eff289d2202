use std::fmt;

/// A finished model, ready to be written: metres, y up, front towards +z, the photo's left on -x,
/// origin at the bottom centre of the bounding box.
///
/// `positions`, `normals` and `uvs` have equal length; a vertex of the closed surface appears several
/// times, with bit-equal position, where its UV or normal differs. `uvs` have their origin in the
/// texture's top left corner, as glTF has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    pub positions: Vec<[f32; 3]>,
    pub normals: Vec<[f32; 3]>,
    pub uvs: Vec<[f32; 2]>,
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
        }
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
        }
    }
}
