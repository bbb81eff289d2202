//! GrabCut (Rother, Kolmogorov and Blake 2004): colour models of object and background and the least cut
//! between them take turns at half size; a last cut at full size settles the outline.

use super::{
    border,
    maxflow::{Grid, STEPS},
    mixture::{Lab, Mixture},
    small::{Small, blur},
};
use crate::{Error, Observer, Step};

/// Weight of the outline against the colour models, as in the paper.
const SMOOTHNESS: f32 = 50.0;

/// Whole-number capacity of a cost of one.
const SCALE: f32 = 16.0;

/// Capacity of a tie that is never worth cutting.
const SURE: i32 = 1 << 24;

/// Turns at half size, at most.
const TURNS: usize = 5;

/// Reach of the band around the outline that is decided again at full size, in pixels.
const BAND: usize = 6;

/// Steps to the four neighbours that come later, with the factor of their distance.
const LATER: [(usize, f32); 4] = [
    (0, 1.0),
    (2, 1.0),
    (4, std::f32::consts::FRAC_1_SQRT_2),
    (7, std::f32::consts::FRAC_1_SQRT_2),
];

/// Cuts the object out of `small`, true where it is; nothing when all turns out to be one of the two.
///
/// # Errors
/// [`Error::Cancelled`].
pub(super) fn cut(small: &Small, observer: &dyn Observer) -> Result<Option<Vec<bool>>, Error> {
    let half = small.halved();
    let seeds = border::seeds(&half);
    let mut object: Vec<bool> = seeds.likely.iter().map(|&b| !b).collect();
    let mut models = None;
    for _ in 0..TURNS {
        observer.checkpoint(Step::Segment)?;
        models = Models::fit(&half, &object, models);
        let Some(models) = &models else {
            return Ok(None);
        };
        let free = vec![true; object.len()];
        let next = turn(&half, &object, &free, &seeds.sure, models);
        let changed = next.iter().zip(&object).filter(|(a, b)| a != b).count();
        object = next;
        if changed * 200 < object.len() {
            break;
        }
    }
    let Some(models) = models.filter(|_| object.contains(&true) && object.contains(&false)) else {
        return Ok(None);
    };
    let object = double(&object, small, half.width);
    let flat: Vec<[f32; 1]> = object.iter().map(|&o| [f32::from(u8::from(o))]).collect();
    let band: Vec<bool> = blur(&flat, small.width, BAND)
        .iter()
        .map(|b| b[0] > 0.001 && b[0] < 0.999)
        .collect();
    let sure = double(&seeds.sure, small, half.width);
    let object = turn(small, &object, &band, &sure, &models);
    Ok(Some(object).filter(|object| object.contains(&true) && object.contains(&false)))
}

/// Colour models of the two sides.
struct Models {
    object: Mixture,
    background: Mixture,
}

impl Models {
    /// From the colours on either side; nothing when a side is empty.
    fn fit(small: &Small, object: &[bool], before: Option<Self>) -> Option<Self> {
        let side = |wanted: bool| -> Vec<Lab> {
            let both = small.lab.iter().zip(object);
            both.filter(|(_, is)| **is == wanted)
                .map(|(&c, _)| c)
                .collect()
        };
        let (inner, outer) = (side(true), side(false));
        match before {
            Some(models) => Some(Self {
                object: models.object.refit(&inner)?,
                background: models.background.refit(&outer)?,
            }),
            None => Some(Self {
                object: Mixture::split(&inner)?,
                background: Mixture::split(&outer)?,
            }),
        }
    }
}

/// Decides anew about the pixels that are `free`; the others keep their side and pull at their neighbours.
fn turn(
    small: &Small,
    object: &[bool],
    free: &[bool],
    sure: &[bool],
    models: &Models,
) -> Vec<bool> {
    let mut ties: Vec<i32> = (0..object.len())
        .map(|i| match (free[i], sure[i]) {
            (false, _) => 0,
            (true, true) => -SURE,
            (true, false) => {
                let colour = small.lab[i];
                let gain =
                    models.object.log_density(colour) - models.background.log_density(colour);
                (gain.clamp(-1e4, 1e4) * SCALE) as i32
            }
        })
        .collect();
    let sharpness = sharpness(small, free);
    let mut grid = Grid::new(small.width, small.height);
    for_links(small, free, |[here, there], step, distance, difference| {
        let weight = SMOOTHNESS * distance * (-sharpness * difference).exp();
        let capacity = (weight * SCALE) as i32 + 1;
        let pull = |fixed: usize| if object[fixed] { capacity } else { -capacity };
        match (free[here], free[there]) {
            (true, true) => grid.link(here % small.width, here / small.width, step, capacity),
            (true, false) => ties[here] += pull(there),
            _ => ties[there] += pull(here),
        }
    });
    for (i, &tie) in ties.iter().enumerate() {
        grid.tie(i % small.width, i / small.width, tie);
    }
    let cut = grid.cut();
    (0..object.len())
        .map(|i| if free[i] { cut[i] } else { object[i] })
        .collect()
}

/// The paper's beta: one over twice the mean squared difference of neighbours.
fn sharpness(small: &Small, free: &[bool]) -> f32 {
    let (mut sum, mut count) = (0.0_f64, 0_u32);
    for_links(small, free, |_, _, _, difference| {
        sum += f64::from(difference);
        count += 1;
    });
    let mean = sum / f64::from(count.max(1));
    (1.0 / (2.0 * mean.max(1e-3))) as f32
}

/// Calls `link` with both pixels, the step between them, its distance factor and the squared colour
/// difference of each pair of neighbours of which one is free.
fn for_links(small: &Small, free: &[bool], mut link: impl FnMut([usize; 2], usize, f32, f32)) {
    let (width, height) = (small.width as i32, small.height as i32);
    for y in 0..height {
        for x in 0..width {
            let here = (y * width + x) as usize;
            for (step, distance) in LATER {
                let (dx, dy) = STEPS[step];
                let (nx, ny) = (x + dx, y + dy);
                if nx < 0 || nx >= width || ny >= height {
                    continue;
                }
                let there = (ny * width + nx) as usize;
                if free[here] || free[there] {
                    let (a, b) = (small.lab[here], small.lab[there]);
                    let difference = (0..3).map(|i| (a[i] - b[i]).powi(2)).sum();
                    link([here, there], step, distance, difference);
                }
            }
        }
    }
}

fn double(mask: &[bool], small: &Small, half_width: usize) -> Vec<bool> {
    (0..small.lab.len())
        .map(|i| mask[i / small.width / 2 * half_width + i % small.width / 2])
        .collect()
}
