//! Programs that write at random, read by clients that do so too, in both dialects of `/run`:
//! whatever the sizes and the pauses, what is written is what is read.
//!
//! A failure prints its seed; `SEEDS` can then be set to that one.

use further_link_testkit::TestServer;
use further_link_testkit::stream::{Event, KIB, StreamClient};
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

const SEEDS: Range<u64> = 0..20;

/// Numbers that are the same for the same seed (xorshift, after Marsaglia).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 11
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }

    /// Mostly small, sometimes very large.
    fn size(&mut self) -> usize {
        let most = [1, 10, 100, 5000, 20_000, 70_000, 150_000][self.below(7) as usize];
        1 + self.below(most) as usize
    }

    /// Text of all lengths of characters, and what is none.
    fn text(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            match self.below(8) {
                0 => bytes.push(self.next() as u8),
                1 => bytes.push(self.below(32) as u8),
                2 => bytes.extend_from_slice("ü".as_bytes()),
                3 => bytes.extend_from_slice("€".as_bytes()),
                4 => bytes.extend_from_slice("🤖".as_bytes()),
                _ => bytes.extend_from_slice(b"text \"\\\n"),
            }
        }
        bytes
    }
}

/// What a program does, and what has to come of it.
struct Plan {
    code: String,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    exit_code: i64,
}

impl Plan {
    /// A program that writes pieces of `text`, by way of a file: to which output, how many bytes,
    /// and after which pause.
    fn new(random: &mut Random, text: &[u8], file: &Path) -> Self {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let mut all = Vec::new();
        let mut steps = String::new();
        for _ in 0..5 + random.below(35) {
            let error = random.one_in(3);
            let size = random.size();
            // From anywhere, so characters are cut.
            let start = random.below((text.len() - size) as u64) as usize;
            let bytes = &text[start..start + size];
            let pause = match random.one_in(6) {
                true => random.below(8),
                false => 0,
            };
            steps += &format!("({}, {size}, {pause}), ", 1 + u8::from(error));
            all.extend_from_slice(bytes);
            let output = if error { &mut stderr } else { &mut stdout };
            output.extend_from_slice(bytes);
        }
        std::fs::write(file, all).unwrap();
        let exit_code = random.below(4) as i64;
        let code = format!(
            "import os, sys, time\nfile = open('{}', 'rb')\nfor to, size, pause in [{steps}]:\n  \
             if pause: time.sleep(pause / 1000)\n  bytes = file.read(size)\n  \
             while bytes: bytes = bytes[os.write(to, bytes):]\nsys.exit({exit_code})",
            file.display()
        );
        Self {
            code,
            stdout,
            stderr,
            exit_code,
        }
    }
}

fn lossy(bytes: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(bytes).into_owned().into_bytes()
}

fn check(server: &TestServer, text: &[u8], seed: u64, binary: bool) {
    let mut random = Random::new(seed * 2 + u64::from(binary));
    let mut client = match binary {
        true => StreamClient::binary(server, "/run"),
        false => StreamClient::json(server, "/run"),
    };
    if random.one_in(3) {
        client.raw = client.raw.with_small_buffer();
    }
    let names: Vec<String> = (0..1 + random.below(2)).map(|n| format!("p{n}")).collect();
    let mut plans = Vec::new();
    for name in &names {
        let file = format!("{seed}-{binary}-{name}");
        let plan = Plan::new(&mut random, text, &server.folder.path().join(file));
        client.start(name, "python3", &plan.code);
        plans.push(plan);
    }
    // Acknowledgements at random, but never later than the rules say.
    client.ack_every = Some(1);
    let is_over = |client: &StreamClient, name: &String| client.program(name).exit_code.is_some();
    while !names.iter().all(|name| is_over(&client, name)) {
        if random.one_in(40) {
            std::thread::sleep(Duration::from_millis(random.below(10)));
        }
        if let Event::Text(message) = client.next() {
            assert_eq!(message["type"], "stopped", "{message}");
        }
        if random.one_in(4) {
            let every = [1, 16 * KIB, 16 * KIB + random.below(48 * KIB)];
            client.ack_every = Some(every[random.below(3) as usize]);
        }
    }
    for (name, plan) in names.iter().zip(&plans) {
        let program = client.program(name);
        let (stdout, stderr) = match binary {
            true => (plan.stdout.clone(), plan.stderr.clone()),
            false => (lossy(&plan.stdout), lossy(&plan.stderr)),
        };
        assert!(program.stdout == stdout, "{name}: stdout");
        assert!(program.stderr == stderr, "{name}: stderr");
        assert_eq!(program.exit_code, Some(plan.exit_code), "{name}");
    }
    client.answers();
}

#[test]
fn what_is_written_is_what_is_read() {
    const THREADS: usize = 4;
    let server = TestServer::start(&[]);
    let text = Random::new(0).text(160_000);
    let cases: Vec<_> = SEEDS
        .flat_map(|seed| [(seed, false), (seed, true)])
        .collect();
    std::thread::scope(|scope| {
        for part in 0..THREADS {
            let (server, text, cases) = (&server, &text, &cases);
            scope.spawn(move || {
                for (seed, binary) in cases.iter().skip(part).step_by(THREADS) {
                    /// Says which case it was if it does not go well.
                    struct Case(u64, bool);
                    impl Drop for Case {
                        fn drop(&mut self) {
                            if std::thread::panicking() {
                                eprintln!("--- seed {}, binary: {}", self.0, self.1);
                            }
                        }
                    }
                    let case = Case(*seed, *binary);
                    check(server, text, *seed, *binary);
                    drop(case);
                }
            });
        }
    });
}
