//! Names of produced files, which people see in their download folder.

use crate::{job::ItemId, provider::Produced};

const LONGEST_STEM: usize = 60;

/// The uploaded file's name without folder and extension, in letters that every file system and header takes.
pub(super) fn stem(filename: &str) -> String {
    let name = filename.rsplit(['/', '\\']).next().unwrap_or_default();
    let name = match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    };
    let mut stem = String::new();
    for letter in name.chars() {
        if letter.is_ascii_alphanumeric() || letter == '-' {
            stem.push(letter);
        } else if !stem.ends_with('_') {
            stem.push('_');
        }
    }
    stem.truncate(LONGEST_STEM);
    match stem.trim_matches(['_', '-']) {
        "" => "image".to_owned(),
        stem => stem.to_owned(),
    }
}

/// Unique over the service: the job's id, the item's number, and of each format there is one.
pub(super) fn file_name(item: ItemId, stem: &str, file: &Produced) -> String {
    let (job, number, extension) = (item.job(), item.number(), file.extension);
    if file.extension == file.format {
        format!("{job}_{number:02}_{stem}.{extension}")
    } else {
        format!("{job}_{number:02}_{stem}_{}.{extension}", file.format)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::job::JobId;

    #[test]
    fn any_uploaded_name_gives_a_plain_stem() {
        for (name, expected) in [
            ("photo.jpg", "photo"),
            ("../../etc/passwd", "passwd"),
            ("C:\\pictures\\my cat (2).jpeg", "my_cat_2"),
            ("übung.png", "bung"),
            ("写真.png", "image"),
            ("", "image"),
            (".png", "png"),
            ("a.b.c.png", "a_b_c"),
        ] {
            assert_eq!(stem(name), expected, "{name}");
        }
        assert_eq!(stem(&"x".repeat(300)).len(), LONGEST_STEM);
    }

    #[test]
    fn names_begin_with_the_job_and_differ_by_item_and_format() {
        let job = JobId::random();
        let file = |format, extension| Produced {
            format,
            extension,
            media_type: "",
            bytes: Bytes::new(),
        };
        let names = [
            file_name(job.item(1), "cat", &file("glb", "glb")),
            file_name(job.item(2), "cat", &file("obj.zip", "obj.zip")),
            file_name(job.item(2), "cat", &file("preview", "png")),
        ];
        let expected = ["01_cat.glb", "02_cat.obj.zip", "02_cat_preview.png"];
        assert_eq!(names, expected.map(|rest| format!("{job}_{rest}")));
    }
}
