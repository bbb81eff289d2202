//! The numbers behind an accessor, read one by one where they lie: interleaved, of any component type, sparse.

use std::collections::HashMap;

use super::{
    FORMAT, broken,
    json::{Accessor, Document, Sparse},
};
use crate::{Error, import::soup::check_vertices};

/// Components of the widest type that is read.
const WIDEST: usize = 4;

pub(super) struct Accessors<'a> {
    document: &'a Document,
    bin: &'a [u8],
}

/// The bytes of a buffer view.
///
/// # Errors
/// What lies in another file is refused as such.
pub(super) fn view<'a>(
    document: &Document,
    bin: &'a [u8],
    number: usize,
) -> Result<&'a [u8], Error> {
    let outside = || {
        broken(
            FORMAT,
            format!("buffer view {number} lies outside the file"),
        )
    };
    let view = document.buffer_views.get(number).ok_or_else(outside)?;
    let buffer = document.buffers.get(view.buffer);
    if view.buffer != 0 || buffer.is_some_and(|buffer| buffer.uri.is_some()) {
        return Err(Error::Unsupported {
            format: FORMAT,
            what: "a buffer outside the file".to_owned(),
        });
    }
    let end = view.byte_offset.checked_add(view.byte_length);
    end.and_then(|end| bin.get(view.byte_offset..end))
        .ok_or_else(outside)
}

impl<'a> Accessors<'a> {
    pub(super) fn of(document: &'a Document, bin: &'a [u8]) -> Self {
        Self { document, bin }
    }

    /// How many values it claims; none for no accessor.
    pub(super) fn count(&self, number: Option<usize>) -> Result<u32, Error> {
        number.map_or(Ok(0), |number| Ok(self.find(number)?.count))
    }

    /// The values of accessor `number`, once all of them are known to lie within the file.
    pub(super) fn get(&self, number: usize) -> Result<Values<'a>, Error> {
        let accessor = self.find(number)?;
        let wrong = |what: &str| broken(FORMAT, format!("accessor {number} {what}"));
        let component = Component::of(accessor.component_type)
            .ok_or_else(|| wrong("has an unknown component type"))?;
        let width = match accessor.kind.as_str() {
            "SCALAR" => 1,
            "VEC2" => 2,
            "VEC3" => 3,
            "VEC4" => 4,
            _ => return Err(wrong("is neither a scalar nor a vector")),
        };
        let size = width * component.size();
        let mut values = Values {
            number,
            count: accessor.count,
            component,
            normalized: accessor.normalized,
            width,
            stride: size,
            bytes: &[],
            replaced: HashMap::new(),
        };
        if let Some(number) = accessor.buffer_view {
            let bytes = view(self.document, self.bin, number)?;
            let stride = self.document.buffer_views[number].byte_stride;
            values.stride = stride.filter(|stride| *stride > 0).unwrap_or(size);
            let bytes = bytes.get(accessor.byte_offset..);
            let bytes = bytes.ok_or_else(|| wrong("lies outside its buffer view"))?;
            let needed = needed(accessor.count, values.stride, size);
            if needed.is_none_or(|needed| needed > bytes.len()) {
                return Err(wrong("lies outside its buffer view"));
            }
            values.bytes = bytes;
        } else if accessor.sparse.is_none() {
            return Err(wrong("has no buffer view"));
        } else {
            // Nothing of the file stands for this count, so the limit must.
            check_vertices(u64::from(accessor.count))?;
        }
        if let Some(sparse) = &accessor.sparse {
            values.replaced = self.sparse(sparse, &values)?;
        }
        Ok(values)
    }

    fn find(&self, number: usize) -> Result<&'a Accessor, Error> {
        (self.document.accessors.get(number))
            .ok_or_else(|| broken(FORMAT, format!("there is no accessor {number}")))
    }

    /// The values that stand in place of others, by the number of those.
    fn sparse(&self, sparse: &Sparse, of: &Values<'_>) -> Result<HashMap<u32, Row>, Error> {
        let number = of.number;
        let wrong = || {
            broken(
                FORMAT,
                format!("the sparse part of accessor {number} is malformed"),
            )
        };
        let part = |view_number: usize, offset: usize, stride: usize| {
            let bytes = view(self.document, self.bin, view_number)?;
            let bytes = bytes.get(offset..).ok_or_else(wrong)?;
            match needed(sparse.count, stride, stride) {
                Some(needed) if needed <= bytes.len() => Ok(bytes),
                _ => Err(wrong()),
            }
        };
        let kind = Component::of(sparse.indices.component_type).ok_or_else(wrong)?;
        let indices = part(
            sparse.indices.buffer_view,
            sparse.indices.byte_offset,
            kind.size(),
        )?;
        let size = of.width * of.component.size();
        let values = part(sparse.values.buffer_view, sparse.values.byte_offset, size)?;
        let mut replaced = HashMap::new();
        for (index, value) in (indices.chunks_exact(kind.size()))
            .zip(values.chunks_exact(size))
            .take(sparse.count as usize)
        {
            let index = kind.whole(index).filter(|index| *index < of.count);
            replaced.insert(index.ok_or_else(wrong)?, of.row(value));
        }
        Ok(replaced)
    }
}

