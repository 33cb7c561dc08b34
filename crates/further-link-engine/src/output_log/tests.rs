//! The log against a trivial model: any interleaving of writes, readers and slow readers shows
//! every lossless reader the same bytes in the same order.

use super::*;
use proptest::prelude::*;

fn log() -> (Arc<OutputLog>, Arc<Notify>) {
    (Arc::new(OutputLog::default()), Arc::new(Notify::new()))
}

/// Puts in as much of `bytes` as there is room for, and says how much that was.
fn put(log: &OutputLog, stream: Stream, bytes: &[u8]) -> usize {
    log.fill(stream, |space| {
        let count = bytes.len().min(space.len());
        space[..count].copy_from_slice(&bytes[..count]);
        Ok(count)
    })
    .map_or(0, |result| result.unwrap())
}

fn take(cursor: &mut Cursor, max: usize) -> (Read, Vec<(Stream, Vec<u8>)>) {
    let mut taken = Vec::new();
    let read = cursor.read(max, |stream, first, second| {
        taken.push((stream, [first, second].concat()));
    });
    (read, taken)
}

#[test]
fn unread_log_of_a_lossless_viewer_fills_and_then_refuses() {
    let (log, wake) = log();
    let mut cursor = log.cursor(true, wake);
    let mut count = 0;
    loop {
        let put = put(&log, Stream::Stdout, &[b'x'; 10_000]);
        if put == 0 {
            break;
        }
        count += put;
    }
    assert_eq!(count, LOG_CAPACITY_BYTES);
    assert_eq!(take(&mut cursor, 100).0, Read::Bytes);
    assert!(put(&log, Stream::Stdout, b"more") > 0);
}

#[test]
fn viewer_that_may_lose_bytes_is_told_how_many() {
    let (log, wake) = log();
    let mut cursor = log.cursor(false, wake);
    for _ in 0..LOG_CAPACITY_BYTES {
        assert!(put(&log, Stream::Stdout, b"ab") > 0);
    }
    let (read, _) = take(&mut cursor, 1);
    let Read::Gap(gap) = read else {
        panic!("{read:?}")
    };
    assert_eq!(gap.from, 0);
    assert_eq!(cursor.position(), gap.to);
    assert_eq!(take(&mut cursor, 1).0, Read::Bytes);
}

#[test]
fn dropped_viewer_holds_nothing_back() {
    let (log, wake) = log();
    let cursor = log.cursor(true, wake);
    while put(&log, Stream::Stdout, &[0; 4096]) > 0 {}
    drop(cursor);
    assert!(put(&log, Stream::Stdout, b"x") > 0);
}

#[test]
fn idle_log_owns_no_memory_and_a_quiet_one_little() {
    let (log, wake) = log();
    assert_eq!(log.lock().ring.capacity(), 0);
    let mut cursor = log.cursor(true, wake);
    for _ in 0..10_000 {
        put(&log, Stream::Stdout, b"a line of some length\n");
        while take(&mut cursor, 4096).0 == Read::Bytes {}
    }
    assert!(log.lock().ring.capacity() <= 2 * LOG_INITIAL_BYTES);
}

#[test]
fn alternating_streams_are_bounded_too() {
    let (log, wake) = log();
    let mut cursor = log.cursor(true, wake);
    let mut expected = Vec::new();
    for index in 0.. {
        let stream = [Stream::Stdout, Stream::Stderr][index % 2];
        if put(&log, stream, &[index as u8]) == 0 {
            break;
        }
        expected.push((stream, vec![index as u8]));
    }
    assert_eq!(expected.len(), SEGMENTS_MAX_COUNT);
    log.close();
    let mut seen = Vec::new();
    while let (Read::Bytes, taken) = take(&mut cursor, 4096) {
        seen.extend(taken);
    }
    assert_eq!(seen, expected);
}

