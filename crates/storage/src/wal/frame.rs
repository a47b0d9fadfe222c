//! Records as they lie in a segment.
//!
//! A frame is an 8-byte little-endian length field, a `walpb.Record`, and zeros up to a multiple of 8.
//! The length field holds the record's size in its lower 56 bits; its top byte is `0x80 | padding` when
//! there is padding. A record's checksum is a CRC-32C over the data of all records so far, across
//! segments: each segment begins with a record that tells where the sum stands.
//! Source: etcd's `server/storage/wal/{encoder,decoder}.go`.

use crate::durable::{Context, FileError};
use bytes::Bytes;
use crc32c::crc32c_append;
use protos::{Message, walpb};
use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

const LENGTH_FIELD: u64 = 8;
/// A disk writes a sector whole or not at all.
const SECTOR: u64 = 512;
/// Room for the type, the checksum and the length of the data.
const LONGEST_FIELDS: u64 = 20;
const BUFFER_BYTES: usize = 256 * 1024;

/// What a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordKind {
    Metadata = 1,
    Entry = 2,
    HardState = 3,
    /// Where the checksum stands; no data.
    Checksum = 4,
    Snapshot = 5,
}

/// Lays records into a buffer.
#[derive(Debug)]
pub(super) struct Encoder {
    pub(super) buffer: Vec<u8>,
    checksum: u32,
}

impl Encoder {
    /// An encoder that goes on where the checksum stands.
    pub(super) fn new(checksum: u32) -> Self {
        Self { buffer: Vec::new(), checksum }
    }

    /// Where the checksum stands.
    pub(super) fn checksum(&self) -> u32 {
        self.checksum
    }

    /// Appends a record whose data are `parts` in a row; `None` leaves the data field out.
    pub(super) fn put(&mut self, kind: RecordKind, parts: Option<&[&[u8]]>) {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(&[0; LENGTH_FIELD as usize]);
        let data = parts.unwrap_or_default();
        self.checksum = data.iter().fold(self.checksum, |sum, part| crc32c_append(sum, part));
        put_number_field(&mut self.buffer, 1, kind as u64);
        put_number_field(&mut self.buffer, 2, self.checksum.into());
        if parts.is_some() {
            put_bytes_key(&mut self.buffer, 3, data.iter().map(|part| part.len()).sum());
            data.iter().for_each(|part| self.buffer.extend_from_slice(part));
        }
        let size = self.buffer.len() - start - LENGTH_FIELD as usize;
        let padding = size.wrapping_neg() % 8;
        let mut field = size as u64;
        if padding > 0 {
            field |= (0x80 | padding as u64) << 56;
            self.buffer.resize(self.buffer.len() + padding, 0);
        }
        self.buffer[start..start + LENGTH_FIELD as usize].copy_from_slice(&field.to_le_bytes());
    }
}

/// Appends a protobuf varint field. Written even when zero, as etcd does for its non-nullable fields.
pub(super) fn put_number_field(buffer: &mut Vec<u8>, field: u8, number: u64) {
    buffer.push(field << 3);
    put_varint(buffer, number);
}

/// Appends the key and length of a protobuf bytes field.
pub(super) fn put_bytes_key(buffer: &mut Vec<u8>, field: u8, length: usize) {
    buffer.push(field << 3 | 2);
    put_varint(buffer, length as u64);
}

fn put_varint(buffer: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        buffer.push(number as u8 | 0x80);
        number >>= 7;
    }
    buffer.push(number as u8);
}

/// The size of a record from its own first fields, if they are there.
fn size_told_by_record(start: &[u8]) -> Option<u64> {
    let mut at = 0;
    let mut number = |key: u8| {
        if *start.get(at)? != key {
            return None;
        }
        let varint = start[at + 1..].iter().take(10).position(|byte| byte & 0x80 == 0)? + 1;
        let bytes = &start[at + 1..at + 1 + varint];
        at += 1 + varint;
        Some(bytes.iter().rev().fold(0u64, |value, byte| value << 7 | u64::from(byte & 0x7f)))
    };
    number(1 << 3)?;
    number(2 << 3)?;
    match number(3 << 3 | 2) {
        Some(length) => Some(length.saturating_add(at as u64)),
        // There is no data, unless the file ends before that can be known.
        None => start.get(at).filter(|key| **key != 3 << 3 | 2).map(|_| at as u64),
    }
}

/// What comes next in a segment.
#[derive(Debug)]
pub(super) enum Frame {
    /// A record; the checksum of its data fits unless it is of kind [`RecordKind::Checksum`].
    Record { kind: RecordKind, data: Option<Bytes>, checksum: u32 },
    /// The end of the file, or space that was allocated ahead.
    End,
    /// The file ends within the record, or a sector of it was never written.
    Torn(String),
    /// The record is all there and wrong.
    Damaged(String),
}

/// Reads the records of one segment.
pub(super) struct Decoder<'a> {
    path: &'a Path,
    reader: BufReader<&'a File>,
    size: u64,
    offset: u64,
    checksum: u32,
}

