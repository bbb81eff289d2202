//! The picture at the atlas' scale, with a trust in each colour.
//!
//! A pixel on the rim of a cut-out photo holds background too, and so may its neighbours, which the lens
//! has mixed. Only colours from inside are trusted; the rest is filled from them.

use super::layout::Layout;
use crate::{image::Picture, segment::Matte};

/// Colours and their trust: red, green, blue, and 255 for a colour that is surely the object's own.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Samples {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) texels: Vec<[u8; 4]>,
}

/// Samples the front part of `layout`.
pub(super) fn front(picture: &Picture, matte: &Matte, layout: &Layout) -> Samples {
    let part = &layout.front;
    let [left, top, ..] = layout.object;
    let columns = Spans::of(part.width, part.margin, part.scale, left, picture.width);
    let rows = Spans::of(part.height, part.margin, part.scale, top, picture.height);
    let mut trust = Trust::new(picture, matte);
    let width = picture.width as usize;
    let mut texels = Vec::with_capacity((part.width * part.height) as usize);
    let mut line = vec![[0.0_f32; 4]; part.width as usize];
    for row in &rows.spans {
        line.fill([0.0; 4]);
        for (y, down) in row.pixels() {
            trust.load(y);
            let pixels = &picture.rgba[4 * y * width..][..4 * width];
            for (sum, column) in line.iter_mut().zip(&columns.spans) {
                for (x, across) in column.pixels() {
                    let weight = trust.of(x) * across * down;
                    let px = &pixels[4 * x..4 * x + 3];
                    sum[0] += f32::from(px[0]) * weight;
                    sum[1] += f32::from(px[1]) * weight;
                    sum[2] += f32::from(px[2]) * weight;
                    sum[3] += weight;
                }
            }
        }
        texels.extend(line.iter().map(quantise));
    }
    Samples {
        width: part.width as usize,
        height: part.height as usize,
        texels,
    }
}

fn quantise(sum: &[f32; 4]) -> [u8; 4] {
    let trust = sum[3];
    if trust <= 0.0 {
        return [0; 4];
    }
    let value = |v: f32| (v / trust + 0.5) as u8;
    let trust = (trust * 255.0).round().clamp(1.0, 255.0) as u8;
    [value(sum[0]), value(sum[1]), value(sum[2]), trust]
}

/// The pixels that one texel covers along an axis, and how much of it each covers.
struct Span {
    start: usize,
    len: usize,
    /// Shares of the first and the last pixel; those between weigh `inner`.
    first: f32,
    last: f32,
    inner: f32,
}

impl Span {
    fn pixels(&self) -> impl Iterator<Item = (usize, f32)> + '_ {
        (0..self.len).map(|i| {
            let weight = match i {
                0 => self.first,
                i if i + 1 == self.len => self.last,
                _ => self.inner,
            };
            (self.start + i, weight)
        })
    }
}

struct Spans {
    spans: Vec<Span>,
}

impl Spans {
    /// For `count` texels, the first `margin` of which lie before pixel `origin` of `limit`.
    fn of(count: u32, margin: u32, scale: f32, origin: u32, limit: u32) -> Self {
        let edge = |texel: u32| {
            let pixels = (f64::from(texel) - f64::from(margin)) / f64::from(scale);
            (pixels + f64::from(origin)).clamp(0.0, f64::from(limit))
        };
        let spans = (0..count).map(|texel| {
            let (from, to) = (edge(texel), edge(texel + 1));
            let (start, end) = (from.floor() as usize, to.ceil() as usize);
            let whole = 1.0 / f64::from(scale);
            let len = end.saturating_sub(start);
            let first = ((start as f64 + 1.0).min(to) - from) / whole;
            let last = (to - (end as f64 - 1.0).max(from)) / whole;
            Span {
                start,
                len: if to > from { len } else { 0 },
                first: first as f32,
                last: last as f32,
                inner: (1.0 / whole) as f32,
            }
        });
        Self {
            spans: spans.collect(),
        }
    }
}

/// How far the colours of one row of the picture are trusted.
struct Trust<'a> {
    picture: &'a Picture,
    matte: &'a Matte,
    row: Option<usize>,
    values: Vec<f32>,
    /// The least alpha of each pixel and those above and below.
    least: Vec<u8>,
    /// [`trust`] of each alpha.
    trusts: [f32; 256],
}

impl<'a> Trust<'a> {
    fn new(picture: &'a Picture, matte: &'a Matte) -> Self {
        Self {
            picture,
            matte,
            row: None,
            values: vec![0.0; picture.width as usize],
            least: vec![0; picture.width as usize],
            trusts: std::array::from_fn(|alpha| trust(alpha as u8)),
        }
    }

    fn of(&self, x: usize) -> f32 {
        self.values[x]
    }

    fn load(&mut self, y: usize) {
        if self.row == Some(y) {
            return;
        }
        self.row = Some(y);
        let width = self.matte.width as usize;
        let last = self.matte.height as usize - 1;
        let rows = [y.saturating_sub(1), y, (y + 1).min(last)]
            .map(|y| &self.matte.alpha[y * width..][..width]);
        let inside = rows.iter().all(|row| row.iter().all(|&a| a == 255));
        if inside {
            self.values.fill(1.0);
            return;
        }
        for (least, ((&a, &b), &c)) in self
            .least
            .iter_mut()
            .zip(rows[0].iter().zip(rows[1]).zip(rows[2]))
        {
            *least = a.min(b).min(c);
        }
        let pixels = self.picture.rgba[4 * y * width..].as_chunks::<4>().0;
        for (x, (&own, px)) in rows[1].iter().zip(pixels).enumerate() {
            // Where the picture has its own alpha its colours are its own as well, not mixed.
            let least = if px[3] == 255 {
                let near = &self.least[x.saturating_sub(1)..(x + 2).min(width)];
                let least = near.iter().copied().fold(own, u8::min);
                least.max(if own >= 128 { 129 } else { 0 })
            } else {
                own
            };
            self.values[x] = self.trusts[usize::from(least)];
        }
    }
}

/// Full trust inside, next to none at the outline: just enough for a shape without an inside.
fn trust(alpha: u8) -> f32 {
    match alpha {
        250..=255 => 1.0,
        128..=249 => 0.004 + 0.4 * ((f32::from(alpha) - 128.0) / 122.0).powi(3),
        _ => 0.0,
    }
}
