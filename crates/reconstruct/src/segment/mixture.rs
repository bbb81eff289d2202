//! Colour models: mixtures of Gaussians, as GrabCut has them.

/// A colour in CIE L*a*b*.
pub(super) type Lab = [f32; 3];

/// Gaussians in a mixture.
const COMPONENTS: usize = 5;

/// Added to each variance: a quantised, noise-free colour still has a neighbourhood.
const LEAST_VARIANCE: f64 = 2.0;

/// Running sums from which a Gaussian is fitted.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    count: f64,
    sum: [f64; 3],
    /// xx, xy, xz, yy, yz, zz.
    products: [f64; 6],
}

impl Moments {
    fn add(&mut self, colour: Lab) {
        let [x, y, z] = colour.map(f64::from);
        self.count += 1.0;
        for (sum, value) in self.sum.iter_mut().zip([x, y, z]) {
            *sum += value;
        }
        for (sum, value) in self
            .products
            .iter_mut()
            .zip([x * x, x * y, x * z, y * y, y * z, z * z])
        {
            *sum += value;
        }
    }

    fn mean(&self) -> [f64; 3] {
        self.sum.map(|s| s / self.count)
    }

    /// xx, xy, xz, yy, yz, zz.
    fn covariance(&self) -> [f64; 6] {
        let [x, y, z] = self.mean();
        let p = self.products.map(|p| p / self.count);
        [
            p[0] - x * x,
            p[1] - x * y,
            p[2] - x * z,
            p[3] - y * y,
            p[4] - y * z,
            p[5] - z * z,
        ]
    }

    /// Direction of the widest spread and the variance along it, by power iteration.
    fn axis(&self) -> ([f64; 3], f64) {
        let [xx, xy, xz, yy, yz, zz] = self.covariance();
        let mut v = [1.0, 0.7, 0.4];
        let mut spread = 0.0;
        for _ in 0..12 {
            let next = [
                xx * v[0] + xy * v[1] + xz * v[2],
                xy * v[0] + yy * v[1] + yz * v[2],
                xz * v[0] + yz * v[1] + zz * v[2],
            ];
            let len = next.iter().map(|n| n * n).sum::<f64>().sqrt();
            if len < 1e-9 {
                return (v, 0.0);
            }
            v = next.map(|n| n / len);
            spread = len;
        }
        (v, spread)
    }
}

/// One Gaussian, ready to be evaluated.
#[derive(Debug, Clone, Copy)]
struct Gaussian {
    mean: Lab,
    /// Inverse covariance: xx, xy, xz, yy, yz, zz.
    inverse: [f32; 6],
    /// Logarithm of weight over square root of the determinant.
    log_weight: f32,
}

impl Gaussian {
    fn fit(moments: &Moments, total: f64) -> Self {
        let [mut xx, xy, xz, mut yy, yz, mut zz] = moments.covariance();
        xx += LEAST_VARIANCE;
        yy += LEAST_VARIANCE;
        zz += LEAST_VARIANCE;
        let minors = [yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy];
        let determinant = (xx * minors[0] + xy * minors[1] + xz * minors[2]).max(1e-6);
        let inverse = [
            minors[0],
            minors[1],
            minors[2],
            xx * zz - xz * xz,
            xy * xz - xx * yz,
            xx * yy - xy * xy,
        ];
        Self {
            mean: moments.mean().map(|m| m as f32),
            inverse: inverse.map(|n| (n / determinant) as f32),
            log_weight: ((moments.count / total).ln() - 0.5 * determinant.ln()) as f32,
        }
    }

    /// Squared Mahalanobis distance.
    fn distance(&self, colour: Lab) -> f32 {
        let [x, y, z] = [
            colour[0] - self.mean[0],
            colour[1] - self.mean[1],
            colour[2] - self.mean[2],
        ];
        let [xx, xy, xz, yy, yz, zz] = self.inverse;
        x * (xx * x + 2.0 * (xy * y + xz * z)) + y * (yy * y + 2.0 * yz * z) + zz * z * z
    }

