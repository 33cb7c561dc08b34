//! What Linux tells of a device in its files. All of it may be missing, in a container or on
//! another board; then it is not there here either, and nothing is an error.

use nix::sys::statvfs::statvfs;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Bytes that are read of a file, at most. `/proc/stat` of a machine with hundreds of cores has
/// more, but its cores are in front.
const FILE_MAX_BYTES: u64 = 64 * 1024;
/// Cores that are told of.
const MAX_CORES: usize = 256;
/// Sensors and batteries that are looked at; a board has some ten.
const DIRECTORY_MAX_ENTRIES: usize = 64;
/// Characters of a name.
const NAME_MAX_BYTES: usize = 128;
/// Sensors that tell of the processor, by parts of their names; the best ones first. Others are of
/// disks, radios and rooms.
const PROCESSOR_SENSORS: [&str; 7] = ["cpu", "x86_pkg", "coretemp", "k10temp", "soc", "acpitz", ""];
/// What a sensor may tell, in thousandths of °C; beyond it is broken.
const PLAUSIBLE_MILLIDEGREES: std::ops::RangeInclusive<i64> = -50_000..=200_000;
/// What makers of boards leave in the place of a name.
const PLACEHOLDER_MODELS: [&str; 5] = [
    "default string",
    "to be filled by o.e.m.",
    "system manufacturer",
    "system product name",
    "not specified",
];

/// How long a core has been busy and in all, in ticks since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ticks {
    busy: u64,
    all: u64,
}

/// The ticks of all cores together, and of each by its number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CpuTicks {
    total: Ticks,
    cores: Vec<(u32, Ticks)>,
}

/// A device's files, which begin at a root of their own in tests.
#[derive(Clone, Debug)]
pub(super) struct SystemFiles {
    root: PathBuf,
}

