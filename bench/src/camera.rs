//! The program that shows pictures, shows widgets and says which keys it was told of; in both
//! dialects of the channels (`docs/protocol.md` section 6). What it shows can be checked to the
//! byte by its number.

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

/// A picture has as many bytes, and up to as many more: those of a JPEG of 640×480.
const PICTURE_MIN_BYTES: u64 = 30_000;
/// The first bytes of a JPEG file.
const JPEG_MAGIC: [u8; 2] = [0xff, 0xd8];
/// Bytes before what fills a picture: magic and number.
const PICTURE_HEAD_BYTES: usize = 6;
/// The key after which it is over.
pub(crate) const LAST_KEY: &str = "last";
/// Letters of a widget's label, at the most.
const WIDGET_LABEL_MAX_CHARS: u64 = 2_000;

const KEY_LISTEN: u8 = 2;
const VIDEO: u8 = 3;
const WIDGET: u8 = 6;
const KEY_EVENT: u8 = 66;

/// What it does.
#[derive(Args)]
pub(crate) struct Options {
    /// Pictures to be shown
    #[arg(long, default_value_t = 0)]
    pictures: u64,
    /// Pictures in a second; 0: as quickly as that goes
    #[arg(long, default_value_t = 0)]
    rate: u32,
    /// Not more pictures than so many before those of which a byte of input has said that they have
    /// come
    #[arg(long)]
    ahead: Option<u64>,
    /// Widgets to be shown before
    #[arg(long, default_value_t = 0)]
    widgets: u64,
    /// Listen to keys, and say them, until the last one
    #[arg(long)]
    keys: bool,
    /// In the dialect of the package of the servers before
    #[arg(long)]
    older: bool,
}

/// The picture with this number.
pub(crate) fn picture(number: u32) -> Vec<u8> {
    let length = PICTURE_MIN_BYTES + u64::from(number) * 7919 % PICTURE_MIN_BYTES;
    let mut bytes = Vec::with_capacity(PICTURE_HEAD_BYTES + length as usize + 8);
    bytes.extend_from_slice(&JPEG_MAGIC);
    bytes.extend_from_slice(&number.to_be_bytes());
    // Xorshift: as random as JPEG, for a compressor.
    let mut word = u64::from(number) + 0x9e37_79b9_7f4a_7c15;
    while (bytes.len() as u64) < length {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        bytes.extend_from_slice(&word.to_be_bytes());
    }
    bytes
}

/// The number of a picture that came.
///
/// # Errors
/// If a byte of it is not as it was shown.
pub(crate) fn check(bytes: &[u8]) -> anyhow::Result<u32> {
    let number = bytes
        .get(2..PICTURE_HEAD_BYTES)
        .context("a picture of a few bytes")?;
    let number = u32::from_be_bytes(number.try_into()?);
    ensure!(bytes == picture(number), "picture {number} came damaged");
    Ok(number)
}

/// The widget with this number, JSON.
pub(crate) fn widget(number: u64) -> String {
    let label = "x".repeat((number * 7919 % WIDGET_LABEL_MAX_CHARS) as usize);
    format!(r#"{{"id":"w{number}","kind":"button","label":"{label}"}}"#)
}

/// Does it.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let keys = match (options.keys, options.older) {
        (false, _) => None,
        (true, false) => Some(new_keys()?),
        (true, true) => Some(older_keys()?),
    };
    if !options.older {
        let mut channel = UnixStream::connect(channel()?)?;
        for number in 0..options.widgets {
            send(&mut channel, WIDGET, widget(number).as_bytes())?;
        }
        show(options, |picture| send(&mut channel, VIDEO, picture))?;
    } else if options.pictures > 0 {
        let mut video = UnixStream::connect(older("video")?)?;
        show(options, |picture| {
            let mut message = base64(picture);
            message.push_str(" endvideo ");
            Ok(video.write_all(message.as_bytes())?)
        })?;
    }
    match keys {
        Some(keys) => keys
            .join()
            .map_err(|_| anyhow::anyhow!("the keys' thread failed"))?,
        None => Ok(()),
    }
}

