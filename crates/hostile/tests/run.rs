//! A bounded run of every target: mutations of what it takes, and inputs made to hurt. `FUZZ_SECONDS` (1) is the time for
//! each target, `FUZZ_SEED` repeats a run.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::panic::catch_unwind;
use std::time::{Duration, Instant};

use hostile::{TARGETS, Target};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What an input may cost: so much, and so many times its own size.
const COST: usize = 24 * 1024 * 1024;
const TIMES: usize = 200;
/// How long one input may take, on a machine that does much else at the same time.
const SLOW: Duration = Duration::from_secs(20);

/// Small, fast, repeatable. source: Marsaglia, Xorshift RNGs
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        if n == 0 {
            0
        } else {
            (self.next() % n as u64) as usize
        }
    }
}

const TOKENS: &[&[u8]] = &[
    b"[",
    b"{",
    b"\"",
    b"\\",
    b"&a ",
    b"*a",
    b"<<: ",
    b"!!binary ",
    b"\xff\xff\xff\xff\x0f",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x7f\xff\xff\xff",
    b"\0\0\0\0",
    b"1e999999",
    b"99999999999999999999999999",
    b"-",
    b"\xc3\x28",
    b"\xef\xbb\xbf",
    b"$patch",
    b"null",
    b"\r\n",
    b"(((",
    b"? :",
    b"\x80",
    b"k8s\0",
    b"\x1b",
    b"/",
    b"~1",
    b".",
    b"%00",
];

fn mutate(random: &mut Random, target: &Target, input: &mut Vec<u8>) {
    for _ in 0..=random.below(6) {
        let at = random.below(input.len() + 1);
        match random.below(7) {
            0 if !input.is_empty() => {
                let i = at.min(input.len() - 1);
                input[i] ^= 1 << random.below(8);
            }
            1 if !input.is_empty() => {
                let i = at.min(input.len() - 1);
                input[i] = random.next() as u8;
            }
            2 => {
                let token = TOKENS[random.below(TOKENS.len())];
                let many = 1 + random.below(4);
                input.splice(at..at, token.repeat(many));
            }
            3 => {
                let end = (at + random.below(16)).min(input.len());
                input.drain(at..end);
            }
            4 => {
                let end = (at + random.below(64)).min(input.len());
                let part = input[at..end].to_vec();
                input.splice(at..at, part);
            }
            5 => {
                let other = target.seeds[random.below(target.seeds.len())];
                let from = random.below(other.len());
                input.splice(at..at, other[from..].iter().copied());
            }
            _ => input.truncate(at),
        }
        input.truncate(64 * 1024);
    }
}

