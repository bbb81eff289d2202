//! Whether what was cut out is an object that stands out, or just a piece of the scene.

use super::small::Small;

/// Least and most of the picture that an object covers.
const LEAST_AREA: f32 = 0.005;
const MOST_AREA: f32 = 0.95;

/// Whether `cut` is worth taking.
pub(super) fn stands_out(cut: &[bool], small: &Small) -> bool {
    let area = cut.iter().filter(|&&c| c).count() as f32 / cut.len() as f32;
    (LEAST_AREA..=MOST_AREA).contains(&area) && small.width > 1
}
