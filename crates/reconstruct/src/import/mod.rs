//! Meshes that others made, read and made into a [`Model`], so that they can be written in every format.
//!
//! Content decides the format, never a name. What the bytes claim is held against the bytes that are there and
//! against [`MAX_VERTICES`] and [`MAX_FACES`] before memory is taken. Coordinates that are no numbers, indices out
//! of range and a mesh without faces are errors; a surface that is not closed or not manifold is a [`Warning`].
//! Knows nothing of pictures, but for textures that it hands on.
//!
//! Each format's reader fills a [`Soup`]; `colour` brings what its faces wear into one texture and the vertices'
//! colours, `dress` gives it the normals that it lacks, `reduce` keeps a face limit, `survey` tells what is wrong
//! with the surface.

mod atlas;
mod colour;
mod dress;
mod glb;
mod memory;
mod obj;
mod ply;
mod polygon;
mod reduce;
mod soup;
mod staged;
mod stl;
mod survey;
#[cfg(test)]
mod tests;
mod text;

use self::soup::Soup;
use crate::{
    Bounds, Error, Model, Observer, OptionError, Step, Warning,
    image::is_picture,
    mesh::area_vector,
    options::{MIN_FACE_LIMIT, Options},
};

pub use self::{memory::peak_bytes, staged::staged};

/// The name under which catalogues and records know this way to a model.
pub const NAME: &str = "convert";

/// More vertices than this are refused.
pub const MAX_VERTICES: u32 = 6_000_000;
/// More faces than this are refused.
pub const MAX_FACES: u32 = 6_000_000;
/// Coordinates beyond this, in metres, are refused: their products would not be numbers any more.
pub const MAX_COORDINATE: f32 = 1e9;

/// What may be asked of a mesh that is read; nothing means that it stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Request {
    /// As asked, 1 to 500,000; fewer than 100 count as 100.
    pub face_limit: Option<u32>,
    /// Longest edge of the bounding box in millimetres.
    pub size_mm: Option<f32>,
}

/// The formats that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    Glb,
    Obj,
    Stl,
    Ply,
}

impl Source {
    pub const ALL: [Self; 4] = [Self::Glb, Self::Obj, Self::Stl, Self::Ply];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Glb => "GLB",
            Self::Obj => "OBJ",
            Self::Stl => "STL",
            Self::Ply => "PLY",
        }
    }

    /// The format that the bytes are in, by what they begin with and how long they are.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        // STL begins with anything at all, so what is known to be something else comes first.
        if is_picture(bytes) {
            None
        } else if bytes.starts_with(b"glTF") {
            Some(Self::Glb)
        } else if bytes.starts_with(b"ply\n") || bytes.starts_with(b"ply\r\n") {
            Some(Self::Ply)
        } else if stl::looks_like(bytes) {
            Some(Self::Stl)
        } else if obj::looks_like(bytes) {
            Some(Self::Obj)
        } else {
            None
        }
    }
}

impl Request {
    /// Reads `name = value` texts; the options are `face_limit` and `size_mm` of every picture's model.
    ///
    /// # Errors
    /// The first unknown name, unreadable value, or value outside its bounds.
    pub fn parse<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, OptionError> {
        let mut request = Self::default();
        for (name, text) in pairs {
            let read = |text| Options::parse(crate::ModelKind::default(), [(name, text)]);
            match name {
                "face_limit" => request.face_limit = Some(read(text)?.face_limit),
                "size_mm" => request.size_mm = read(text)?.size_mm,
                _ => {
                    return Err(OptionError {
                        name: name.to_owned(),
                        message: format!(
                            "a conversion has no option {name:?}; it knows face_limit and size_mm"
                        ),
                    });
                }
            }
        }
        Ok(request)
    }

    /// As `name, value` texts that [`Request::parse`] reads back; what was not asked for is left out.
    #[must_use]
    pub fn pairs(&self) -> Vec<(String, String)> {
        let faces = self
            .face_limit
            .map(|faces| ("face_limit", faces.to_string()));
        let size = self.size_mm.map(|size| ("size_mm", size.to_string()));
        let asked = faces.into_iter().chain(size);
        asked.map(|(name, text)| (name.to_owned(), text)).collect()
    }
}

/// Reads a mesh and does to it what is asked. Metres and y up are assumed of OBJ and PLY, which do not say, and
/// millimetres and z up of STL, as our own files have it. Nothing moves, but `size_mm` scales it about its origin.
///
/// # Errors
/// [`Error::UnknownMesh`], [`Error::MeshFile`], [`Error::Unsupported`], [`Error::NoFaces`], [`Error::TooLarge`],
/// [`Error::Cancelled`].
pub fn import(bytes: &[u8], request: &Request, observer: &dyn Observer) -> Result<Model, Error> {
    observer.begin(Step::Decode);
    let mut soup = read(bytes)?;
    let format = soup.format;
    let mut flat = soup.drop_flat_faces()?;
    observer.checkpoint(Step::Decode)?;

    observer.begin(Step::Texture);
    let texture = colour::settle(&mut soup)?;
    observer.checkpoint(Step::Texture)?;

    observer.begin(Step::Finish);
    let mut model = dress::dress(soup, texture);
    observer.checkpoint(Step::Finish)?;

    observer.begin(Step::Simplify);
    if let Some(asked) = request.face_limit {
        reduce::reduce(&mut model, asked.max(MIN_FACE_LIMIT), observer)?;
        if asked < MIN_FACE_LIMIT {
            model.warnings.push(Warning::FaceLimitRaised { asked });
        }
    }
    if let Some(size) = request.size_mm {
        scale(&mut model, size / 1000.0)?;
        flat += drop_flattened(&mut model, format)?;
    }
    if flat > 0 {
        model
            .warnings
            .push(Warning::FlatFacesLeftOut { faces: flat });
    }
    model.warnings.extend(survey::survey(&model));
    model.options = vec![("model".to_owned(), NAME.to_owned())];
    model.options.extend(request.pairs());
    Ok(model)
}

/// The mesh as its file has it, checked for what no step can deal with.
fn read(bytes: &[u8]) -> Result<Soup, Error> {
    match Source::of(bytes).ok_or(Error::UnknownMesh)? {
        Source::Glb => glb::read(bytes),
        Source::Obj => obj::read(bytes),
        Source::Stl => stl::read(bytes),
        Source::Ply => ply::read(bytes),
    }
}

/// Leaves out faces whose corners are too close together to be told apart at the model's new size, and says how many
/// they were.
fn drop_flattened(model: &mut Model, format: &'static str) -> Result<u32, Error> {
    let before = model.triangles.len();
    let positions = &model.positions;
    let has_area = |triangle: &[u32; 3]| {
        area_vector(triangle.map(|vertex| positions[vertex as usize])) != [0.0; 3]
    };
    model.triangles.retain(has_area);
    if model.triangles.is_empty() {
        return Err(Error::NoFaces(format));
    }
    Ok((before - model.triangles.len()) as u32)
}

/// So that the longest edge of its bounding box is `longest` metres long.
fn scale(model: &mut Model, longest: f32) -> Result<(), Error> {
    let size = Bounds::of(&model.positions).size();
    let factor = f64::from(longest) / f64::from(size[0].max(size[1]).max(size[2]));
    for position in &mut model.positions {
        *position = position.map(|x| (f64::from(x) * factor) as f32);
        soup::check_position(*position)?;
    }
    Ok(())
}
