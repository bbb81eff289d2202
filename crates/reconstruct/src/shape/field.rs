//! Smooth scalar fields on a raster, sampled anywhere.

use crate::{Error, Observer, Step};

/// Values at the centres of square cells; around them lies a constant.
pub(super) struct Field {
    pub(super) columns: usize,
    pub(super) rows: usize,
    /// Edge of a cell in pixels.
    pub(super) cell: f32,
    /// Picture position of the raster's top left corner.
    pub(super) origin: [f32; 2],
    pub(super) values: Vec<f32>,
    /// The value everywhere else.
    pub(super) outside: f32,
    /// Whether the nearest cell's value stands outside instead of `outside`.
    pub(super) clamped: bool,
}

impl Field {
    /// Bilinear between cell centres.
    pub(super) fn sample(&self, x: f32, y: f32) -> f32 {
        let u = (x - self.origin[0]) / self.cell - 0.5;
        let v = (y - self.origin[1]) / self.cell - 0.5;
        let (i, j) = (u.floor(), v.floor());
        let (s, t) = (u - i, v - j);
        let (i, j) = (i as isize, j as isize);
        if i >= 0 && j >= 0 && i + 1 < self.columns as isize && j + 1 < self.rows as isize {
            let at = j as usize * self.columns + i as usize;
            let top = self.values[at] * (1.0 - s) + self.values[at + 1] * s;
            let below = &self.values[at + self.columns..];
            return top * (1.0 - t) + (below[0] * (1.0 - s) + below[1] * s) * t;
        }
        let top = self.get(i, j) * (1.0 - s) + self.get(i + 1, j) * s;
        let bottom = self.get(i, j + 1) * (1.0 - s) + self.get(i + 1, j + 1) * s;
        top * (1.0 - t) + bottom * t
    }

    fn get(&self, i: isize, j: isize) -> f32 {
        if self.clamped {
            let i = i.clamp(0, self.columns as isize - 1) as usize;
            let j = j.clamp(0, self.rows as isize - 1) as usize;
            self.values[j * self.columns + i]
        } else if i < 0 || j < 0 || i >= self.columns as isize || j >= self.rows as isize {
            self.outside
        } else {
            self.values[j as usize * self.columns + i as usize]
        }
    }

    /// The mean of each square of `times` by `times` cells; what lies over the end counts as outside.
    pub(super) fn shrunk(&self, times: usize) -> Self {
        let (columns, rows) = (self.columns.div_ceil(times), self.rows.div_ceil(times));
        let share = 1.0 / (times * times) as f32;
        let mut values = vec![0.0; columns * rows];
        for (j, row) in self.values.chunks_exact(self.columns).enumerate() {
            let into = &mut values[j / times * columns..][..columns];
            for (sum, cells) in into.iter_mut().zip(row.chunks(times)) {
                let missing = (times - cells.len()) as f32 * self.outside;
                *sum += share * (cells.iter().sum::<f32>() + missing);
            }
        }
        let missing = share * (rows * times - self.rows) as f32 * times as f32 * self.outside;
        for value in &mut values[(rows - 1) * columns..] {
            *value += missing;
        }
        Self {
            columns,
            rows,
            cell: self.cell * times as f32,
            values,
            ..*self
        }
    }

    /// Gaussian blur with a standard deviation of `sigma` cells.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub(super) fn blur(&mut self, sigma: f32, observer: &dyn Observer) -> Result<(), Error> {
        if sigma <= 0.0 {
            return Ok(());
        }
        let kernel = gaussian(sigma);
        let reach = kernel.len() - 1;
        let mut line = vec![0.0; self.columns.max(self.rows) + 2 * reach];
        let mut blurred = vec![0.0; self.columns];
        for row in self.values.chunks_exact_mut(self.columns) {
            observer.checkpoint(Step::Shape)?;
            let padded = &mut line[..row.len() + 2 * reach];
            padded.fill(self.outside);
            padded[reach..reach + row.len()].copy_from_slice(row);
            convolve(padded, &kernel, row);
        }
        // Down the columns a whole row at a time, which keeps memory in order.
        let source = self.values.clone();
        let row_at = |j: isize| {
            usize::try_from(j)
                .ok()
                .filter(|&j| j < self.rows)
                .map(|j| &source[j * self.columns..(j + 1) * self.columns])
        };
        for j in 0..self.rows {
            observer.checkpoint(Step::Shape)?;
            blurred.fill(0.0);
            for offset in -(reach as isize)..=reach as isize {
                let weight = kernel[offset.unsigned_abs()];
                match row_at(j as isize + offset) {
                    Some(row) => {
                        for (sum, value) in blurred.iter_mut().zip(row) {
                            *sum += weight * value;
                        }
                    }
                    None => blurred
                        .iter_mut()
                        .for_each(|sum| *sum += weight * self.outside),
                }
            }
            self.values[j * self.columns..(j + 1) * self.columns].copy_from_slice(&blurred);
        }
        Ok(())
    }
}

/// Half of a normalised Gaussian kernel, centre first.
fn gaussian(sigma: f32) -> Vec<f32> {
    let reach = (sigma * 3.0).ceil() as usize;
    let weight = |k: usize| (-0.5 * (k as f32 / sigma.max(1e-3)).powi(2)).exp();
    let sum: f32 = 1.0 + 2.0 * (1..=reach).map(weight).sum::<f32>();
    (0..=reach).map(|k| weight(k) / sum).collect()
}

fn convolve(padded: &[f32], kernel: &[f32], into: &mut [f32]) {
    let reach = kernel.len() - 1;
    for (i, out) in into.iter_mut().enumerate() {
        let mut sum = kernel[0] * padded[i + reach];
        for k in 1..=reach {
            sum += kernel[k] * (padded[i + reach - k] + padded[i + reach + k]);
        }
        *out = sum;
    }
}