impl<'a> Decoder<'a> {
    /// Reads `file` from its start; `checksum` is where the sum stood at the end of the segment before.
    pub(super) fn new(path: &'a Path, file: &'a File, checksum: u32) -> Result<Self, FileError> {
        let size = file.metadata().during("read the size of", path)?.len();
        Ok(Self { path, reader: BufReader::with_capacity(BUFFER_BYTES, file), size, offset: 0, checksum })
    }

    /// The offset behind the last good record.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Where the checksum stands.
    pub(super) fn checksum(&self) -> u32 {
        self.checksum
    }

    /// Continues from another checksum: the one of a checksum record.
    pub(super) fn set_checksum(&mut self, checksum: u32) {
        self.checksum = checksum;
    }

    /// The next frame. After anything but a record there is nothing more to read.
    pub(super) fn next(&mut self) -> Result<Frame, FileError> {
        let remaining = self.size - self.offset;
        if remaining == 0 {
            return Ok(Frame::End);
        }
        if remaining < LENGTH_FIELD {
            return Ok(Frame::Torn("the file ends within the length of a record".to_owned()));
        }
        let mut field = [0; LENGTH_FIELD as usize];
        self.reader.read_exact(&mut field).during("read", self.path)?;
        let field = u64::from_le_bytes(field);
        if field == 0 {
            return self.end_of_records(remaining);
        }
        let size = field & ((1 << 56) - 1);
        let padding = if field >> 63 == 1 { field >> 56 & 7 } else { 0 };
        if size == 0 || padding != size.wrapping_neg() % 8 {
            return Ok(Frame::Damaged(
                "the length of the record and its padding do not go together".to_owned(),
            ));
        }
        if size + padding > remaining - LENGTH_FIELD {
            return self.cut_record(size, remaining);
        }
        let mut bytes = vec![0; (size + padding) as usize];
        self.reader.read_exact(&mut bytes).during("read", self.path)?;
        let bytes = Bytes::from(bytes);
        let frame = match self.check(bytes.slice(..size as usize)) {
            Ok(frame) => frame,
            Err(reason) if self.has_empty_sector(&bytes) => return Ok(Frame::Torn(reason)),
            Err(reason) => return Ok(Frame::Damaged(reason)),
        };
        self.offset += LENGTH_FIELD + size + padding;
        Ok(frame)
    }

    /// Zeros where a length should be: space that was allocated ahead, or a sector that was never
    /// written. Both reach to the sector's end at least.
    fn end_of_records(&mut self, remaining: u64) -> Result<Frame, FileError> {
        let behind = self.offset + LENGTH_FIELD;
        let in_sector = (SECTOR - behind % SECTOR) % SECTOR;
        let mut rest = vec![0; in_sector.min(remaining - LENGTH_FIELD) as usize];
        self.reader.read_exact(&mut rest).during("read", self.path)?;
        Ok(if rest.iter().all(|byte| *byte == 0) {
            Frame::End
        } else {
            Frame::Damaged("the length of the record is zero".to_owned())
        })
    }

    /// A length that reaches behind the end of the file: a write that was cut short, unless the record
    /// itself tells another length. (etcd does not look, and cuts off all that follows.)
    fn cut_record(&mut self, size: u64, remaining: u64) -> Result<Frame, FileError> {
        let mut start = vec![0; (remaining - LENGTH_FIELD).min(LONGEST_FIELDS) as usize];
        self.reader.read_exact(&mut start).during("read", self.path)?;
        Ok(match size_told_by_record(&start) {
            Some(told) if told != size => {
                Frame::Damaged(format!("the length field says {size} bytes, the record {told}"))
            }
            _ => Frame::Torn("the file ends within a record".to_owned()),
        })
    }

    fn check(&mut self, record: Bytes) -> Result<Frame, String> {
        let record = walpb::Record::decode(record).map_err(|error| format!("not a record: {error}"))?;
        let kind = match record.r#type() {
            1 => RecordKind::Metadata,
            2 => RecordKind::Entry,
            3 => RecordKind::HardState,
            4 => RecordKind::Checksum,
            5 => RecordKind::Snapshot,
            other => return Err(format!("unexpected block type {other}")),
        };
        let checksum = record.crc();
        if kind != RecordKind::Checksum {
            let computed = crc32c_append(self.checksum, record.data());
            if computed != checksum {
                return Err(format!("walpb: crc mismatch: expected: {checksum:x} computed: {computed:x}"));
            }
            self.checksum = computed;
        }
        Ok(Frame::Record { kind, data: record.data, checksum })
    }

    /// Whether some whole part of the frame within one sector is zero: then that sector was never
    /// written, and the record is a torn write, not damage.
    fn has_empty_sector(&self, bytes: &[u8]) -> bool {
        let first = (SECTOR - (self.offset + LENGTH_FIELD) % SECTOR) as usize;
        let (head, rest) = bytes.split_at(first.min(bytes.len()));
        [head]
            .into_iter()
            .chain(rest.chunks(SECTOR as usize))
            .any(|sector| sector.iter().all(|byte| *byte == 0))
    }
}
