//! How true the front is: its silhouette against the mask, its colours against the photo.
//!
//! The model is drawn without light, straight from the front, 512 pixels along its longer side, and laid
//! over the photo by its own texture coordinates.

use std::path::{Path, PathBuf};

use reconstruct::{
    Bounds, Error, Limits, Model, Options, Silent,
    image::{self, Picture},
    preview, reconstruct,
    segment::{self, Matte},
    texture::{self, Atlas},
};

const SIDE: f32 = 512.0;
/// The longest side that the pipeline works on at the default texture size.
const WORKING_SIDE: u32 = 2048;

/// Prints a row for each picture in `folders`, and the means against their goals.
pub(crate) fn report(folders: &[PathBuf]) {
    println!("# fidelity of the unlit front (inflate, default options)\n");
    let (mut overlaps, mut signals) = (Vec::new(), Vec::new());
    for path in folders.iter().flat_map(|folder| pictures(folder)) {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let judged = std::fs::read(&path)
            .map_err(|error| error.to_string())
            .and_then(|bytes| judge(&bytes).map_err(|error| error.to_string()));
        match judged {
            Ok((overlap, signal)) => {
                println!("  {name:<32} IoU {overlap:.4}  PSNR {signal:5.1} dB");
                overlaps.push(overlap);
                signals.push(signal);
            }
            Err(error) => println!("  {name:<32} {error}"),
        }
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let word = |met: bool| if met { "met" } else { "MISSED" };
    let (overlap, signal) = (mean(&overlaps), mean(&signals));
    println!("\n{} pictures", overlaps.len());
    println!(
        "mean IoU  {overlap:.4} (goal ≥ 0.97: {})",
        word(overlap >= 0.97)
    );
    println!(
        "mean PSNR {signal:.1} dB (goal ≥ 28 dB: {})",
        word(signal >= 28.0)
    );
}

fn pictures(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
            ["jpg", "jpeg", "png", "webp"]
                .iter()
                .any(|&known| extension == known)
        })
        .collect();
    found.sort();
    found
}

/// Intersection over union of the silhouettes, and the peak signal-to-noise ratio inside both in decibels.
fn judge(bytes: &[u8]) -> Result<(f64, f64), Error> {
    let (options, limits) = (Options::default(), Limits::default());
    let model = reconstruct(bytes, None, &options, &limits, &Silent)?;
    let picture = image::decode(bytes, &limits, WORKING_SIDE)?;
    let matte = segment::segment(&picture, None, &Silent)?;
    let atlas = texture::paint(&picture, &matte, &options, &Silent)?;
    let frame = Frame::of(&model, &atlas);
    let scale = SIDE / frame.size[0].max(frame.size[1]);
    let [width, height] = frame
        .size
        .map(|side| (side * scale).round().max(1.0) as u32);
    let front = preview::unlit_front(&model, width, height)?;
    Ok(compare(&picture, &matte, &frame, &front, [width, height]))
}

/// Where the model's bounding box lies in the picture, in pixels.
struct Frame {
    corner: [f32; 2],
    size: [f32; 2],
}

impl Frame {
    /// Two front points far apart on each axis tell how positions follow from texture coordinates.
    fn of(model: &Model, atlas: &Atlas) -> Self {
        let bounds = Bounds::of(&model.positions);
        let place = &atlas.front;
        let on_axis = |axis: usize| {
            let inside =
                |uv: &[f32; 2]| (0..2).all(|k| uv[k] > place.least[k] && uv[k] < place.most[k]);
            let points: Vec<(f32, f32)> = (0..model.positions.len())
                .filter(|&v| model.normals[v][2] > 0.3 && inside(&model.uvs[v]))
                .map(|v| {
                    let pixel = (model.uvs[v][axis] - place.offset[axis]) / place.scale[axis];
                    (model.positions[v][axis], pixel)
                })
                .collect();
            let by = |a: &&(f32, f32), b: &&(f32, f32)| a.0.total_cmp(&b.0);
            let (low, high) = (points.iter().min_by(by), points.iter().max_by(by));
            let (Some(low), Some(high)) = (low, high) else {
                return (0.0, 1.0);
            };
            let slope = (high.1 - low.1) / (high.0 - low.0);
            let at = |position: f32| low.1 + (position - low.0) * slope;
            (at(bounds.min[axis]), at(bounds.max[axis]))
        };
        let (left, right) = on_axis(0);
        let (bottom, top) = on_axis(1);
        Self {
            corner: [left, top],
            size: [right - left, bottom - top],
        }
    }
}

fn compare(
    picture: &Picture,
    matte: &Matte,
    frame: &Frame,
    front: &[u8],
    [width, height]: [u32; 2],
) -> (f64, f64) {
    let step = [frame.size[0] / width as f32, frame.size[1] / height as f32];
    let (mut both, mut either, mut within) = (0.0, 0.0, 0.0);
    let (mut squares, mut samples) = (0.0, 0.0);
    for (i, drawn) in front.chunks_exact(4).enumerate() {
        let at = [i as u32 % width, i as u32 / width];
        let from = [0, 1].map(|k| frame.corner[k] + at[k] as f32 * step[k]);
        let (colour, mask) = mean(picture, matte, from, step);
        within += mask;
        let (is_drawn, is_masked) = (drawn[3] >= 128, mask >= 0.5);
        both += f64::from(is_drawn && is_masked);
        either += f64::from(is_drawn || is_masked);
        if drawn[3] == 255 && mask > 0.99 {
            squares += (0..3)
                .map(|k| (f64::from(drawn[k]) - colour[k]).powi(2))
                .sum::<f64>();
            samples += 3.0;
        }
    }
    // What the mask has outside the model's box is missing from the model.
    let pixels = f64::from(step[0]) * f64::from(step[1]);
    let whole = matte.alpha.iter().filter(|&&a| a >= 128).count() as f64 / pixels;
    let overlap = both / (either + (whole - within).max(0.0));
    let error = f64::max(squares / f64::max(samples, 1.0), 1e-3);
    (overlap, 10.0 * (255.0 * 255.0 / error).log10())
}

/// Mean colour and share of mask of the picture's pixels within a box, each by its overlap.
fn mean(picture: &Picture, matte: &Matte, from: [f32; 2], size: [f32; 2]) -> ([f64; 3], f64) {
    let sides = [picture.width, picture.height];
    let overlaps = |axis: usize| -> Vec<(usize, f64)> {
        let (low, high) = (from[axis], from[axis] + size[axis]);
        (low.floor().max(0.0) as usize..=high.max(0.0) as usize)
            .filter(|&p| p < sides[axis] as usize)
            .map(|p| (p, f64::from(high.min(p as f32 + 1.0) - low.max(p as f32))))
            .filter(|&(_, share)| share > 0.0)
            .collect()
    };
    let (across, down) = (overlaps(0), overlaps(1));
    let (mut colour, mut mask, mut sum) = ([0.0; 3], 0.0, 0.0);
    for &(y, tall) in &down {
        for &(x, wide) in &across {
            let pixel = y * picture.width as usize + x;
            let share = wide * tall;
            sum += share;
            mask += share * f64::from(matte.alpha[pixel] >= 128);
            for (k, value) in colour.iter_mut().enumerate() {
                *value += share * f64::from(picture.rgba[4 * pixel + k]);
            }
        }
    }
    if sum > 0.0 {
        (colour.map(|c| c / sum), mask / sum)
    } else {
        ([0.0; 3], 0.0)
    }
}
