//! GrabCut (Rother, Kolmogorov and Blake 2004): colour models of object and background and the least cut
//! between them take turns. Most turns run at half size; the last ones settle the outline.

use super::{
    border::Seeds,
    maxflow::{Grid, STEPS},
    mixture::{Lab, Mixture},
    small::Small,
};
use crate::{Error, Observer, Step};

/// Weight of the outline against the colour models, as in the paper.
const SMOOTHNESS: f32 = 50.0;

/// Whole-number capacity of a cost of one.
const SCALE: f32 = 16.0;

/// Capacity of a tie that is never worth cutting.
const SURE: i32 = 1 << 24;

/// Turns at half size, at most, and at full size.
const COARSE_TURNS: usize = 6;
const FINE_TURNS: usize = 1;

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
pub(super) fn cut(
    small: &Small,
    seeds: &Seeds,
    observer: &dyn Observer,
) -> Result<Option<Vec<bool>>, Error> {
    let half = small.halved();
    let sure = halve(&seeds.sure, small.width);
    let mut object: Vec<bool> = halve(&seeds.likely, small.width)
        .iter()
        .map(|&b| !b)
        .collect();
    let mut models = None;
    for _ in 0..COARSE_TURNS {
        observer.checkpoint(Step::Segment)?;
        models = Models::fit(&half, &object, models);
        let Some(models) = &models else {
            return Ok(None);
        };
        let next = turn(&half, &sure, models);
        let changed = next.iter().zip(&object).filter(|(a, b)| a != b).count();
        object = next;
        if changed * 500 < object.len() {
            break;
        }
    }
    let mut object = double(&object, small, half.width);
    for _ in 0..FINE_TURNS {
        observer.checkpoint(Step::Segment)?;
        models = Models::fit(small, &object, models);
        let Some(models) = &models else {
            return Ok(None);
        };
        object = turn(small, &seeds.sure, models);
    }
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

fn turn(small: &Small, background: &[bool], models: &Models) -> Vec<bool> {
    let (width, height) = (small.width, small.height);
    let mut grid = Grid::new(width, height);
    for (i, (&colour, &sure)) in small.lab.iter().zip(background).enumerate() {
        let gain = models.object.log_density(colour) - models.background.log_density(colour);
        let cost = (gain.clamp(-1e4, 1e4) * SCALE) as i32;
        let (source, sink) = if sure {
            (0, SURE)
        } else {
            (cost.max(0), (-cost).max(0))
        };
        grid.tie(i % width, i / width, source, sink);
    }
    let sharpness = sharpness(small);
    for_links(small, |x, y, step, distance, difference| {
        let weight = SMOOTHNESS * distance * (-sharpness * difference).exp();
        grid.link(x, y, step, (weight * SCALE) as i32 + 1);
    });
    grid.cut()
}

/// The paper's beta: one over twice the mean squared difference of neighbours.
fn sharpness(small: &Small) -> f32 {
    let (mut sum, mut count) = (0.0_f64, 0_u32);
    for_links(small, |_, _, _, _, difference| {
        sum += f64::from(difference);
        count += 1;
    });
    let mean = sum / f64::from(count.max(1));
    (1.0 / (2.0 * mean.max(1e-3))) as f32
}

/// Calls `link` with place, step, distance factor and squared colour difference of each pair of neighbours.
fn for_links(small: &Small, mut link: impl FnMut(usize, usize, usize, f32, f32)) {
    for y in 0..small.height {
        for x in 0..small.width {
            let here = small.lab[y * small.width + x];
            for (step, distance) in LATER {
                let (dx, dy) = STEPS[step];
                let (nx, ny) = (x as i32 + dx, y as i32 + dy);
                if nx < 0 || nx >= small.width as i32 || ny >= small.height as i32 {
                    continue;
                }
                let there = small.lab[ny as usize * small.width + nx as usize];
                let difference = (0..3).map(|i| (here[i] - there[i]).powi(2)).sum();
                link(x, y, step, distance, difference);
            }
        }
    }
}

/// At half size; true where all of the pixels were.
fn halve(mask: &[bool], width: usize) -> Vec<bool> {
    let height = mask.len() / width;
    let mut out = Vec::with_capacity(width.div_ceil(2) * height.div_ceil(2));
    for y in (0..height).step_by(2) {
        for x in (0..width).step_by(2) {
            let (x1, y1) = ((x + 1).min(width - 1), (y + 1).min(height - 1));
            let four = [(x, y), (x1, y), (x, y1), (x1, y1)];
            out.push(four.iter().all(|&(x, y)| mask[y * width + x]));
        }
    }
    out
}

fn double(mask: &[bool], small: &Small, half_width: usize) -> Vec<bool> {
    (0..small.lab.len())
        .map(|i| mask[i / small.width / 2 * half_width + i % small.width / 2])
        .collect()
}