fn show(
    options: &Options,
    mut send: impl FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let begin = Instant::now();
    for number in 0..options.pictures {
        if options.ahead.is_some_and(|ahead| number >= ahead) {
            std::io::stdin().read_exact(&mut [0])?;
        }
        send(&picture(u32::try_from(number)?))?;
        if options.rate > 0 {
            let due = begin + Duration::from_secs(number + 1) / options.rate;
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    }
    Ok(())
}

type Keys = thread::JoinHandle<anyhow::Result<()>>;

/// Says keys in the new dialect.
fn new_keys() -> anyhow::Result<Keys> {
    let mut channel = UnixStream::connect(channel()?)?;
    send(&mut channel, KEY_LISTEN, b"ArrowUp")?;
    Ok(thread::spawn(move || {
        loop {
            let mut head = [0; 5];
            channel.read_exact(&mut head)?;
            let [a, b, c, d, kind] = head;
            let mut payload = vec![0; u32::from_be_bytes([a, b, c, d]) as usize];
            channel.read_exact(&mut payload)?;
            if kind == KEY_EVENT {
                let event: serde_json::Value = serde_json::from_slice(&payload)?;
                if say(event["key"].as_str().context("a key without name")?)? {
                    return Ok(());
                }
            }
        }
    }))
}

/// Says keys in the older dialect.
fn older_keys() -> anyhow::Result<Keys> {
    let listener = UnixListener::bind(older("keyevent")?)?;
    UnixStream::connect(older("keylisten")?)?.write_all(b"ArrowUp endkeylisten ")?;
    Ok(thread::spawn(move || {
        let (mut connection, _) = listener.accept()?;
        let mut bytes = Vec::new();
        loop {
            let mut piece = [0; 4096];
            let count = connection.read(&mut piece)?;
            if count == 0 {
                bail!("the server has closed the keys");
            }
            bytes.extend_from_slice(&piece[..count]);
            while let Some(end) = crate::pattern::find(&bytes, b" endkeyevent ") {
                let event = String::from_utf8(bytes.drain(..end + 13).collect())?;
                let (key, _) = event.split_once(' ').context("a key without event")?;
                if say(key)? {
                    return Ok(());
                }
            }
        }
    }))
}

/// A line for a key; true if it was the last one.
fn say(key: &str) -> anyhow::Result<bool> {
    // In one write, past the line buffer.
    nix::unistd::write(std::io::stdout(), format!("{key}\n").as_bytes())?;
    Ok(key == LAST_KEY)
}

fn send(channel: &mut UnixStream, kind: u8, payload: &[u8]) -> anyhow::Result<()> {
    let mut message = Vec::with_capacity(payload.len() + 5);
    message.extend_from_slice(&u32::try_from(payload.len())?.to_be_bytes());
    message.push(kind);
    message.extend_from_slice(payload);
    Ok(channel.write_all(&message)?)
}

fn channel() -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("FURTHER_LINK_CHANNEL");
    Ok(path.context("there is no channel")?.into())
}

fn older(name: &str) -> anyhow::Result<PathBuf> {
    let folder = std::env::var_os("FURTHER_LINK_TEMP_DIR").context("there is no folder")?;
    let group = nix::unistd::getpgrp();
    Ok(PathBuf::from(folder).join(format!("{group}.{name}.sock")))
}

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// As text.
fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let mut all = [0; 4];
        all[1..=three.len()].copy_from_slice(three);
        let all = u32::from_be_bytes(all);
        for place in 0..4 {
            text.push(match place <= three.len() {
                true => char::from(LETTERS[(all >> (18 - 6 * place)) as usize % 64]),
                false => '=',
            });
        }
    }
    text
}

/// The bytes of base64.
///
/// # Errors
/// If it is none.
pub(crate) fn bytes_of(text: &str) -> anyhow::Result<Vec<u8>> {
    const VALUES: [u8; 256] = {
        let mut values = [64; 256];
        let mut value = 0;
        while value < 64 {
            values[LETTERS[value] as usize] = value as u8;
            value += 1;
        }
        values
    };
    ensure!(
        text.len().is_multiple_of(4),
        "base64 of {} letters",
        text.len()
    );
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for four in text.trim_end_matches('=').as_bytes().chunks(4) {
        let mut all = 0;
        for letter in four {
            let value = VALUES[usize::from(*letter)];
            ensure!(value < 64, "{letter:?} in base64");
            all = all << 6 | u32::from(value);
        }
        let all = all << (6 * (4 - four.len()));
        bytes.extend_from_slice(&all.to_be_bytes()[1..four.len()]);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_told_from_damaged_ones() {
        for number in [0, 1, 77] {
            let mut bytes = picture(number);
            assert!((30_000..60_010).contains(&bytes.len()));
            assert_eq!(check(&bytes).unwrap(), number);
            assert_eq!(bytes_of(&base64(&bytes)).unwrap(), bytes);
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            check(&bytes).unwrap_err();
            bytes.pop();
            check(&bytes).unwrap_err();
        }
        assert_eq!(base64(b"ab"), "YWI=");
        assert_eq!(base64(b"a"), "YQ==");
    }
}