    /// Logarithm of the weighted density, less the constant that all share.
    fn log_density(&self, colour: Lab) -> f32 {
        self.log_weight - 0.5 * self.distance(colour)
    }
}

/// A mixture of Gaussians.
#[derive(Debug, Clone)]
pub(super) struct Mixture {
    parts: Vec<Gaussian>,
}

impl Mixture {
    /// A mixture of GrabCut's five Gaussians, fitted as by [`Mixture::split_into`].
    pub(super) fn split(colours: &[Lab]) -> Option<Self> {
        Self::split_into(colours, COMPONENTS)
    }

    /// Fits a mixture by splitting the widest cluster at its mean, across its widest spread, until there
    /// are `count` (Orchard and Bouman 1991). Nothing when there are no colours.
    pub(super) fn split_into(colours: &[Lab], count: usize) -> Option<Self> {
        let mut labels = vec![0_usize; colours.len()];
        let mut clusters = vec![Moments::default()];
        colours.iter().for_each(|&c| clusters[0].add(c));
        if colours.is_empty() {
            return None;
        }
        while clusters.len() < count {
            let spread = |m: &Moments| m.axis().1 * m.count;
            let widest = (0..clusters.len())
                .max_by(|&a, &b| spread(&clusters[a]).total_cmp(&spread(&clusters[b])))?;
            let (axis, variance) = clusters[widest].axis();
            if variance < 0.5 {
                break;
            }
            let mean = clusters[widest].mean();
            let mut halves = [Moments::default(); 2];
            for (label, &colour) in labels
                .iter_mut()
                .zip(colours)
                .filter(|(l, _)| **l == widest)
            {
                let side: f64 = (0..3)
                    .map(|i| (f64::from(colour[i]) - mean[i]) * axis[i])
                    .sum();
                if side > 0.0 {
                    *label = clusters.len();
                }
                halves[usize::from(side > 0.0)].add(colour);
            }
            clusters[widest] = halves[0];
            clusters.push(halves[1]);
        }
        Some(Self::of(&clusters))
    }

    /// Fits again after giving each colour to the Gaussian that explains it best.
    pub(super) fn refit(&self, colours: &[Lab]) -> Option<Self> {
        let mut clusters = vec![Moments::default(); self.parts.len()];
        colours
            .iter()
            .for_each(|&c| clusters[self.nearest(c)].add(c));
        (!colours.is_empty()).then(|| Self::of(&clusters))
    }

    fn of(clusters: &[Moments]) -> Self {
        let total: f64 = clusters.iter().map(|m| m.count).sum();
        let used = clusters.iter().filter(|m| m.count >= 1.0);
        Self {
            parts: used.map(|m| Gaussian::fit(m, total)).collect(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.parts.len()
    }

    /// Distance between the means of two Gaussians, in the sum of their deviations along it.
    pub(super) fn gap(&self, a: usize, b: usize) -> f32 {
        let (a, b) = (&self.parts[a], &self.parts[b]);
        let deviations =
            |own: &Gaussian, other: &Gaussian| own.distance(other.mean).max(1e-6).sqrt();
        1.0 / (1.0 / deviations(a, b) + 1.0 / deviations(b, a))
    }

    /// Distance between the means of two Gaussians.
    pub(super) fn difference(&self, a: usize, b: usize) -> f32 {
        let (a, b) = (self.parts[a].mean, self.parts[b].mean);
        (0..3).map(|i| (a[i] - b[i]).powi(2)).sum::<f32>().sqrt()
    }

    /// Which Gaussian explains `colour` best.
    pub(super) fn nearest(&self, colour: Lab) -> usize {
        let density = |i: &usize| self.parts[*i].log_density(colour);
        (0..self.parts.len())
            .max_by(|a, b| density(a).total_cmp(&density(b)))
            .unwrap_or(0)
    }

    /// Logarithm of the density of `colour` in the Gaussian that explains it best, as GrabCut takes it.
    pub(super) fn log_density(&self, colour: Lab) -> f32 {
        let densities = self.parts.iter().map(|part| part.log_density(colour));
        densities.fold(f32::NEG_INFINITY, f32::max)
    }
}