/// Bytes from the first of `count` values to the end of the last.
fn needed(count: u32, stride: usize, size: usize) -> Option<usize> {
    match count {
        0 => Some(0),
        count => (count as usize - 1).checked_mul(stride)?.checked_add(size),
    }
}

type Row = [f32; WIDEST];

/// Values that are known to be there.
pub(super) struct Values<'a> {
    number: usize,
    pub(super) count: u32,
    component: Component,
    normalized: bool,
    width: usize,
    stride: usize,
    /// Empty when all values but the replaced ones are zero.
    bytes: &'a [u8],
    replaced: HashMap<u32, Row>,
}

impl Values<'_> {
    /// The first `N` components of value `index`.
    pub(super) fn vector<const N: usize>(&self, index: u32) -> Result<[f32; N], Error> {
        if self.width < N {
            return Err(self.wrong(&format!("has {} components, not {N}", self.width)));
        }
        let row = match self.replaced.get(&index) {
            Some(row) => *row,
            None => self.row(self.at(index)?),
        };
        Ok(std::array::from_fn(|i| row[i]))
    }

    /// Value `index` of a list of whole numbers.
    pub(super) fn whole(&self, index: u32) -> Result<u32, Error> {
        if let Some(row) = self.replaced.get(&index) {
            return Ok(row[0] as u32);
        }
        let bytes = self.at(index)?;
        if bytes.is_empty() {
            return Ok(0);
        }
        let value = self.component.whole(bytes);
        value.ok_or_else(|| self.wrong("has indices that are no whole numbers"))
    }

    /// Empty where all is zero.
    fn at(&self, index: u32) -> Result<&[u8], Error> {
        if index >= self.count {
            return Err(self.wrong(&format!("has {} values, not {}", self.count, index + 1)));
        }
        let start = index as usize * self.stride;
        Ok(self.bytes.get(start..).unwrap_or_default())
    }

    fn row(&self, bytes: &[u8]) -> Row {
        let mut row = [0.0; WIDEST];
        let parts = bytes.chunks_exact(self.component.size()).take(self.width);
        for (value, part) in row.iter_mut().zip(parts) {
            *value = self.component.value(part, self.normalized);
        }
        row
    }

    fn wrong(&self, what: &str) -> Error {
        broken(FORMAT, format!("accessor {} {what}", self.number))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Component {
    I8,
    U8,
    I16,
    U16,
    U32,
    F32,
}

impl Component {
    fn of(number: u32) -> Option<Self> {
        Some(match number {
            5120 => Self::I8,
            5121 => Self::U8,
            5122 => Self::I16,
            5123 => Self::U16,
            5125 => Self::U32,
            5126 => Self::F32,
            _ => return None,
        })
    }

    fn size(self) -> usize {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::U32 | Self::F32 => 4,
        }
    }

    /// `bytes` begins with one component; when normalized, the type's range stands for -1 or 0 to 1.
    fn value(self, bytes: &[u8], normalized: bool) -> f32 {
        let (value, largest) = match (self, bytes) {
            (Self::I8, [a, ..]) => (f32::from(i8::from_le_bytes([*a])), f32::from(i8::MAX)),
            (Self::U8, [a, ..]) => (f32::from(*a), f32::from(u8::MAX)),
            (Self::I16, [a, b, ..]) => {
                (f32::from(i16::from_le_bytes([*a, *b])), f32::from(i16::MAX))
            }
            (Self::U16, [a, b, ..]) => {
                (f32::from(u16::from_le_bytes([*a, *b])), f32::from(u16::MAX))
            }
            (Self::U32, [a, b, c, d, ..]) => {
                (u32::from_le_bytes([*a, *b, *c, *d]) as f32, u32::MAX as f32)
            }
            (Self::F32, [a, b, c, d, ..]) => return f32::from_le_bytes([*a, *b, *c, *d]),
            _ => return 0.0,
        };
        if normalized {
            (value / largest).max(-1.0)
        } else {
            value
        }
    }

    fn whole(self, bytes: &[u8]) -> Option<u32> {
        match (self, bytes) {
            (Self::U8, [a, ..]) => Some(u32::from(*a)),
            (Self::U16, [a, b, ..]) => Some(u32::from(u16::from_le_bytes([*a, *b]))),
            (Self::U32, [a, b, c, d, ..]) => Some(u32::from_le_bytes([*a, *b, *c, *d])),
            _ => None,
        }
    }
}
