//! Pictures and meshes, read and written again.

use std::collections::HashMap;

use reconstruct::{
    Format, Limits, Model, ModelKind, Options, Silent, Warning, format, import, inspect,
    mesh::{Defect, Mesh, Patch, check},
    options::{Kind, MIN_FACE_LIMIT, specs},
    peak_bytes, reconstruct,
};

/// Bytes behind a picture that choose model, format, and each option.
const CHOICES: usize = 12;
/// Small enough for many pictures a second.
const LIMITS: Limits = Limits {
    bytes: 64 << 10,
    pixels: 1 << 15,
    side: 1024,
};
/// Bytes that a mesh may claim to hold; what claims more is not read.
const MOST_MEMORY: u64 = 256 << 20;

/// A picture, and twelve bytes that choose what is made of it.
///
/// A picture over the limits is refused by all who read it; the model of another one passes its check, within the face
/// limit, and can be written and read again.
pub fn picture(bytes: &[u8]) {
    let Some((picture, choices)) = bytes.split_last_chunk::<CHOICES>() else {
        return;
    };
    let [model, written, chosen @ ..] = choices;
    let options = options(ModelKind::ALL[usize::from(model % 3)], chosen);
    let header = inspect(picture, &LIMITS);
    let peak = peak_bytes(picture, None, &options, &LIMITS);
    let made = reconstruct(picture, None, &options, &LIMITS, &Silent);
    if let Ok(header) = &header {
        let pixels = u64::from(header.width) * u64::from(header.height);
        assert!(pixels <= LIMITS.pixels && header.width.max(header.height) <= LIMITS.side);
    }
    assert_eq!(header.err(), peak.err());
    let Ok(model) = made else {
        return;
    };
    inspect(picture, &LIMITS).expect("what was made has a header");
    let limit = options.effective_face_limit();
    check(&surface(&model), limit).expect("a sound model");
    assert!(model.texture.width.max(model.texture.height) <= options.texture_size);
    write(&model, *written).expect("a model of ours can be written");
}

/// Each option within its bounds, small where large takes long.
fn options(model: ModelKind, chosen: &[u8]) -> Options {
    let value = |kind: Kind, byte: u8| match kind {
        Kind::Integer { min, .. } => (min + u32::from(byte) * 4).to_string(),
        Kind::Number { min, max, .. } => (min + (max - min) * f32::from(byte) / 255.0)
            .clamp(min, max)
            .to_string(),
        Kind::Choice { values, .. } => values[usize::from(byte) % values.len()].to_owned(),
        Kind::Boolean { .. } => (byte % 2 == 1).to_string(),
    };
    let specs = specs(model).into_iter().zip(chosen);
    let pairs: Vec<_> = specs
        .map(|(spec, byte)| (spec.name, value(spec.kind, *byte)))
        .collect();
    let pairs = pairs.iter().map(|(name, text)| (*name, text.as_str()));
    Options::parse(model, pairs).expect("values within their bounds")
}

/// A mesh, and three bytes for format, face limit and size (none for 0).
///
/// What is read can be written and read again. Where no warning says otherwise, its surface passes the check of our own
/// models (but for its volume, which may be of a hollow), within the face limit.
pub fn mesh(bytes: &[u8]) {
    let Some((mesh, [written, faces, size])) = bytes.split_last_chunk::<3>() else {
        return;
    };
    let request = import::Request {
        face_limit: (*faces > 0).then(|| u32::from(*faces) * 8),
        size_mm: (*size > 0).then(|| f32::from(*size)),
    };
    // As much as a worker would not have.
    if import::peak_bytes(mesh).is_ok_and(|peak| peak > MOST_MEMORY) {
        return;
    }
    let Ok(model) = import::import(mesh, &request, &Silent) else {
        return;
    };
    import::peak_bytes(mesh).expect("what was read was counted");
    let missed = |warning: &Warning| matches!(warning, Warning::FaceLimitMissed { .. });
    if let Some(limit) = request.face_limit
        && !model.warnings.iter().any(missed)
    {
        let limit = limit.max(MIN_FACE_LIMIT) as usize;
        assert!(
            model.triangles.len() <= limit,
            "{} of {limit} faces",
            model.triangles.len()
        );
    }
    let broken = |warning: &Warning| {
        matches!(
            warning,
            Warning::NotClosed { .. } | Warning::NotManifold { .. } | Warning::Pinched { .. }
        )
    };
    if !model.warnings.iter().any(broken) {
        match check(&surface(&model), u32::MAX) {
            Ok(()) | Err(Defect::Volume(_)) => {}
            Err(defect) => unreachable!("no warning told: {defect}"),
        }
    }
    write(&model, *written).expect("what was read can be written");
}

/// Writes it in one format; the GLB, which is what is kept, is read back bit for bit.
fn write(model: &Model, format: u8) -> Result<(), reconstruct::Error> {
    let kept = format::write(model, Format::Glb, "model")?;
    assert_eq!(format::read_glb(&kept).as_ref(), Ok(model));
    let format = Format::ALL[usize::from(format) % Format::ALL.len()];
    let written = format::write(model, format, "model")?;
    assert!(!written.is_empty());
    if format != Format::ObjZip {
        // A file of ours may have lost what only another format can say.
        let _ = import::import(&written, &import::Request::default(), &Silent);
    }
    Ok(())
}

/// The welded surface behind a model's split vertices.
fn surface(model: &Model) -> Mesh {
    let mut known = HashMap::new();
    let mut mesh = Mesh::default();
    let mut of = Vec::with_capacity(model.positions.len());
    for position in &model.positions {
        let place = position.map(|x| (x + 0.0).to_bits());
        of.push(*known.entry(place).or_insert_with(|| {
            mesh.positions.push(*position);
            mesh.positions.len() as u32 - 1
        }));
    }
    let triangles = model.triangles.iter();
    mesh.triangles = triangles.map(|t| t.map(|v| of[v as usize])).collect();
    mesh.patches = vec![Patch::Front; mesh.triangles.len()];
    mesh
}
