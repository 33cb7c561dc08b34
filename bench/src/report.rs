//! The results, for people (`RESULTS.md`) and for programs (`results.json`).

use crate::machine::Machine;
use crate::rows::{Outcome, Row};
use crate::servers::{further_link, limits, ttyd};
use crate::targets;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// One row, measured.
pub(crate) struct Measured {
    /// The row.
    pub(crate) row: Row,
    /// How many rounds.
    pub(crate) rounds: usize,
    /// How long it took.
    pub(crate) seconds: f64,
    /// Who took part.
    pub(crate) servers: Vec<&'static str>,
    /// What each of them came to.
    pub(crate) outcomes: Vec<Outcome>,
}

impl Measured {
    /// What a server came to.
    pub(crate) fn outcome(&self, server: &str) -> Option<&Outcome> {
        let at = self.servers.iter().position(|name| *name == server)?;
        self.outcomes.get(at)
    }
}

/// A whole run.
pub(crate) struct Report {
    /// Where.
    pub(crate) machine: Machine,
    /// Which servers, and their versions.
    pub(crate) versions: Vec<(&'static str, String)>,
    /// Which servers not, and why.
    pub(crate) missing: Vec<String>,
    /// Less of everything.
    pub(crate) quick: bool,
    /// All rows and servers.
    pub(crate) whole: bool,
    /// How long it took.
    pub(crate) seconds: f64,
    /// The rows.
    pub(crate) measured: Vec<Measured>,
}

fn number(value: f64, digits: usize) -> String {
    format!("{value:.digits$}")
}

/// Figures of each row that are in the table of all rows.
const BRIEF_COLUMNS_MAX: usize = 3;

/// A cell: the first figures of a row, or why there are none.
fn brief(measured: &Measured, server: &str) -> String {
    let Some(outcome) = measured.outcome(server) else {
        return String::new();
    };
    if !outcome.failures.is_empty() {
        return if outcome.wrong {
            "**bytes lost**"
        } else {
            "failed"
        }
        .to_owned();
    }
    let figures: Vec<String> = measured
        .row
        .columns
        .iter()
        .take(BRIEF_COLUMNS_MAX)
        .map(|column| {
            let value = outcome.median(column.key);
            value.map_or_else(|| "–".to_owned(), |value| number(value, column.digits))
        })
        .collect();
    figures.join(" / ")
}

/// A row on its own, as Markdown.
pub(crate) fn section(measured: &Measured) -> String {
    let row = &measured.row;
    let mut text = format!("### {} (`{}`)\n\n{}\n\n", row.title, row.id, row.how);
    let baseline = |server: &str| {
        let key = row.columns.first()?.key;
        measured.outcome(server)?.median(key)
    };
    text.push_str("| |");
    for column in row.columns {
        let _ = write!(text, " {} |", column.label);
    }
    let compared = [(limits::BARE, "÷ bare"), (ttyd::NAME, "÷ ttyd")];
    let compared: Vec<_> = compared
        .into_iter()
        .filter_map(|(server, label)| Some((baseline(server)?, label)))
        .collect();
    for (_, label) in &compared {
        let _ = write!(text, " {label} |");
    }
    text.push_str("\n| --- |");
    for _ in 0..row.columns.len() + compared.len() {
        text.push_str(" ---: |");
    }
    text.push('\n');
    for (server, outcome) in measured.servers.iter().zip(&measured.outcomes) {
        let _ = write!(text, "| {server} |");
        for column in row.columns {
            let cell = outcome.median(column.key);
            let cell = cell.map_or_else(String::new, |value| number(value, column.digits));
            let _ = write!(text, " {cell} |");
        }
        for (base, _) in &compared {
            let value = row
                .columns
                .first()
                .and_then(|first| outcome.median(first.key));
            let cell = value.map_or_else(String::new, |value| number(value / base, 2));
            let _ = write!(text, " {cell} |");
        }
        text.push('\n');
    }
    for (server, outcome) in measured.servers.iter().zip(&measured.outcomes) {
        for failure in &outcome.failures {
            let _ = write!(text, "\n{server}: {failure}\n");
        }
    }
    text
}

impl Report {
    /// The row of this name, if it was measured.
    pub(crate) fn row(&self, id: &str) -> Option<&Measured> {
        self.measured.iter().find(|measured| measured.row.id == id)
    }

    /// The median of a figure.
    pub(crate) fn figure(&self, row: &str, server: &str, key: &str) -> Option<f64> {
        self.row(row)?.outcome(server)?.median(key)
    }

    /// Where further-link has lost or changed bytes. (What others lose stands in their rows.)
    pub(crate) fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for measured in &self.measured {
            for (server, outcome) in measured.servers.iter().zip(&measured.outcomes) {
                if outcome.wrong && server.starts_with(further_link::JSON) {
                    let failures = outcome.failures.join("; ");
                    wrong.push(format!("{}, {server}: {failures}", measured.row.id));
                }
            }
        }
        wrong
    }

