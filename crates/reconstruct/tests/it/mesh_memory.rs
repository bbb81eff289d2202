//! What a mesh is said to need is what it needs at most, and not much more.

use reconstruct::{
    Format, Limits, ModelKind, Options, Silent, format,
    import::{Request, import, peak_bytes, staged},
    preview::{View, render},
    reconstruct,
};

use crate::{
    files::png,
    memory::{peak, photo},
};

#[test]
fn reading_and_writing_a_mesh_stays_within_its_estimate() {
    let picture = png(&photo(300, 300).into());
    let mut options = Options::of(ModelKind::Inflate);
    options.face_limit = 60_000;
    let model = reconstruct(&picture, None, &options, &Limits::default(), &Silent).unwrap();
    for source in [Format::Glb, Format::Obj, Format::Stl, Format::Ply] {
        let bytes = format::write(&model, source, "photo").unwrap();
        for face_limit in [None, Some(5000)] {
            let request = Request {
                face_limit,
                size_mm: None,
            };
            let ((), held) = peak(|| {
                let model = import(&bytes, &request, &Silent).unwrap();
                let files = Format::ALL.map(|format| format::write(&model, format, "a").unwrap());
                render(&staged(&model), &View::three_quarter(512)).unwrap();
                drop(files);
            });
            let held = held + bytes.len() as u64;
            let told = peak_bytes(&bytes).unwrap();
            assert!(held <= told, "{source:?} {face_limit:?}: {held} of {told}");
            if face_limit.is_none() {
                assert!(told <= 3 * held, "{source:?}: {held} of {told}");
            }
        }
    }
}
