//! Whether what was cut out is an object that stands out, or just a piece of the scene.
//!
//! A cut always comes back with something; in a landscape or a pattern it is a band from side to side, a
//! few scattered patches, or the middle of a gradient. Each rule below names one of these.

use super::{regions, small::Small};

/// Least and most of the picture that an object covers.
const LEAST_AREA: f32 = 0.02;
const MOST_AREA: f32 = 0.95;

/// Most of the picture's edge that an object covers.
const MOST_EDGE: f32 = 0.35;

/// A scene covers at least this much of two opposite sides.
const SPANNING: f32 = 0.12;

/// Pixels from the edge that still count as touching it.
const NEAR: usize = 5;

/// Least difference across the outline, in L*a*b*.
const LEAST_CONTRAST: f32 = 6.0;

/// Scattered patches: together under this share of the picture (on a plain ground under the lesser one),
/// and the largest under this share of them.
const SCATTERED_AREA: f32 = 0.15;
const SCATTERED_ON_PLAIN: f32 = 0.04;
const LARGEST: f32 = 0.7;

/// Whether `cut` is worth taking.
pub(super) fn stands_out(cut: &[bool], small: &Small) -> bool {
    let area = cut.iter().filter(|&&c| c).count() as f32 / cut.len() as f32;
    let [left, right, top, bottom] = sides(cut, small.width);
    let edge = (left + right) * small.height as f32 + (top + bottom) * small.width as f32;
    let edge = edge / (2 * (small.width + small.height)) as f32;
    let spans = (left.min(right) > SPANNING || top.min(bottom) > SPANNING)
        && !(corners_are_free(cut, small.width) && plain_ground(cut, small));
    let scattered = area < SCATTERED_AREA
        && regions::largest(cut, small.width) < LARGEST
        && (area < SCATTERED_ON_PLAIN || !plain_ground(cut, small));
    (LEAST_AREA..=MOST_AREA).contains(&area)
        && edge <= MOST_EDGE
        && !spans
        && !scattered
        && contrast(cut, small) >= LEAST_CONTRAST
}

/// Share of each side that the object comes near: left, right, top, bottom. The very edge was given to
/// the background, so a little inwards counts.
fn sides(cut: &[bool], width: usize) -> [f32; 4] {
    let height = cut.len() / width;
    let near = |len: usize| NEAR.min(len / 4).max(1);
    let column = |from: usize, to: usize| {
        let touched = |y: &usize| cut[y * width + from..y * width + to].contains(&true);
        (0..height).filter(touched).count() as f32 / height as f32
    };
    let row = |from: usize, to: usize| {
        let touched = |x: &usize| (from..to).any(|y| cut[y * width + x]);
        (0..width).filter(touched).count() as f32 / width as f32
    };
    let (across, down) = (near(width), near(height));
    [
        column(0, across),
        column(width - across, width),
        row(0, down),
        row(height - down, height),
    ]
}

/// Whether all four corners are background: on a plain one, an object that fills its picture comes near
/// opposite sides in their middle, while a scene would hold a corner.
fn corners_are_free(cut: &[bool], width: usize) -> bool {
    let last = cut.len() - 1;
    ![0, width - 1, last + 1 - width, last]
        .iter()
        .any(|&corner| cut[corner])
}

/// Whether the background is of one colour, on which several small things may well lie.
fn plain_ground(cut: &[bool], small: &Small) -> bool {
    let mut ground: Vec<_> = small
        .lab
        .iter()
        .zip(cut)
        .filter(|(_, c)| !**c)
        .map(|(l, _)| *l)
        .collect();
    let middle = ground.len() / 2;
    if ground.is_empty() {
        return false;
    }
    let median: [f32; 3] = std::array::from_fn(|c| {
        ground
            .select_nth_unstable_by(middle, |a, b| a[c].total_cmp(&b[c]))
            .1[c]
    });
    let near = |l: &[f32; 3]| (0..3).map(|c| (l[c] - median[c]).powi(2)).sum::<f32>() < 12.0 * 12.0;
    ground.iter().filter(|l| near(l)).count() * 10 >= ground.len() * 9
}

/// Mean difference between the colours on either side of the outline.
fn contrast(cut: &[bool], small: &Small) -> f32 {
    let (width, height) = (small.width, small.height);
    let (mut sum, mut count) = (0.0, 0.0_f32);
    for y in 1..height.saturating_sub(1) {
        for x in 1..width.saturating_sub(1) {
            let i = y * width + x;
            let inner = cut[i - 1] && cut[i + 1] && cut[i - width] && cut[i + width];
            if cut[i] && !inner {
                sum += difference_at(cut, small, x, y);
                count += 1.0;
            }
        }
    }
    sum / count.max(1.0)
}

/// Difference of the mean colours of object and background in a small window.
fn difference_at(cut: &[bool], small: &Small, x: usize, y: usize) -> f32 {
    const REACH: usize = 4;
    let mut sums = [[0.0_f32; 4]; 2];
    for row in y.saturating_sub(REACH)..(y + REACH + 1).min(small.height) {
        for i in row * small.width + x.saturating_sub(REACH)
            ..row * small.width + (x + REACH + 1).min(small.width)
        {
            let side = &mut sums[usize::from(cut[i])];
            (0..3).for_each(|c| side[c] += small.lab[i][c]);
            side[3] += 1.0;
        }
    }
    let [out, inside] = sums.map(|s| [s[0], s[1], s[2]].map(|v| v / s[3].max(1.0)));
    (0..3)
        .map(|c| (out[c] - inside[c]).powi(2))
        .sum::<f32>()
        .sqrt()
}
