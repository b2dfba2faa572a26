//! A reply that an authority, or anybody on the way, has written.
#![no_main]

use azekura::format::stamp::{Reply, TimeStampRequest};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(request) = TimeStampRequest::decode(bytes) {
        assert_eq!(TimeStampRequest::decode(&request.encode()), Ok(request));
    }
    if let Ok(Reply::Granted(stamp)) = Reply::decode(bytes) {
        assert!(stamp.time.is_ascii() && stamp.time.len() >= 20 && stamp.time.ends_with('Z'));
        assert!(bytes.windows(32).any(|w| w == stamp.sha256));
    }
});
