//! The first byte chooses the decoder, the rest is its input.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some((choice, input)) = bytes.split_first() {
        let target = &hostile::TARGETS[usize::from(*choice) % hostile::TARGETS.len()];
        (target.run)(input);
    }
});
