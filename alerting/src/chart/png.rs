//! A picture as PNG (RFC 2083): header, one compressed stream of unfiltered rows, end.

use std::io::Write as _;

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";
const BIT_DEPTH: u8 = 8;
const RED_GREEN_BLUE: u8 = 2;
const DOT_BYTES: usize = 3;

/// Encodes rows of dots, three bytes each; `None` for a picture without width.
pub(super) fn encode(width: usize, height: usize, dots: &[u8]) -> Option<Vec<u8>> {
    let (across, down) = (u32::try_from(width).ok()?, u32::try_from(height).ok()?);
    let mut file = SIGNATURE.to_vec();
    let mut header = Vec::new();
    header.extend_from_slice(&across.to_be_bytes());
    header.extend_from_slice(&down.to_be_bytes());
    // Compression, filter method and interlacing have one value each, or none.
    header.extend_from_slice(&[BIT_DEPTH, RED_GREEN_BLUE, 0, 0, 0]);
    chunk(&mut file, *b"IHDR", &header)?;
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    for row in dots.chunks_exact((width * DOT_BYTES).max(1)) {
        packed.write_all(&[0]).ok()?;
        packed.write_all(row).ok()?;
    }
    chunk(&mut file, *b"IDAT", &packed.finish().ok()?)?;
    chunk(&mut file, *b"IEND", &[])?;
    Some(file)
}

/// Length, name, content, and a checksum over the last two.
fn chunk(file: &mut Vec<u8>, name: [u8; 4], content: &[u8]) -> Option<()> {
    let mut sum = Crc::new();
    sum.update(&name);
    sum.update(content);
    file.extend_from_slice(&u32::try_from(content.len()).ok()?.to_be_bytes());
    file.extend_from_slice(&name);
    file.extend_from_slice(content);
    file.extend_from_slice(&sum.sum().to_be_bytes());
    Some(())
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Read as _;

    use super::*;

    /// Width, height and dots of a file; every checksum is held.
    pub(in crate::chart) fn decode(file: &[u8]) -> (usize, usize, Vec<u8>) {
        let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
        let mut rest = file.strip_prefix(&SIGNATURE).unwrap();
        let (mut width, mut height, mut packed) = (0, 0, Vec::new());
        loop {
            let length = number(&rest[..4]) as usize;
            let (name, content) = (&rest[4..8], &rest[8..8 + length]);
            let mut sum = Crc::new();
            sum.update(&rest[4..8 + length]);
            assert_eq!(number(&rest[8 + length..12 + length]), sum.sum());
            match name {
                b"IHDR" => {
                    width = number(&content[..4]) as usize;
                    height = number(&content[4..8]) as usize;
                }
                b"IDAT" => packed.extend_from_slice(content),
                _ => break,
            }
            rest = &rest[12 + length..];
        }
        let mut rows = Vec::new();
        let mut reader = flate2::read::ZlibDecoder::new(packed.as_slice());
        reader.read_to_end(&mut rows).unwrap();
        let dots: Vec<u8> = rows
            .chunks_exact(width * DOT_BYTES + 1)
            .flat_map(|row| row[1..].to_vec())
            .collect();
        assert_eq!(dots.len(), width * height * DOT_BYTES);
        (width, height, dots)
    }

    #[test]
    fn what_is_encoded_is_read_again() {
        let dots: Vec<u8> = (0..5 * 3 * 3).map(|n| n as u8 * 5).collect();
        assert_eq!(decode(&encode(5, 3, &dots).unwrap()), (5, 3, dots));
        // The checksum of the empty end is the format's own.
        let file = encode(1, 1, &[1, 2, 3]).unwrap();
        assert!(file.ends_with(b"\0\0\0\0IEND\xae\x42\x60\x82"));
    }
}