    fn all_targets(&self) -> Vec<targets::Target> {
        targets::all(
            &|row, server, key| self.figure(row, server, key),
            &self.wrong(),
        )
    }

    /// The targets, as Markdown.
    pub(crate) fn targets(&self) -> String {
        let mut text =
            String::from("| target | wanted | came | reached |\n| --- | --- | --- | --- |\n");
        for target in self.all_targets() {
            let reached = if target.reached { "yes" } else { "**no**" };
            let _ = writeln!(
                text,
                "| {} | {} | {} | {reached} |",
                target.what, target.wanted, target.came
            );
        }
        text
    }

    /// `RESULTS.md`.
    pub(crate) fn markdown(&self) -> String {
        let machine = &self.machine;
        let mut text = format!(
            "# Results\n\nWritten by `make bench` on {} UTC; do not edit. [README.md](README.md) says how it is measured.\n\n\
             {} cores of {}, {} MiB, Linux {}, {}, {}. {} run of {:.0} s. \
             Load of the machine before it: {}.\n\n",
            machine.date,
            machine.cores,
            machine.model,
            machine.memory,
            machine.kernel,
            machine.system,
            if machine.cgroup2 {
                "cgroup v2"
            } else {
                "no cgroup v2, so further-link has a supervisor process for each program"
            },
            if self.quick { "A quick" } else { "A full" },
            self.seconds,
            machine.load,
        );
        text.push_str("| | what was measured |\n| --- | --- |\n");
        for (name, version) in &self.versions {
            let _ = writeln!(text, "| {name} | {version} |");
        }
        for missing in &self.missing {
            let _ = write!(text, "\nLeft out: {missing}.\n");
        }
        text.push_str(
            "\nAll figures are medians of the rounds, and in each round the servers take turns. Absolute figures move from machine to \
             machine, and on a noisy one from run to run; the ratios to `bare` (the same program without a server), `ws-echo` (a \
             WebSocket without a program) and ttyd move less. Client, server and program share the cores, so a rate is what all three \
             together reach. Every byte was checked.\n\n## Targets\n\n",
        );
        text.push_str(&self.targets());
        text.push_str("\n## All rows\n\n| |");
        for (name, _) in &self.versions {
            let _ = write!(text, " {name} |");
        }
        text.push_str("\n| --- |");
        text.push_str(&" --- |".repeat(self.versions.len()));
        text.push('\n');
        for measured in &self.measured {
            let labels: Vec<&str> = measured
                .row
                .columns
                .iter()
                .take(BRIEF_COLUMNS_MAX)
                .map(|c| c.label)
                .collect();
            let _ = write!(text, "| {}: {} |", measured.row.title, labels.join(" / "));
            for (name, _) in &self.versions {
                let _ = write!(text, " {} |", brief(measured, name));
            }
            text.push('\n');
        }
        text.push_str("\n## Row by row\n");
        for measured in &self.measured {
            let _ = write!(
                text,
                "\n{}\n{} rounds, {:.0} s.\n",
                section(measured),
                measured.rounds,
                measured.seconds
            );
        }
        text
    }

    /// `results.json`.
    pub(crate) fn json(&self) -> Value {
        let rows: Map<String, Value> = self
            .measured
            .iter()
            .map(|measured| {
                let servers: Map<String, Value> = measured
                    .servers
                    .iter()
                    .zip(&measured.outcomes)
                    .map(|(server, outcome)| {
                        let medians: Map<String, Value> = outcome
                            .rounds
                            .keys()
                            .filter_map(|key| {
                                Some(((*key).to_owned(), json!(outcome.median(key)?)))
                            })
                            .collect();
                        let value = json!({
                            "medians": medians,
                            "rounds": outcome.rounds,
                            "failures": outcome.failures,
                        });
                        ((*server).to_owned(), value)
                    })
                    .collect();
                (measured.row.id.to_owned(), Value::Object(servers))
            })
            .collect();
        let targets: Vec<Value> = self
            .all_targets()
            .into_iter()
            .map(|target| {
                json!({
                    "target": target.what,
                    "wanted": target.wanted,
                    "came": target.came,
                    "reached": target.reached,
                })
            })
            .collect();
        let machine = &self.machine;
        json!({
            "date": machine.date,
            "quick": self.quick,
            "seconds": self.seconds,
            "machine": {
                "cores": machine.cores,
                "model": machine.model,
                "memory_mib": machine.memory,
                "kernel": machine.kernel,
                "system": machine.system,
                "cgroup2": machine.cgroup2,
                "load_before": machine.load,
            },
            "versions": self.versions.iter().map(|(name, version)| ((*name).to_owned(), json!(version))).collect::<Map<_, _>>(),
            "missing": self.missing,
            "measured": [further_link::JSON, further_link::BINARY],
            "targets": targets,
            "rows": rows,
        })
    }
}
