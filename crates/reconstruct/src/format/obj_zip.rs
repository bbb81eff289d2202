//! OBJ, material and texture in one ZIP whose bytes depend on the model and the stem alone.

use std::io::{Cursor, Write as _};

use zip::{CompressionMethod, DateTime, ZipWriter, result::ZipResult, write::SimpleFileOptions};

use super::{ObjFiles, file_stem, obj};
use crate::{Error, Model};

pub(super) fn write(model: &Model, stem: &str) -> Result<Vec<u8>, Error> {
    let files = obj::write_files(model, stem);
    let obj_name = format!("{}.obj", file_stem(stem));
    pack(&files, &obj_name).map_err(|e| Error::Model(format!("it does not fit a ZIP: {e}")))
}

fn pack(files: &ObjFiles, obj_name: &str) -> ZipResult<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::with_capacity(
        files.obj.len() / 2 + files.texture.len(),
    )));
    // The oldest date a ZIP can hold: the clock must not show in the bytes.
    let stored = SimpleFileOptions::default()
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644)
        .compression_method(CompressionMethod::Stored);
    // Level 1: a few per cent larger than the default at a quarter of the time.
    let deflated = stored
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(1));
    for (name, bytes, options) in [
        (obj_name, &files.obj, deflated),
        (&files.mtl_name, &files.mtl, stored),
        (&files.texture_name, &files.texture, stored),
    ] {
        zip.start_file(name, options)?;
        zip.write_all(bytes)?;
    }
    Ok(zip.finish()?.into_inner())
}