impl SystemFiles {
    pub(super) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Returns the beginning of a file, without space around it; none if it cannot be read or there
    /// is nothing in it.
    fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        let file = File::open(self.root.join(path)).ok()?;
        let mut bytes = Vec::new();
        file.take(FILE_MAX_BYTES).read_to_end(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        // The device tree's texts end with a zero.
        let text = text.trim_matches(|end: char| end.is_whitespace() || end == '\0');
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn number(&self, path: impl AsRef<Path>) -> Option<i64> {
        self.text(path)?.parse().ok()
    }

    /// Returns the directories in a directory, in order.
    fn entries(&self, folder: &str) -> Vec<PathBuf> {
        let entries = self.root.join(folder).read_dir().into_iter().flatten();
        let mut names: Vec<_> = entries
            .take(DIRECTORY_MAX_ENTRIES)
            .flatten()
            .map(|entry| Path::new(folder).join(entry.file_name()))
            .collect();
        names.sort();
        names
    }

    /// Blocks for as long as the system takes to read its files.
    pub(super) fn cpu_ticks(&self) -> Option<CpuTicks> {
        parse_stat(&self.text("proc/stat")?)
    }

    /// All but the processor's load, as `docs/protocol.md` section 13 has it. Blocks, for long if
    /// `work` is on a network's disk that does not answer.
    pub(super) fn rest(&self, work: Option<&Path>) -> Value {
        json!({
            "model": self.model(),
            "system": self.system(),
            "uptime": self.uptime(),
            "memory": self.memory(),
            "disk": work.and_then(disk),
            "temperature": self.temperature(),
            "battery": self.battery(),
            "throttled": self.throttled(),
        })
    }

    /// Returns what the board says it is, or who made the computer and what it is called there.
    fn model(&self) -> Option<String> {
        if let Some(model) = self.text("proc/device-tree/model") {
            return Some(name(&model));
        }
        let part = |file: &str| {
            let text = self.text(Path::new("sys/class/dmi/id").join(file))?;
            (!PLACEHOLDER_MODELS.contains(&text.to_ascii_lowercase().as_str())).then_some(text)
        };
        let product = part("product_name")?;
        let model = match part("sys_vendor") {
            Some(vendor) if !product.starts_with(&vendor) => format!("{vendor} {product}"),
            _ => product,
        };
        Some(name(&model))
    }

    /// `os-release(5)`
    fn system(&self) -> Option<String> {
        let text = self
            .text("etc/os-release")
            .or_else(|| self.text("usr/lib/os-release"))?;
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
        Some(name(shlex::split(value)?.first()?))
    }

    /// Whole seconds.
    fn uptime(&self) -> Option<u64> {
        let text = self.text("proc/uptime")?;
        let seconds: f64 = text.split_whitespace().next()?.parse().ok()?;
        (seconds.is_finite() && seconds >= 0.0).then_some(seconds as u64)
    }

    /// `proc_meminfo(5)`
    fn memory(&self) -> Option<Value> {
        let text = self.text("proc/meminfo")?;
        let bytes = |name: &str| -> Option<u64> {
            let mut lines = text.lines();
            let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            let kib: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
            kib.checked_mul(1024)
        };
        Some(json!({ "total": bytes("MemTotal")?, "available": bytes("MemAvailable")? }))
    }

    /// Returns the processor's temperature, in °C with one digit behind the point.
    fn temperature(&self) -> Option<f64> {
        let zones = self.entries("sys/class/thermal");
        let monitors = self.entries("sys/class/hwmon");
        let sensors: Vec<(String, i64)> = zones
            .iter()
            .map(|zone| (zone.join("type"), zone.join("temp")))
            .chain(
                monitors
                    .iter()
                    .map(|one| (one.join("name"), one.join("temp1_input"))),
            )
            .filter_map(|(name, value)| {
                let value = self
                    .number(value)
                    .filter(|value| PLAUSIBLE_MILLIDEGREES.contains(value))?;
                Some((self.text(name)?.to_ascii_lowercase(), value))
            })
            .collect();
        let thousandths = PROCESSOR_SENSORS.iter().find_map(|wanted| {
            let mut sensors = sensors.iter();
            sensors
                .find(|(name, _)| name.contains(wanted))
                .map(|(_, value)| *value)
        })?;
        Some((thousandths as f64 / 100.0).round() / 10.0)
    }

    /// Returns the first battery that is the device's own, and not a mouse's.
    fn battery(&self) -> Option<Value> {
        let supplies = self.entries("sys/class/power_supply");
        supplies.iter().find_map(|supply| {
            let is = |file: &str, text: &str| {
                self.text(supply.join(file))
                    .is_some_and(|found| found == text)
            };
            if !is("type", "Battery") || is("scope", "Device") {
                return None;
            }
            let number = |file: &str| self.number(supply.join(file));
            let part = |now: &str, full: &str| {
                let (now, full) = (number(now)?, number(full).filter(|full| *full > 0)?);
                Some(now as f64 / full as f64)
            };
            let level = number("capacity")
                .map(|percent| percent as f64 / 100.0)
                .or_else(|| part("energy_now", "energy_full"))
                .or_else(|| part("charge_now", "charge_full"))?;
            let level = thousandths(level.clamp(0.0, 1.0));
            Some(json!({ "level": level, "charging": is("status", "Charging") }))
        })
    }

    /// Returns what a Raspberry Pi's firmware holds back at the moment, and why: the lowest four
    /// bits.
    fn throttled(&self) -> Option<Value> {
        let text = self.text("sys/devices/platform/soc/soc:firmware/get_throttled")?;
        let bits = u32::from_str_radix(text.trim_start_matches("0x"), 16).ok()?;
        let is = |bit: u32| bits >> bit & 1 == 1;
        Some(json!({
            "under_voltage": is(0),
            "frequency_capped": is(1),
            "throttled": is(2),
            "temperature_limit": is(3),
        }))
    }
}

/// Space of the file system that `directory` is or would be on. The server may not be able to look
/// into a home, so the nearest directory above it counts that tells.
fn disk(folder: &Path) -> Option<Value> {
    let found = folder.ancestors().find_map(|folder| statvfs(folder).ok())?;
    let size = found.fragment_size();
    let bytes = |blocks: u64| blocks.checked_mul(size);
    let (total, free) = (bytes(found.blocks())?, bytes(found.blocks_available())?);
    // A file system of the kernel's own has no size.
    (total > 0).then(|| json!({ "total": total, "free": free }))
}

/// `proc_stat(5)`: the lines of the processor, which come first.
fn parse_stat(text: &str) -> Option<CpuTicks> {
    let mut total = None;
    let mut cores = Vec::new();
    for line in text.lines() {
        let line = line.split_once(' ').unwrap_or((line, ""));
        let (Some(number), fields) = (line.0.strip_prefix("cpu"), line.1) else {
            break;
        };
        if number.is_empty() {
            total = total.or_else(|| ticks(fields));
        } else if cores.len() < MAX_CORES {
            let core = number.parse().ok().zip(ticks(fields));
            cores.extend(core);
        }
    }
    Some(CpuTicks {
        total: total?,
        cores,
    })
}

/// user nice system idle iowait irq softirq steal; what guests take is among the first two already.
fn ticks(fields: &str) -> Option<Ticks> {
    let fields = fields.split_whitespace().take(8).map(str::parse);
    let fields: Vec<u64> = fields.collect::<Result<_, _>>().ok()?;
    let all = fields
        .iter()
        .fold(0, |sum: u64, field| sum.saturating_add(*field));
    let waiting = fields.get(4).copied().unwrap_or(0);
    let idle = fields.get(3)?.saturating_add(waiting);
    Some(Ticks {
        busy: all.saturating_sub(idle),
        all,
    })
}

impl Ticks {
    /// Returns the part of the time since `before` that was not idle, from 0 to 1; none if no time
    /// has passed. Ticks may go back a little: the kernel estimates some of them (`proc_stat(5)`).
    fn load(self, before: Self) -> Option<f64> {
        let all = self.all.checked_sub(before.all).filter(|all| *all > 0)?;
        let busy = self.busy.saturating_sub(before.busy);
        Some(thousandths((busy as f64 / all as f64).min(1.0)))
    }
}

impl CpuTicks {
    /// Load of all cores together and of each, since `before`.
    pub(super) fn load(&self, before: Option<&Self>) -> Value {
        let cores: Vec<_> = self
            .cores
            .iter()
            .map(|(number, now)| {
                let mut earlier = before?.cores.iter();
                let (_, before) = earlier.find(|(earlier, _)| earlier == number)?;
                now.load(*before)
            })
            .collect();
        json!({
            "count": self.cores.len(),
            "load": before.and_then(|before| self.total.load(before.total)),
            "cores": cores,
        })
    }
}

fn thousandths(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

/// Returns a text of the system for people: one line, not too long.
fn name(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(NAME_MAX_BYTES)
        .collect()
}

#[cfg(test)]
mod tests;
