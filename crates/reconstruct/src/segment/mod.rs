//! Which pixels belong to the object.
//!
//! Alpha where it is really used, else the person's own mask, else GrabCut at small size refined along
//! edges. Knows nothing of shapes; gives a soft matte at full resolution.
//!
//! A picture is averaged down to a [`small::Small`]; [`border`] says which of its rim is surely
//! background, [`grabcut`] cuts it in two, [`regions`] drops specks and pinholes, [`judge`] decides
//! whether what is left stands out, and [`refine`] carries the outline back to full resolution.

mod border;
mod grabcut;
mod judge;
mod mask;
mod maxflow;
mod mixture;
mod refine;
mod regions;
mod small;

use crate::{
    Error, Observer, Step, Warning,
    image::{Picture, cropped},
};

/// How much of each pixel is object: 0 to 255, `width * height` values, 128 is the outline.
#[derive(Debug, Clone, PartialEq)]
pub struct Matte {
    pub width: u32,
    pub height: u32,
    pub alpha: Vec<u8>,
    pub warnings: Vec<Warning>,
}

impl Matte {
    /// The whole of a picture of this size.
    #[must_use]
    pub fn whole(width: u32, height: u32) -> Self {
        Self {
            width,
            height,
            alpha: vec![255; width as usize * height as usize],
            warnings: Vec::new(),
        }
    }

    /// Whether nothing at all was cut away.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.alpha.iter().all(|&a| a == 255)
    }

    /// The smallest box of whole pixels around all that are at least so much object: left, top, right, bottom.
    pub(crate) fn bounds(&self, least: u8) -> Option<[u32; 4]> {
        let mut found: Option<[u32; 4]> = None;
        for (y, row) in (0..).zip(self.alpha.chunks_exact(self.width as usize)) {
            let Some(first) = row.iter().position(|&a| a >= least) else {
                continue;
            };
            let last = row.iter().rposition(|&a| a >= least).unwrap_or(first);
            let (start, end) = (first as u32, last as u32 + 1);
            let [left, top, right, _] = found.unwrap_or([start, y, end, 0]);
            found = Some([left.min(start), top, right.max(end), y + 1]);
        }
        found
    }

    /// The part within left, top, right and bottom.
    pub(crate) fn cropped(self, frame: [u32; 4]) -> Self {
        Self {
            width: frame[2] - frame[0],
            height: frame[3] - frame[1],
            alpha: cropped(&self.alpha, self.width, frame, 1),
            warnings: self.warnings,
        }
    }

    /// The picture's own alpha.
    fn own(picture: &Picture) -> Self {
        Self {
            alpha: picture.rgba.iter().skip(3).step_by(4).copied().collect(),
            ..Self::whole(picture.width, picture.height)
        }
    }
}

/// Takes the whole picture without looking for an object: all that can be seen of it, where it is cut out by
/// its own alpha.
///
/// # Errors
/// [`Error::NoContent`].
pub fn all(picture: &Picture) -> Result<Matte, Error> {
    let alpha = Alpha::of(picture);
    if alpha.none {
        return Err(Error::NoContent("all of it is transparent"));
    }
    if alpha.used {
        return Ok(Matte::own(picture));
    }
    if is_one_colour(picture) {
        return Err(Error::NoContent("all of it is one colour"));
    }
    Ok(Matte::whole(picture.width, picture.height))
}

/// Finds the object. With `mask` (an encoded picture: white, or opaque, is object) the person decides.
///
/// # Errors
/// [`Error::NoContent`], [`Error::Mask`], [`Error::Cancelled`].
pub fn segment(
    picture: &Picture,
    mask: Option<&Picture>,
    observer: &dyn Observer,
) -> Result<Matte, Error> {
    let alpha = Alpha::of(picture);
    if alpha.none {
        return Err(Error::NoContent("all of it is transparent"));
    }
    if let Some(mask) = mask {
        return mask::matte(mask, picture.width, picture.height);
    }
    if alpha.used {
        return Ok(Matte::own(picture));
    }
    if is_one_colour(picture) {
        return Err(Error::NoContent("all of it is one colour"));
    }
    observer.checkpoint(Step::Segment)?;
    let small = small::Small::of(picture);
    let found = grabcut::cut(&small, observer)?;
    let found = found
        .map(|cut| regions::clean(cut, &small))
        .filter(|cut| judge::stands_out(cut, &small));
    let Some(cut) = found else {
        let mut matte = Matte::whole(picture.width, picture.height);
        matte.warnings.push(Warning::NoForeground);
        return Ok(matte);
    };
    observer.checkpoint(Step::Segment)?;
    Ok(refine::matte(picture, &small, &cut))
}

/// How a picture uses its alpha.
struct Alpha {
    /// No pixel can be seen.
    none: bool,
    /// It cuts something out: over 2 % of the pixels are rather transparent.
    used: bool,
}

impl Alpha {
    fn of(picture: &Picture) -> Self {
        let values = picture.rgba.iter().skip(3).step_by(4);
        let (mut seen, mut clear) = (false, 0_usize);
        for &alpha in values {
            seen |= alpha >= 128;
            clear += usize::from(alpha < 128);
        }
        let pixels = picture.width as usize * picture.height as usize;
        Self {
            none: !seen,
            used: clear * 50 > pixels,
        }
    }
}

fn is_one_colour(picture: &Picture) -> bool {
    let mut pixels = picture.rgba.chunks_exact(4);
    let first = pixels.next();
    pixels.all(|px| Some(&px[..3]) == first.map(|f| &f[..3]))
}