/// Inputs that hurt decoders of their kind.
fn made() -> Vec<(&'static str, Vec<u8>)> {
    let mut bomb = b"a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_vec();
    for i in 1..12 {
        let refs = vec![format!("*a{}", i - 1); 10].join(",");
        bomb.extend(format!("a{i}: &a{i} [{refs}]\n").bytes());
    }
    let huge = |head: &[u8]| [head, b"\xff\xff\xff\xff\x0f"].concat();
    vec![
        ("nested arrays", b"[".repeat(1_000_000)),
        ("nested objects", b"{\"a\":".repeat(200_000)),
        ("nested flow mappings", b"{a: ".repeat(100_000)),
        ("nested sequences", b"- ".repeat(50_000)),
        ("nested parentheses", b"(".repeat(100_000)),
        ("nested negations", b"!".repeat(100_000)),
        ("a long number", b"1".repeat(1_000_000)),
        (
            "a long exponent",
            [&b"1e"[..], &b"9".repeat(100_000)].concat(),
        ),
        (
            "a long string",
            [&b"\""[..], &b"\\u0041".repeat(100_000)].concat(),
        ),
        ("aliases of aliases", bomb),
        (
            "many keys",
            (0..50_000)
                .map(|i| format!("k{i}: 1\n"))
                .collect::<String>()
                .into_bytes(),
        ),
        ("one key many times", b"a: 1\n".repeat(50_000)),
        ("many selectors", b"a=1,".repeat(100_000)),
        (
            "a set of many",
            [&b"a in ("[..], &b"x,".repeat(100_000)].concat(),
        ),
        ("many parameters", b"a=b&".repeat(100_000)),
        ("a token of dots", b"a.".repeat(100_000)),
        (
            "protobuf, 4 GB",
            huge(b"k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod\x12"),
        ),
        ("message, 4 GB", huge(b"\0\0\x0a")),
        ("protobuf, nested", b"\x0a\x7f".repeat(30_000)),
        (
            "websocket, 4 GB",
            b"\x82\xff\0\0\0\0\xff\xff\xff\xff\0\0\0\0".to_vec(),
        ),
        (
            "websocket, 2^63",
            b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0".to_vec(),
        ),
        (
            "websocket, small pieces",
            b"\x02\x81\0\0\0\0a"
                .iter()
                .copied()
                .chain(b"\x00\x81\0\0\0\0a".repeat(20_000))
                .collect(),
        ),
        ("spdy, 16 MB", b"\x80\x03\x00\x01\x00\xff\xff\xff".to_vec()),
        ("spdy, a header bomb", {
            let mut block = vec![0x78, 0x01];
            // One byte, then itself a hundred thousand times over: fixed Huffman codes.
            block.extend([0xed, 0xc1, 0x01, 0x01].repeat(1000));
            let mut frame = vec![0x80, 3, 0, 1, 0, 0];
            frame.extend(((block.len() + 10) as u16).to_be_bytes());
            frame.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
            frame.extend(block);
            frame
        }),
        ("copies in a JSON patch", {
            let mut text =
                String::from("[{\"op\":\"add\",\"path\":\"/a\",\"value\":[\"xxxxxxxxxxxxxxxx\"]}");
            for i in 0..64 {
                text.push_str(&format!(
                    ",{{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/a/{i}\"}}"
                ));
            }
            text.push(']');
            text.into_bytes()
        }),
        ("nothing", Vec::new()),
        ("zeros", vec![0; 100_000]),
        ("no UTF-8", vec![0xff; 100_000]),
    ]
}

fn check(target: &Target, input: &[u8], what: &str) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let start = Instant::now();
    let run = target.run;
    // On a thread with the server's own stack size: what nests must not end the process.
    let outcome = catch_unwind(|| run(input));
    let (took, cost) = (start.elapsed(), MEMORY.peak_usage().saturating_sub(before));
    let shown = || String::from_utf8_lossy(&input[..input.len().min(300)]).into_owned();
    assert!(
        outcome.is_ok(),
        "{} panicked on {what}: {}",
        target.name,
        shown()
    );
    assert!(
        cost <= COST + TIMES * input.len(),
        "{}: {what} of {} bytes cost {cost} bytes: {}",
        target.name,
        input.len(),
        shown()
    );
    assert!(
        took <= SLOW,
        "{}: {what} took {took:?}: {}",
        target.name,
        shown()
    );
}

#[test]
fn every_decoder_bears_every_input() {
    let number = |name: &str, default: u64| {
        std::env::var(name)
            .ok()
            .and_then(|v| v.parse().ok())
            .unwrap_or(default)
    };
    let seconds = number("FUZZ_SECONDS", 1);
    let seed = number("FUZZ_SEED", std::process::id().into()).max(1);
    println!("FUZZ_SEED={seed}");
    let run = move || {
        for target in TARGETS {
            for (what, input) in made() {
                check(target, &input, what);
            }
            let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
            let (end, mut count) = (Instant::now() + Duration::from_secs(seconds), 0);
            while Instant::now() < end {
                let mut input = target.seeds[random.below(target.seeds.len())].to_vec();
                mutate(&mut random, target, &mut input);
                check(target, &input, "a mutation");
                count += 1;
            }
            println!("{}: {count} inputs", target.name);
        }
    };
    let worker = std::thread::Builder::new()
        .stack_size(2 * 1024 * 1024)
        .spawn(run)
        .unwrap();
    if let Err(panic) = worker.join() {
        std::panic::resume_unwind(panic);
    }
}
