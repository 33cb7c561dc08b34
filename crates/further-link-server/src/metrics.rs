//! Counters for `GET /metrics`, in Prometheus' text format.

use prometheus::{
    Encoder as _, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    TextEncoder,
};
use std::time::Duration;

/// Upper bounds of the start latency's buckets, in seconds: from a good start of a shell to a bad
/// one of a large interpreter on a small board.
const START_BUCKETS: [f64; 10] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0];

/// All metrics.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    /// Programs that run now; set when asked for.
    pub(crate) jobs: IntGauge,
    pub(crate) clients: IntGauge,
    pub(crate) starts: IntCounter,
    pub(crate) failed_starts: IntCounter,
    pub(crate) output_bytes: IntCounter,
    pub(crate) input_bytes: IntCounter,
    start_seconds: Histogram,
    refusals: IntCounterVec,
}

impl Metrics {
    pub(crate) fn new() -> prometheus::Result<Self> {
        let metrics = Self {
            registry: Registry::new(),
            jobs: IntGauge::new("further_link_jobs", "Programs that run now.")?,
            clients: IntGauge::new("further_link_clients", "WebSocket clients connected now.")?,
            starts: IntCounter::new("further_link_job_starts_total", "Programs started.")?,
            failed_starts: IntCounter::new(
                "further_link_job_start_failures_total",
                "Programs that could not be started.",
            )?,
            output_bytes: IntCounter::new(
                "further_link_output_bytes_total",
                "Bytes that programs put out and clients were sent.",
            )?,
            input_bytes: IntCounter::new(
                "further_link_input_bytes_total",
                "Bytes that clients sent to programs.",
            )?,
            start_seconds: Histogram::with_opts(
                HistogramOpts::new(
                    "further_link_job_start_seconds",
                    "Time from a client's start to the program's execution.",
                )
                .buckets(START_BUCKETS.to_vec()),
            )?,
            refusals: IntCounterVec::new(
                Opts::new(
                    "further_link_refusals_total",
                    "Requests that were turned away, by reason.",
                ),
                &["reason"],
            )?,
        };
        let registry = &metrics.registry;
        registry.register(Box::new(metrics.jobs.clone()))?;
        registry.register(Box::new(metrics.clients.clone()))?;
        registry.register(Box::new(metrics.starts.clone()))?;
        registry.register(Box::new(metrics.failed_starts.clone()))?;
        registry.register(Box::new(metrics.output_bytes.clone()))?;
        registry.register(Box::new(metrics.input_bytes.clone()))?;
        registry.register(Box::new(metrics.start_seconds.clone()))?;
        registry.register(Box::new(metrics.refusals.clone()))?;
        for reason in ["host", "origin", "connections", "jobs"] {
            metrics.refusals.with_label_values(&[reason]);
        }
        Ok(metrics)
    }

    pub(crate) fn refused(&self, reason: &str) {
        self.refusals.with_label_values(&[reason]).inc();
    }

    pub(crate) fn started(&self, latency: Duration) {
        self.starts.inc();
        self.start_seconds.observe(latency.as_secs_f64());
    }

    /// Returns the body of `GET /metrics`.
    pub(crate) fn text(&self) -> prometheus::Result<Vec<u8>> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}
