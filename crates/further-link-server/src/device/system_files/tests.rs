use super::*;
use std::fs;

/// A made-up device's files, removed when dropped.
struct Machine(PathBuf);

impl Machine {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let root =
            std::env::temp_dir().join(format!("further-link-device-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        let machine = Self(root);
        for (path, text) in files {
            machine.write(path, text);
        }
        machine
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn files(&self) -> SystemFiles {
        SystemFiles::new(&self.0)
    }

    fn tells(&self) -> Value {
        self.files().rest(None)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const MEMINFO_FILE: &str =
    "MemTotal:        3885396 kB\nMemFree:          200000 kB\nMemAvailable:    2885396 kB\n";

#[test]
fn raspberry_pi_is_described() {
    let pi = Machine::new(
        "pi",
        &[
            ("proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.2\0"),
            ("proc/uptime", "350735.47 234388.90\n"),
            ("proc/meminfo", MEMINFO_FILE),
            (
                "etc/os-release",
                "NAME=\"Debian\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
            ),
            ("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n"),
            ("sys/class/thermal/thermal_zone0/temp", "48686\n"),
            ("sys/class/thermal/cooling_device0/type", "gpio-fan\n"),
            (
                "sys/devices/platform/soc/soc:firmware/get_throttled",
                "50005\n",
            ),
        ],
    );
    assert_eq!(
        pi.tells(),
        json!({
            "model": "Raspberry Pi 4 Model B Rev 1.2",
            "system": "Debian GNU/Linux 12 (bookworm)",
            "uptime": 350_735,
            "memory": { "total": 3_885_396_u64 * 1024, "available": 2_885_396_u64 * 1024 },
            "disk": null,
            "temperature": 48.7,
            "battery": null,
            "throttled": {
                "under_voltage": true, "frequency_capped": false,
                "throttled": true, "temperature_limit": false,
            },
        })
    );
}

#[test]
fn laptop_is_described() {
    let laptop = Machine::new(
        "laptop",
        &[
            ("sys/class/dmi/id/sys_vendor", "LENOVO\n"),
            ("sys/class/dmi/id/product_name", "20XW\n"),
            ("usr/lib/os-release", "PRETTY_NAME='An OS'\n"),
            ("sys/class/thermal/thermal_zone0/type", "acpitz\n"),
            ("sys/class/thermal/thermal_zone0/temp", "20000\n"),
            ("sys/class/thermal/thermal_zone1/type", "iwlwifi_1\n"),
            ("sys/class/thermal/thermal_zone1/temp", "70000\n"),
            ("sys/class/thermal/thermal_zone2/type", "x86_pkg_temp\n"),
            ("sys/class/thermal/thermal_zone2/temp", "51000\n"),
            ("sys/class/power_supply/AC/type", "Mains\n"),
            ("sys/class/power_supply/hid-1-battery/type", "Battery\n"),
            ("sys/class/power_supply/hid-1-battery/scope", "Device\n"),
            ("sys/class/power_supply/hid-1-battery/capacity", "5\n"),
            ("sys/class/power_supply/BAT0/type", "Battery\n"),
            ("sys/class/power_supply/BAT0/capacity", "83\n"),
            ("sys/class/power_supply/BAT0/status", "Charging\n"),
        ],
    );
    let tells = laptop.tells();
    assert_eq!(tells["model"], "LENOVO 20XW");
    assert_eq!(tells["system"], "An OS");
    assert_eq!(tells["temperature"], 51.0);
    assert_eq!(tells["battery"], json!({ "level": 0.83, "charging": true }));
    assert_eq!(tells["throttled"], Value::Null);

    // Without a percentage, what it holds of what it can.
    fs::remove_file(laptop.0.join("sys/class/power_supply/BAT0/capacity")).unwrap();
    assert_eq!(laptop.tells()["battery"], Value::Null);
    laptop.write("sys/class/power_supply/BAT0/charge_now", "1000");
    laptop.write("sys/class/power_supply/BAT0/charge_full", "0");
    assert_eq!(laptop.tells()["battery"], Value::Null);
    laptop.write("sys/class/power_supply/BAT0/charge_full", "3000");
    laptop.write("sys/class/power_supply/BAT0/status", "Discharging");
    assert_eq!(
        laptop.tells()["battery"],
        json!({ "level": 0.333, "charging": false })
    );
}

#[test]
fn other_sensors_are_read() {
    let desktop = Machine::new(
        "desktop",
        &[
            ("sys/class/dmi/id/product_name", "System Product Name\n"),
            ("sys/class/hwmon/hwmon0/name", "nvme\n"),
            ("sys/class/hwmon/hwmon0/temp1_input", "33000\n"),
            ("sys/class/hwmon/hwmon1/name", "k10temp\n"),
            ("sys/class/hwmon/hwmon1/temp1_input", "-1500\n"),
        ],
    );
    let tells = desktop.tells();
    assert_eq!(tells["model"], Value::Null);
    assert_eq!(tells["temperature"], -1.5);
    // What is broken is as if it was not there.
    desktop.write("sys/class/hwmon/hwmon1/temp1_input", "127000000");
    assert_eq!(desktop.tells()["temperature"], 33.0);
}

#[test]
fn missing_or_invalid_files_are_omitted() {
    let nothing = json!({
        "model": null, "system": null, "uptime": null, "memory": null, "disk": null,
        "temperature": null, "battery": null, "throttled": null,
    });
    let empty = Machine::new("empty", &[]);
    assert_eq!(empty.tells(), nothing);
    assert_eq!(empty.files().cpu_ticks(), None);
    let paths = [
        "proc/device-tree/model",
        "sys/class/dmi/id/product_name",
        "proc/uptime",
        "proc/meminfo",
        "proc/stat",
        "etc/os-release",
        "sys/class/thermal/thermal_zone0/temp",
        "sys/class/thermal/thermal_zone0/type",
        "sys/class/power_supply/BAT0/type",
        "sys/class/power_supply/BAT0/capacity",
        "sys/devices/platform/soc/soc:firmware/get_throttled",
    ];
    for text in ["", "\n", "\0", "\0\n\0"] {
        for path in paths {
            empty.write(path, text);
        }
        assert_eq!(empty.tells(), nothing, "{text:?}");
        assert_eq!(empty.files().cpu_ticks(), None, "{text:?}");
    }
    for text in [
        "MemTotal: x kB",
        "MemTotal: 99999999999999999999999 kB\nMemAvailable: 1 kB",
        "MemTotal: 18446744073709551615 kB\nMemAvailable: 1 kB",
        "MemTotal: 5\nMemAvailable: 5",
        "MemTotal:\nMemAvailable:",
        "PRETTY_NAME=\"open",
        "PRETTY_NAME=",
        "NaN",
        "-1",
        "inf",
        "1e400",
        "cpu",
        "cpu 1 2 3",
        "cpu a b c d",
        "cpux 1 2 3 4",
        "cpu 99999999999999999999 1 1 1",
        "\u{fffd}",
    ] {
        for path in paths
            .iter()
            .filter(|path| !path.ends_with("model") && !path.ends_with("product_name"))
        {
            empty.write(path, text);
        }
        empty.write("sys/class/power_supply/BAT0/type", "Battery");
        let mut tells = empty.tells();
        if text == "-1" {
            // A battery's level and a temperature are numbers, if odd ones.
            tells["battery"] = Value::Null;
            tells["temperature"] = Value::Null;
        }
        if text == "1e400" {
            // A hexadecimal number, too.
            tells["throttled"] = Value::Null;
        }
        let mut wanted = nothing.clone();
        wanted["model"] = tells["model"].clone();
        assert_eq!(tells, wanted, "{text:?}");
        assert_eq!(empty.files().cpu_ticks(), None, "{text:?}");
    }
    // Not even files.
    let folders = Machine::new("folders", &[]);
    for path in paths {
        fs::create_dir_all(folders.0.join(path)).unwrap();
    }
    assert_eq!(folders.tells(), nothing);
}

#[test]
fn long_and_binary_files_are_bounded() {
    let odd = Machine::new("odd", &[]);
    odd.write(
        "proc/device-tree/model",
        [b"Board\n\x1b[31m\xff".as_slice(), &[b'x'; 10_000_000]].concat(),
    );
    let model = odd.tells()["model"].as_str().unwrap().to_owned();
    assert!(model.starts_with("Board[31m\u{fffd}xxx"), "{model}");
    assert_eq!(model.chars().count(), NAME_MAX_BYTES);
    let text = odd.files().text("proc/device-tree/model").unwrap();
    assert!(text.len() < 2 * FILE_MAX_BYTES as usize, "{}", text.len());
    for number in 0..1000 {
        odd.write(&format!("sys/class/thermal/thermal_zone{number}/type"), "x");
    }
    assert_eq!(
        odd.files().entries("sys/class/thermal").len(),
        DIRECTORY_MAX_ENTRIES
    );
}

const STAT_FILE_BEFORE: &str = "cpu  100 0 100 800 0 0 0 0 0 0\n\
    cpu0 50 0 50 400 0 0 0 0 0 0\n\
    cpu2 50 0 50 400 0 0 0 0 0 0\n\
    intr 1 2 3\nctxt 5\n";

#[test]
fn load_covers_time_between_samples() {
    let before = parse_stat(STAT_FILE_BEFORE).unwrap();
    // Of 200 ticks, 50 were busy; waiting for a disk is not busy. A core came back.
    let after = "cpu  150 0 100 900 50 0 0 0 0 0\n\
        cpu0 100 0 50 450 0 0 0 0 0 0\n\
        cpu1 5 0 5 5 5 0 0 0 0 0\n\
        cpu2 50 0 50 450 50 0 0 0 0 0\n";
    let after = parse_stat(after).unwrap();
    assert_eq!(
        after.load(Some(&before)),
        json!({ "count": 3, "load": 0.25, "cores": [0.5, null, 0.0] })
    );
    assert_eq!(
        after.load(None),
        json!({ "count": 3, "load": null, "cores": [null, null, null] })
    );
    // No time has passed, or ticks went back.
    assert_eq!(before.load(Some(&before))["load"], Value::Null);
    assert_eq!(before.load(Some(&after))["load"], Value::Null);
    // The time that a core waits for disks may become less (proc_stat(5)).
    let [before, after] = ["cpu 100 0 0 800 50", "cpu 200 0 0 800 20"].map(parse_stat);
    assert_eq!(after.unwrap().load(before.as_ref())["load"], 1.0);
    let before = parse_stat(STAT_FILE_BEFORE).unwrap();
    let most = format!("cpu {0} {0} {0} {0} {0} {0} {0} {0}\n", u64::MAX);
    let most = parse_stat(&most).unwrap();
    assert_eq!(most.load(Some(&before))["load"], 0.0);
}

#[test]
fn cores_are_bounded() {
    let mut text = "cpu 1 1 1 1\n".to_owned();
    for number in 0..5000 {
        text += &format!("cpu{number} 1 1 1 1\n");
    }
    assert_eq!(parse_stat(&text).unwrap().cores.len(), MAX_CORES);
    // A beginning is enough, wherever it ends.
    for end in 0..STAT_FILE_BEFORE.len() {
        let ticks = parse_stat(&STAT_FILE_BEFORE[..end]);
        assert_eq!(ticks.is_some(), end >= "cpu  100 0 100 8".len(), "{end}");
    }
}

#[test]
fn disk_is_that_of_nearest_existing_directory() {
    let there = disk(Path::new("/")).unwrap();
    assert!(there["total"].as_u64() >= there["free"].as_u64());
    let missing = disk(Path::new("/no/such/folder")).unwrap();
    assert_eq!(missing["total"], there["total"]);
    assert_eq!(disk(Path::new("/proc/self")), None);
    assert_eq!(disk(Path::new("")), None);
}

proptest::proptest! {
    /// Whatever stands in the files.
    #[test]
    fn load_is_between_0_and_1(
        before in proptest::collection::vec(proptest::num::u64::ANY, 4..9),
        after in proptest::collection::vec(proptest::num::u64::ANY, 4..9),
    ) {
        let line = |fields: &[u64]| {
            let words: Vec<_> = fields.iter().map(u64::to_string).collect();
            parse_stat(&format!("cpu {}\n", words.join(" "))).unwrap()
        };
        let load = line(&after).load(Some(&line(&before)))["load"].as_f64();
        proptest::prop_assert!(load.is_none_or(|load| (0.0..=1.0).contains(&load)));
    }

    #[test]
    fn arbitrary_stat_file_is_survived(text in "(cpu|cpu[0-9]{0,12}| |[0-9]{1,25}|\\PC|\n){0,40}") {
        let _ = parse_stat(&text);
    }
}
