//! The terminal server's dialects against their golden files, and sizes in both orders.

use further_link_protocol::TerminalSize;
use further_link_protocol::wire::{
    ListedSession, SizeOrder, TerminalInput, read_terminal_input, read_terminal_size,
    write_sessions, write_terminal_output,
};
use proptest::prelude::*;
use serde_json::Value;
use std::path::Path;

fn cases(file: &str) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/terminal");
    let text = std::fs::read_to_string(folder.join(file)).unwrap();
    assert!(text.is_ascii(), "{file}: not all ASCII");
    serde_json::from_str(&text).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn size(described: &Value) -> Option<TerminalSize> {
    let cells = |name| described[name].as_u64().unwrap().try_into().unwrap();
    (!described.is_null()).then(|| TerminalSize {
        rows: cells("rows"),
        columns: cells("columns"),
    })
}

fn bytes(case: &Value) -> Vec<u8> {
    match case["messageHex"].as_str() {
        Some(digits) => (0..digits.len() / 2)
            .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap())
            .collect(),
        None => text(&case["message"]).as_bytes().to_vec(),
    }
}

#[test]
fn from_client() {
    for case in cases("from-client.json") {
        let expected = match case["rejected"].as_str() {
            Some(sentence) => Err(sentence.to_owned()),
            None => Ok(TerminalInput {
                keys: text(&case["input"]["keys"]).to_owned(),
                size: size(&case["input"]["size"]),
            }),
        };
        assert_eq!(
            read_terminal_input(&bytes(&case)).map_err(|error| error.to_string()),
            expected,
            "{}",
            case["name"]
        );
    }
}

#[test]
fn to_client() {
    for case in cases("to-client.json") {
        let mut message = Vec::new();
        match case["sessions"].as_array() {
            None => {
                let output = &case["output"];
                let ended = output["ended"].as_bool().unwrap();
                write_terminal_output(text(&output["text"]), ended, &mut message);
            }
            Some(sessions) => write_sessions(
                sessions.iter().map(|session| ListedSession {
                    id: text(&session["id"]),
                    persistent: session["persistent"].as_bool().unwrap(),
                    size: size(&session["size"]),
                    visited: session["visited"].as_i64().unwrap(),
                    idle: session["idle"].as_u64().unwrap(),
                }),
                &mut message,
            ),
        }
        let message = String::from_utf8(message).unwrap();
        assert_eq!(message, text(&case["message"]), "{}", case["name"]);
    }
}

#[test]
fn sizes_have_two_orders() {
    let read = read_terminal_size;
    let size = TerminalSize {
        rows: 40,
        columns: 120,
    };
    assert_eq!(read("40x120", SizeOrder::LinesFirst), Some(size));
    assert_eq!(read("120x40", SizeOrder::ColumnsFirst), Some(size));
    for wrong in ["", "x", "40x", "x120", "40*120", "0x1", "1x0", "10000x1"] {
        assert_eq!(read(wrong, SizeOrder::ColumnsFirst), None, "{wrong}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn text_that_is_written_is_read(keys: String, ended: bool) {
        let mut message = Vec::new();
        write_terminal_output(&keys, ended, &mut message);
        prop_assert_eq!(read_terminal_input(&message), Ok(TerminalInput { keys, size: None }));
    }

    #[test]
    fn anything_is_read_or_refused(message: Vec<u8>) {
        if let Err(sentence) = read_terminal_input(&message) {
            prop_assert!(sentence.to_string().len() < 100);
        }
    }
}
