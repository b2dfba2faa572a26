//! Bytes in the vectors: hexadecimal, in parts with spaces between; `00*16` means 16 times `00`.

/// Runs of 64 bytes and more are folded.
pub fn folded(bytes: &[u8]) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut open = String::new();
    for run in bytes.chunk_by(|a, b| a == b) {
        match run.len() {
            0..64 => run.iter().for_each(|b| open.push_str(&format!("{b:02x}"))),
            n => {
                parts.extend((!open.is_empty()).then(|| std::mem::take(&mut open)));
                parts.push(format!("{:02x}*{n}", run[0]));
            }
        }
    }
    parts.extend((!open.is_empty()).then_some(open));
    parts.join(" ")
}

pub fn unfolded(text: &str) -> Vec<u8> {
    let part = |part: &str| -> Vec<u8> {
        let (digits, times) = part.split_once('*').unwrap_or((part, "1"));
        let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("two hexadecimal digits");
        let bytes: Vec<u8> = (0..digits.len()).step_by(2).map(byte).collect();
        bytes.repeat(times.parse().expect("how many times"))
    };
    text.split_whitespace().flat_map(part).collect()
}

#[test]
fn folded_bytes_are_unfolded() {
    let runs = [&[0; 63][..], &[1; 64], b"ab", &[2; 1000]].concat();
    assert!(folded(&runs).ends_with(" 01*64 6162 02*1000"));
    for bytes in [&runs[..], b"", b"\0"] {
        assert_eq!(unfolded(&folded(bytes)), bytes);
    }
}
