//! Which triangle is seen where.
//!
//! Every pixel has a grid of samples. A band of rows at a time, each triangle writes its number and nearness
//! into the samples that it covers; then each pixel's samples are gathered into fragments, one per triangle,
//! so that a surface is coloured once per pixel and triangle however many samples it covers there.
//! Triangles that share an edge share the spans along it to the bit: no gap and no overlap.

/// Samples along each side of a pixel.
const GRID: usize = 4;
/// Rows of pixels that are worked on at once; keeps the samples within a core's cache.
const BAND: usize = 16;
/// What one sample is worth.
const SHARE: f32 = 1.0 / (GRID * GRID) as f32;
const NOTHING: u32 = u32::MAX;

/// A vertex on the screen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Projected {
    /// In pixels from the left.
    pub(super) x: f32,
    /// In pixels from the top.
    pub(super) y: f32,
    /// Above zero, linear on the screen, larger is nearer.
    pub(super) nearness: f32,
    /// One over the distance by which attributes are foreshortened.
    pub(super) inverse_w: f32,
}

/// What one triangle contributes to one pixel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fragment {
    pub(super) triangle: u32,
    /// The middle of the samples that see it, in pixels.
    x: f32,
    y: f32,
    /// Share of the pixel's samples, 0 to 1.
    pub(super) share: f32,
}

/// Triangles on a screen of `width` by `height` pixels.
pub(super) struct Raster<'a> {
    screen: &'a [Projected],
    triangles: &'a [[u32; 3]],
    /// Triangles that face the viewer, with the first and last row of pixels they touch.
    facing: Vec<(u32, [u32; 2])>,
    width: usize,
    height: usize,
}

struct Band {
    nearness: Vec<f32>,
    triangle: Vec<u32>,
}

impl<'a> Raster<'a> {
    pub(super) fn new(
        screen: &'a [Projected],
        triangles: &'a [[u32; 3]],
        width: u32,
        height: u32,
    ) -> Self {
        let mut facing = Vec::with_capacity(triangles.len() / 2);
        for (number, triangle) in triangles.iter().enumerate() {
            let [a, b, c] = triangle.map(|i| screen[i as usize]);
            let rows = [a.y, b.y, c.y];
            let low = rows.into_iter().fold(f32::MAX, f32::min).max(0.0);
            let high = rows.into_iter().fold(f32::MIN, f32::max).min(height as f32);
            if area(&a, &b, &c) > 0.0 && low < high {
                facing.push((number as u32, [low as u32, high as u32]));
            }
        }
        Self {
            screen,
            triangles,
            facing,
            width: width as usize,
            height: height as usize,
        }
    }

    /// Twice the area, in pixels, of each triangle that faces the viewer.
    pub(super) fn areas(&self) -> impl Iterator<Item = (u32, f32)> {
        self.facing.iter().map(|(number, _)| {
            let [a, b, c] = self.triangles[*number as usize].map(|i| self.screen[i as usize]);
            (*number, area(&a, &b, &c))
        })
    }

    /// Calls `draw(x, y, fragments)` for every pixel that sees the model, row by row from the top left.
    pub(super) fn each_pixel(&self, mut draw: impl FnMut(usize, usize, &[Fragment])) {
        let samples = self.width * GRID * BAND * GRID;
        let mut band = Band {
            nearness: vec![0.0; samples],
            triangle: vec![NOTHING; samples],
        };
        let mut fragments = Vec::with_capacity(GRID * GRID);
        for first in (0..self.height).step_by(BAND) {
            let last = (first + BAND).min(self.height) - 1;
            let mut touched = false;
            for (number, [low, high]) in &self.facing {
                if *low as usize <= last && *high as usize >= first {
                    if !touched {
                        band.nearness.fill(0.0);
                        band.triangle.fill(NOTHING);
                        touched = true;
                    }
                    self.fill(&mut band, *number, first, last);
                }
            }
            if !touched {
                continue;
            }
            for y in first..=last {
                for x in 0..self.width {
                    self.gather(&band, x, y, first, &mut fragments);
                    if !fragments.is_empty() {
                        draw(x, y, &fragments);
                    }
                }
            }
        }
    }

    /// Weights of the triangle's corners where `fragment` lies.
    pub(super) fn weights(&self, fragment: &Fragment) -> [f32; 3] {
        let corners = self.triangles[fragment.triangle as usize];
        let [a, b, c] = corners.map(|i| self.screen[i as usize]);
        let at = Projected {
            x: fragment.x,
            y: fragment.y,
            ..a
        };
        let flat = [area(&b, &c, &at), area(&c, &a, &at), area(&a, &b, &at)].map(|w| w.max(0.0));
        let deep = [
            flat[0] * a.inverse_w,
            flat[1] * b.inverse_w,
            flat[2] * c.inverse_w,
        ];
        let sum = deep[0] + deep[1] + deep[2];
        if sum > 0.0 {
            let over = 1.0 / sum;
            deep.map(|w| w * over)
        } else {
            [1.0, 0.0, 0.0]
        }
    }

