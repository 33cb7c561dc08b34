//! The machine that is measured on, as far as it matters for the figures.

use std::fs;
use std::process::Command;

/// The machine, and when.
#[derive(Debug)]
pub(crate) struct Machine {
    /// Model of its processor.
    pub(crate) model: String,
    /// Processors.
    pub(crate) cores: usize,
    /// Memory in MiB.
    pub(crate) memory: u64,
    /// Version of the kernel.
    pub(crate) kernel: String,
    /// Name of the distribution.
    pub(crate) system: String,
    /// Whether cgroup v2 is there, with which further-link needs no process beside each program.
    pub(crate) cgroup2: bool,
    /// Processes that wanted to run in the last minute, on average: whether the machine was quiet.
    pub(crate) load: String,
    /// Day and time, UTC.
    pub(crate) date: String,
}

impl Machine {
    /// Looks around.
    pub(crate) fn look() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| -> Option<String> {
            let line = text.lines().find(|line| line.starts_with(name))?;
            let (_, value) = line.split_once([':', '='])?;
            Some(value.trim().trim_matches('"').to_owned())
        };
        let unknown = || "unknown".to_owned();
        let memory = field(&read("/proc/meminfo"), "MemTotal")
            .and_then(|text| text.split(' ').next()?.parse::<u64>().ok())
            .unwrap_or(0);
        let date = Command::new("date")
            .args(["-u", "+%Y-%m-%d %H:%M"])
            .output();
        // The release alone: what follows a dash is a builder's own name for it.
        let kernel = read("/proc/sys/kernel/osrelease");
        Self {
            model: field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(unknown),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory: memory / 1024,
            kernel: kernel
                .split('-')
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned(),
            system: field(&read("/etc/os-release"), "PRETTY_NAME").unwrap_or_else(unknown),
            cgroup2: read("/proc/self/mounts")
                .lines()
                .any(|line| line.contains(" cgroup2 ")),
            load: read("/proc/loadavg")
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_owned(),
            date: date.map_or_else(
                |_| unknown(),
                |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
            ),
        }
    }
}
