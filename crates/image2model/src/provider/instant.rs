//! One small fixed model at once for every picture, without looking at it: what a fleet takes and loses can be measured
//! without the work that it is for.

use async_trait::async_trait;
use bytes::Bytes;
use reconstruct::{Error, Format, Model, Texture, format};
use tokio_util::sync::CancellationToken;

use super::{
    Generated, ModelRequest, OnProgress, Produced, Provider,
    local::{failed, write},
};
use crate::job::transition::Failure;

/// A grey pixel as a PNG.
const PIXEL: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0:~\x9bU\0\0\0\x0aIDATx\xdach\0\0\0\
    \x82\0\x81\xdaE\x08;\0\0\0\0IEND\xaeB`\x82";

/// Answers every picture with the same tetrahedron.
#[derive(Debug, Clone)]
pub struct InstantProvider {
    model: Model,
}

impl Default for InstantProvider {
    fn default() -> Self {
        Self {
            model: tetrahedron(),
        }
    }
}

#[async_trait]
impl Provider for InstantProvider {
    async fn generate(
        &self,
        _: Bytes,
        request: &ModelRequest,
        stem: &str,
        progress: OnProgress,
        _: CancellationToken,
    ) -> Result<Generated, Failure> {
        progress(50, "write");
        let formats = std::iter::once(Format::Glb).chain(request.formats.iter().copied());
        let files = formats.map(|format| write(&self.model, format, stem));
        Ok(Generated {
            files: files
                .collect::<Result<_, Error>>()
                .map_err(|error| failed(&error))?,
            warnings: Vec::new(),
        })
    }

    async fn convert(&self, glb: Bytes, format: Format, stem: &str) -> Result<Produced, Failure> {
        let written = format::read_glb(&glb).and_then(|model| write(&model, format, stem));
        written.map_err(|error| failed(&error))
    }
}

/// Ten centimetres a side, a vertex of its own for each corner of each face.
fn tetrahedron() -> Model {
    const CORNERS: [[f32; 3]; 4] = [
        [-0.05, 0.0, 0.05],
        [0.05, 0.0, 0.05],
        [0.0, 0.0, -0.05],
        [0.0, 0.1, 0.0],
    ];
    const FACES: [[usize; 3]; 4] = [[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]];
    let faces = FACES.map(|face| face.map(|corner| CORNERS[corner]));
    Model {
        positions: faces.concat(),
        normals: faces.iter().flat_map(|face| [normal(face); 3]).collect(),
        uvs: vec![[0.5, 0.5]; 12],
        colours: Vec::new(),
        triangles: (0..4).map(|n| [3 * n, 3 * n + 1, 3 * n + 2]).collect(),
        texture: Texture {
            media_type: "image/png",
            width: 1,
            height: 1,
            repeats: false,
            bytes: PIXEL.to_vec(),
        },
        warnings: Vec::new(),
        options: Vec::new(),
    }
}

/// Outwards, of length 1.
fn normal([a, b, c]: &[[f32; 3]; 3]) -> [f32; 3] {
    let edge = |to: &[f32; 3]| [to[0] - a[0], to[1] - a[1], to[2] - a[2]];
    let (u, v) = (edge(b), edge(c));
    let across = [
        u[1] * v[2] - u[2] * v[1],
        u[2] * v[0] - u[0] * v[2],
        u[0] * v[1] - u[1] * v[0],
    ];
    let length = across.iter().map(|part| part * part).sum::<f32>().sqrt();
    across.map(|part| part / length)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn every_picture_becomes_the_same_model_that_others_can_read() {
        let provider = InstantProvider::default();
        let request = ModelRequest::parse(None, &[], &["stl".to_owned()]).unwrap();
        let generate = async |picture: &'static [u8]| {
            let never = CancellationToken::new();
            let image = Bytes::from_static(picture);
            let made = provider.generate(image, &request, "a", Arc::new(|_, _| {}), never);
            made.await.unwrap().files
        };
        let files = generate(b"a picture").await;
        assert_eq!(files, generate(b"another").await);
        let formats: Vec<_> = files.iter().map(|file| file.format).collect();
        assert_eq!(formats, ["glb", "stl"]);
        let model = format::read_glb(&files[0].bytes).unwrap();
        assert_eq!(model.triangles.len(), 4);
        let stl = provider.convert(files[0].bytes.clone(), Format::Stl, "a");
        assert_eq!(stl.await.unwrap().bytes, files[1].bytes);
        let outwards = tetrahedron();
        for triangle in outwards.triangles {
            let [corner, ..] = triangle.map(|n| outwards.positions[n as usize]);
            let normal = outwards.normals[triangle[0] as usize];
            let middle = [0.0, 0.04, 0.0];
            let away: f32 = (0..3).map(|n| (corner[n] - middle[n]) * normal[n]).sum();
            assert!(away > 0.0, "{triangle:?}");
        }
    }
}