    fn fill(&self, band: &mut Band, number: u32, first: usize, last: usize) {
        let grid = GRID as f32;
        let mut corners = self.triangles[number as usize].map(|i| {
            let p = self.screen[i as usize];
            [p.x * grid, p.y * grid, p.nearness]
        });
        // By height, then from the left, so that an edge is the same seen from either side.
        corners.sort_by(|p, q| p[1].total_cmp(&q[1]).then(p[0].total_cmp(&q[0])));
        let [top, middle, bottom] = corners;
        let slope = Slope::of(&corners);
        let columns = self.width * GRID;
        let rows = (first * GRID) as f32..((last + 1) * GRID) as f32;
        let from = (top[1] - 0.5).ceil().max(rows.start) as usize;
        let to = (bottom[1] - 0.5).ceil().min(rows.end).max(0.0) as usize;
        for row in from..to {
            let y = row as f32 + 0.5;
            let long = crossing(top, bottom, y);
            let short = if y < middle[1] {
                crossing(top, middle, y)
            } else {
                crossing(middle, bottom, y)
            };
            let start = (long.min(short) - 0.5).ceil().max(0.0) as usize;
            let end = ((long.max(short) - 0.5).ceil().max(0.0) as usize).min(columns);
            if start >= end {
                continue;
            }
            let line = (row - first * GRID) * columns;
            let nearness = &mut band.nearness[line + start..line + end];
            let triangle = &mut band.triangle[line + start..line + end];
            let base = slope.at(start as f32 + 0.5, y);
            for (i, (near, seen)) in nearness.iter_mut().zip(triangle).enumerate() {
                let here = (base + slope.dx * i as f32).clamp(slope.far, slope.near);
                // Chosen without a branch, so that several samples are worked on at once.
                let nearer = here > *near;
                *near = if nearer { here } else { *near };
                *seen = if nearer { number } else { *seen };
            }
        }
    }

    fn gather(&self, band: &Band, x: usize, y: usize, first: usize, out: &mut Vec<Fragment>) {
        out.clear();
        let columns = self.width * GRID;
        let corner = (y - first) * GRID * columns + x * GRID;
        let samples: [&[u32]; GRID] =
            std::array::from_fn(|row| &band.triangle[corner + row * columns..][..GRID]);
        let only = samples[0][0];
        if samples.iter().all(|line| line.iter().all(|t| *t == only)) {
            if only != NOTHING {
                out.push(Fragment {
                    triangle: only,
                    x: x as f32 + 0.5,
                    y: y as f32 + 0.5,
                    share: 1.0,
                });
            }
            return;
        }
        for (row, line) in samples.into_iter().enumerate() {
            for (column, &triangle) in line.iter().enumerate() {
                if triangle != NOTHING {
                    add_sample(out, triangle, column as f32 + 0.5, row as f32 + 0.5);
                }
            }
        }
        for fragment in out {
            let samples = fragment.share / SHARE * GRID as f32;
            fragment.x = x as f32 + fragment.x / samples;
            fragment.y = y as f32 + fragment.y / samples;
        }
    }
}

/// Adds the sample at `dx, dy` (in samples) to its triangle's fragment.
fn add_sample(fragments: &mut Vec<Fragment>, triangle: u32, dx: f32, dy: f32) {
    if let Some(fragment) = fragments.iter_mut().rev().find(|f| f.triangle == triangle) {
        fragment.x += dx;
        fragment.y += dy;
        fragment.share += SHARE;
    } else {
        fragments.push(Fragment {
            triangle,
            x: dx,
            y: dy,
            share: SHARE,
        });
    }
}

/// How nearness changes over the screen, within the triangle's own range.
struct Slope {
    origin: [f32; 3],
    dx: f32,
    dy: f32,
    far: f32,
    near: f32,
}

impl Slope {
    fn of(&[a, b, c]: &[[f32; 3]; 3]) -> Self {
        let (ux, uy, un) = (b[0] - a[0], b[1] - a[1], b[2] - a[2]);
        let (vx, vy, vn) = (c[0] - a[0], c[1] - a[1], c[2] - a[2]);
        let area = ux * vy - uy * vx;
        let over = if area == 0.0 { 0.0 } else { 1.0 / area };
        Self {
            origin: a,
            dx: (un * vy - vn * uy) * over,
            dy: (ux * vn - vx * un) * over,
            far: a[2].min(b[2]).min(c[2]),
            near: a[2].max(b[2]).max(c[2]),
        }
    }

    fn at(&self, x: f32, y: f32) -> f32 {
        self.origin[2] + (x - self.origin[0]) * self.dx + (y - self.origin[1]) * self.dy
    }
}

/// Where the edge from `a` down to `b` crosses the row at `y`.
fn crossing(a: [f32; 3], b: [f32; 3], y: f32) -> f32 {
    if a[1] == b[1] {
        return a[0];
    }
    a[0] + (y - a[1]) * (b[0] - a[0]) / (b[1] - a[1])
}

/// Twice the area; above zero when the corners run counter-clockwise as seen, with y down.
fn area(a: &Projected, b: &Projected, c: &Projected) -> f32 {
    (b.y - a.y) * (c.x - a.x) - (b.x - a.x) * (c.y - a.y)
}
