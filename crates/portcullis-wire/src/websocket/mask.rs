//! Unmasks frame payloads (RFC 6455 section 5.3).
//! Never: copies the bytes.

/// Applies `mask` to bytes that begin `offset` bytes into their payload.
///
/// Works on sixteen bytes at a time, which compilers turn into vector instructions.
pub(crate) fn unmask(bytes: &mut [u8], mask: [u8; 4], offset: usize) {
    let mut key = mask;
    key.rotate_left(offset % 4);
    let wide = u128::from_ne_bytes(repeat(key));
    let (blocks, rest) = bytes.as_chunks_mut::<16>();
    for block in blocks {
        *block = (u128::from_ne_bytes(*block) ^ wide).to_ne_bytes();
    }
    let narrow = u32::from_ne_bytes(key);
    let (words, rest) = rest.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ narrow).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key) {
        *byte ^= key;
    }
}

fn repeat([a, b, c, d]: [u8; 4]) -> [u8; 16] {
    [a, b, c, d, a, b, c, d, a, b, c, d, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6455 section 5.3: octet i is XORed with mask octet i modulo 4.
    #[test]
    fn every_length_and_offset_is_unmasked_by_the_definition() {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        for length in 0..70 {
            for offset in 0..9 {
                let mut bytes: Vec<u8> = (0..length).collect();
                let expect: Vec<u8> =
                    (0..length).map(|at| at ^ mask[(usize::from(at) + offset) % 4]).collect();
                unmask(&mut bytes, mask, offset);
                assert_eq!(bytes, expect, "length {length}, offset {offset}");
            }
        }
    }
}
