//! What readers fill: vertices as the file has them, and the triangles between them.

use super::{MAX_COORDINATE, MAX_FACES, MAX_VERTICES};
use crate::{Error, Texture, Warning, mesh::area_vector};

/// The image of a vertex that wears none.
pub(super) const BARE: u32 = u32::MAX;

/// One vertex on its way in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Vertex {
    /// Metres, y up.
    pub(super) position: [f32; 3],
    /// Of any length; zero where the file has none.
    pub(super) normal: [f32; 3],
    /// Origin top left.
    pub(super) uv: [f32; 2],
    /// Linear light; multiplied with what the image shows.
    pub(super) colour: [f32; 3],
    /// Index into the images, or [`BARE`].
    pub(super) image: u32,
}

impl Vertex {
    pub(super) fn at(position: [f32; 3]) -> Self {
        Self {
            position,
            normal: [0.0; 3],
            uv: [0.0; 2],
            colour: [1.0; 3],
            image: BARE,
        }
    }
}

/// A mesh as it was read. Every vertex and index that is taken in has been checked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Soup {
    /// For messages.
    pub(super) format: &'static str,
    pub(super) vertices: Vec<Vertex>,
    pub(super) triangles: Vec<[u32; 3]>,
    /// Their `repeats` says whether the file would let them.
    pub(super) images: Vec<Texture>,
    pub(super) warnings: Vec<Warning>,
}

impl Soup {
    pub(super) fn new(format: &'static str) -> Self {
        Self {
            format,
            vertices: Vec::new(),
            triangles: Vec::new(),
            images: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Takes a vertex in and gives its number.
    ///
    /// # Errors
    /// [`Error::TooLarge`], and [`Error::MeshFile`] for what is not a finite number.
    pub(super) fn push_vertex(&mut self, mut vertex: Vertex) -> Result<u32, Error> {
        check_vertices(self.vertices.len() as u64 + 1)?;
        if let Some(wrong) = (vertex.position.iter()).find(|x| !x.is_finite()) {
            let number = self.vertices.len() + 1;
            return Err(self.broken(format!("a coordinate of vertex {number} is {wrong}")));
        }
        check_position(vertex.position)?;
        // -0 is 0, so that vertices at one place are so to the bit.
        vertex.position = vertex.position.map(|x| x + 0.0);
        let sound = |values: &[f32]| values.iter().all(|x| x.is_finite());
        if !sound(&vertex.normal) {
            vertex.normal = [0.0; 3];
        }
        if !sound(&vertex.uv) {
            vertex.uv = [0.0; 2];
        }
        if !sound(&vertex.colour) {
            vertex.colour = [1.0; 3];
        }
        vertex.colour = vertex.colour.map(|c| c.clamp(0.0, 1.0));
        self.vertices.push(vertex);
        Ok(self.vertices.len() as u32 - 1)
    }

    /// Takes in a triangle between vertices that are there already.
    ///
    /// # Errors
    /// [`Error::TooLarge`], and [`Error::MeshFile`] for an index out of range.
    pub(super) fn push_triangle(&mut self, triangle: [u32; 3]) -> Result<(), Error> {
        check_faces(self.triangles.len() as u64 + 1)?;
        let vertices = self.vertices.len();
        if let Some(index) = triangle.iter().find(|i| **i as usize >= vertices) {
            return Err(out_of_range(self.format, i64::from(*index), vertices));
        }
        self.triangles.push(triangle);
        Ok(())
    }

    /// Notes a warning once.
    pub(super) fn warn(&mut self, warning: Warning) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Leaves out triangles without area and says how many they were.
    ///
    /// # Errors
    /// [`Error::NoFaces`] when none is left.
    pub(super) fn drop_flat_faces(&mut self) -> Result<u32, Error> {
        let before = self.triangles.len();
        let vertices = &self.vertices;
        self.triangles.retain(|triangle| {
            area_vector(triangle.map(|v| vertices[v as usize].position)) != [0.0; 3]
        });
        if self.triangles.is_empty() {
            return Err(Error::NoFaces(self.format));
        }
        Ok((before - self.triangles.len()) as u32)
    }

    pub(super) fn broken(&self, detail: impl Into<String>) -> Error {
        broken(self.format, detail)
    }
}

pub(super) fn broken(format: &'static str, detail: impl Into<String>) -> Error {
    Error::MeshFile {
        format,
        detail: detail.into(),
    }
}

pub(super) fn out_of_range(format: &'static str, index: i64, vertices: usize) -> Error {
    broken(
        format,
        format!("a face names vertex {index}, but there are {vertices} vertices"),
    )
}

/// # Errors
/// [`Error::TooLarge`].
pub(super) fn check_vertices(value: u64) -> Result<(), Error> {
    at_most("the number of vertices", value, u64::from(MAX_VERTICES))
}

/// # Errors
/// [`Error::TooLarge`].
pub(super) fn check_faces(value: u64) -> Result<(), Error> {
    at_most("the number of faces", value, u64::from(MAX_FACES))
}

/// # Errors
/// [`Error::TooLarge`] for a coordinate too far out.
pub(super) fn check_position(position: [f32; 3]) -> Result<(), Error> {
    let furthest = position.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    if furthest <= MAX_COORDINATE {
        return Ok(());
    }
    Err(Error::TooLarge {
        what: "a coordinate in metres",
        value: furthest as u64,
        limit: MAX_COORDINATE as u64,
    })
}

/// # Errors
/// [`Error::TooLarge`].
pub(super) fn at_most(what: &'static str, value: u64, limit: u64) -> Result<(), Error> {
    if value > limit {
        return Err(Error::TooLarge { what, value, limit });
    }
    Ok(())
}
