//! What further-link shall reach, compared with what came out in a run.

use crate::servers::{further_link, limits, ttyd};

/// Returns the median of a figure: of a row's id, a server and a key, if it was measured.
pub(crate) type MedianOf<'a> = dyn Fn(&str, &str, &str) -> Option<f64> + 'a;

/// One target.
pub(crate) struct Target {
    /// Of what, with which dialect.
    pub(crate) what: String,
    /// The figure that is wanted.
    pub(crate) wanted: String,
    /// The figure that came.
    pub(crate) came: String,
    /// Whether that is enough.
    pub(crate) reached: bool,
}

/// Compares figures of one dialect; each closure gives what came, and what is wanted at most or at
/// least.
struct Checks<'a> {
    figure: &'a MedianOf<'a>,
    server: &'static str,
    found: Vec<Target>,
}

impl Checks<'_> {
    fn own(&self, row: &str, key: &str) -> Option<f64> {
        (self.figure)(row, self.server, key)
    }

    fn other(&self, row: &str, server: &str, key: &str) -> Option<f64> {
        (self.figure)(row, server, key)
    }

    fn add(&mut self, what: &str, wanted: String, came: String, reached: bool) {
        self.found.push(Target {
            what: format!("{}: {what}", self.server),
            wanted,
            came,
            reached,
        });
    }

    fn at_most(
        &mut self,
        what: &str,
        came: Option<f64>,
        wanted: Option<f64>,
        unit: &str,
        why: &str,
    ) {
        if let (Some(came), Some(wanted)) = (came, wanted) {
            let reached = came <= wanted;
            let wanted = format!("≤ {wanted:.2} {unit}{why}");
            self.add(what, wanted, format!("{came:.2} {unit}"), reached);
        }
    }

    fn at_least(
        &mut self,
        what: &str,
        came: Option<f64>,
        wanted: Option<f64>,
        unit: &str,
        why: &str,
    ) {
        if let (Some(came), Some(wanted)) = (came, wanted) {
            let reached = came >= wanted;
            let wanted = format!("≥ {wanted:.0} {unit}{why}");
            self.add(what, wanted, format!("{came:.0} {unit}"), reached);
        }
    }

    fn run(&mut self) {
        let (bare, tty) = (limits::BARE, ttyd::NAME);
        let times = |value: Option<f64>, factor: f64| value.map(|value| value * factor);
        for (row, what) in [("pty", "terminal"), ("pty-raw", "raw terminal")] {
            let limit = times(self.other(row, bare, "rate"), 0.8);
            let came = self.own(row, "rate");
            self.at_least(
                &format!("{what}, rate"),
                came,
                limit,
                "MB/s",
                " (0.8 of bare)",
            );
        }
        let pipe = if self.server == further_link::BINARY {
            300.0
        } else {
            100.0
        };
        self.at_least(
            "pipes, rate",
            self.own("pipe", "rate"),
            Some(pipe),
            "MB/s",
            "",
        );
        let echo = self
            .other("echo", bare, "p50")
            .zip(self.other("echo", limits::ECHO, "p50"))
            .map(|(pty, socket)| 1.3 * (pty + socket));
        let own = self.own("echo", "p50");
        self.at_most("echo, p50", own, echo, "ms", " (1.3 × (bare + ws-echo))");
        self.at_most(
            "echo, p50",
            own,
            self.other("echo", tty, "p50"),
            "ms",
            " (ttyd)",
        );
        let own = self.own("echo-flood", "p99");
        let theirs = self.other("echo-flood", tty, "p99");
        self.at_most("echo beside a flood, p99", own, theirs, "ms", " (ttyd)");
        self.at_most("echo beside a flood, p99", own, Some(5.0), "ms", "");
        for (row, what) in [("video", "video"), ("video-flood", "video and a flood")] {
            let rate = self.own(row, "rate");
            self.at_least(&format!("{what}, pictures"), rate, Some(30.0), "/s", "");
            let key = self.own(row, "p50");
            self.at_most(&format!("key beside {what}, p50"), key, Some(5.0), "ms", "");
        }
        self.at_most("Ctrl-C", self.own("ctrl-c", "ms"), Some(2.0), "ms", "");
        self.at_most(
            "Ctrl-C, slow reader",
            self.own("ctrl-c-slow", "ms"),
            Some(100.0),
            "ms",
            "",
        );
        let limit = times(self.other("new-shell", tty, "ms"), 1.2);
        self.at_most(
            "new shell",
            self.own("new-shell", "ms"),
            limit,
            "ms",
            " (1.2 × ttyd)",
        );
        for (key, what) in [
            ("output", "Python, to the output"),
            ("end", "Python, to the end"),
        ] {
            let limit = self.other("python", bare, key).map(|value| value + 3.0);
            self.at_most(what, self.own("python", key), limit, "ms", " (bare + 3 ms)");
        }
        for (key, unit) in [("p50", "ms"), ("p99", "ms"), ("cpu", "s")] {
            let theirs = self.other("sessions", tty, key);
            let own = self.own("sessions", key);
            self.at_most(
                &format!("200 sessions, {key}"),
                own,
                theirs,
                unit,
                " (ttyd)",
            );
        }
        self.at_most(
            "idle memory",
            self.own("memory", "idle_pss"),
            Some(10.0),
            "MiB PSS",
            "",
        );
        self.at_most(
            "idle memory",
            self.own("memory", "idle_rss"),
            Some(10.0),
            "MiB RSS",
            "",
        );
        self.at_most(
            "idle session",
            self.own("memory", "each_pss"),
            Some(20.0),
            "KiB PSS",
            "",
        );
        let stopped = self.own("stopped-reader", "more");
        self.at_most("stopped reader", stopped, Some(1024.0), "KiB PSS", "");
        let limit = times(self.other("deflate", tty, "offered"), 1.05);
        let own = self.own("deflate", "offered");
        self.at_most("deflate", own, limit, "kB", " (1.05 × ttyd)");
        for (key, what) in [
            ("fresh", "ready, first start"),
            ("kept", "ready, state kept"),
        ] {
            self.at_most(what, self.own("start", key), Some(20.0), "ms", "");
        }
    }
}

/// Returns the targets of both dialects whose rows were measured; `wrong` says where bytes were
/// lost.
pub(crate) fn all(figure: &MedianOf<'_>, wrong: &[String]) -> Vec<Target> {
    let mut found = Vec::new();
    for server in [further_link::JSON, further_link::BINARY] {
        let mut checks = Checks {
            figure,
            server,
            found: Vec::new(),
        };
        checks.run();
        found.append(&mut checks.found);
    }
    found.push(Target {
        what: "bytes lost or wrong, anywhere".to_owned(),
        wanted: "none".to_owned(),
        came: if wrong.is_empty() {
            "none".to_owned()
        } else {
            wrong.join("; ")
        },
        reached: wrong.is_empty(),
    });
    found
}