#[derive(Clone, Debug)]
enum Step {
    Put(bool, Vec<u8>),
    Take(usize, usize),
    Join(bool),
    Leave(usize),
    Ahead(usize, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let bytes = prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..50),
        (4000usize..100_000, any::<u8>()).prop_map(|(count, byte)| {
            (0..count)
                .map(|index| byte.wrapping_add(index as u8))
                .collect()
        }),
    ];
    let step = prop_oneof![
        4 => (any::<bool>(), bytes).prop_map(|(stream, bytes)| Step::Put(stream, bytes)),
        4 => (any::<usize>(), 1usize..70_000).prop_map(|(who, max)| Step::Take(who, max)),
        1 => any::<bool>().prop_map(Step::Join),
        1 => any::<usize>().prop_map(Step::Leave),
        1 => (any::<usize>(), 1usize..=LOG_CAPACITY_BYTES).prop_map(|(who, ahead)| Step::Ahead(who, ahead)),
    ];
    proptest::collection::vec(step, 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_viewer_sees_what_the_model_holds(steps in steps()) {
        let (log, wake) = log();
        let mut model: Vec<(Stream, u8)> = Vec::new();
        let mut viewers: Vec<(Cursor, bool, u64)> = Vec::new();
        let held_back = |viewers: &[(Cursor, bool, u64)], end: u64| {
            let allowed = |(cursor, lossless, position): &(Cursor, bool, u64)| {
                lossless.then(|| (position + cursor.ahead as u64).saturating_sub(end) as usize)
            };
            viewers.iter().filter_map(allowed).min().unwrap_or(LOG_CAPACITY_BYTES)
        };
        for step in steps {
            match step {
                Step::Put(stderr, bytes) => {
                    let stream = if stderr { Stream::Stderr } else { Stream::Stdout };
                    let allowed = held_back(&viewers, log.end());
                    let count = put(&log, stream, &bytes);
                    prop_assert!(count <= allowed);
                    prop_assert!(count > 0 || allowed == 0 || log.lock().segments.len() >= SEGMENTS_MAX_COUNT);
                    model.extend(bytes[..count].iter().map(|byte| (stream, *byte)));
                    prop_assert_eq!(log.end(), model.len() as u64);
                }
                Step::Take(who, max) if !viewers.is_empty() => {
                    let index = who % viewers.len();
                    let (cursor, lossless, position) = &mut viewers[index];
                    let (read, taken) = take(cursor, max);
                    match read {
                        Read::Bytes => for (stream, bytes) in taken {
                            prop_assert!(!bytes.is_empty() && bytes.len() <= max);
                            for byte in bytes {
                                prop_assert_eq!(model[*position as usize], (stream, byte));
                                *position += 1;
                            }
                        },
                        Read::Gap(gap) => {
                            prop_assert!(!*lossless);
                            prop_assert_eq!(gap.from, *position);
                            prop_assert!(gap.to > gap.from);
                            *position = gap.to;
                        }
                        Read::Empty => prop_assert_eq!(*position, model.len() as u64),
                        Read::End => prop_assert!(false, "the log is open"),
                    }
                }
                Step::Join(lossless) => {
                    let cursor = log.cursor(lossless, Arc::clone(&wake));
                    let position = cursor.position();
                    viewers.push((cursor, lossless, position));
                }
                Step::Leave(who) if !viewers.is_empty() => {
                    viewers.swap_remove(who % viewers.len());
                }
                Step::Ahead(who, ahead) if !viewers.is_empty() => {
                    let index = who % viewers.len();
                    viewers[index].0.set_ahead(ahead);
                }
                Step::Take(..) | Step::Leave(..) | Step::Ahead(..) => {}
            }
        }
        log.close();
        for (mut cursor, _, mut position) in viewers {
            loop {
                let (read, taken) = take(&mut cursor, 1000);
                match read {
                    Read::Bytes => position += taken.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>(),
                    Read::Gap(gap) => position = gap.to,
                    Read::End => break,
                    Read::Empty => prop_assert!(false, "the log is closed"),
                }
            }
            prop_assert_eq!(position, model.len() as u64);
        }
    }
}
