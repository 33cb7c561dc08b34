//! Server-Sent Events (HTML, section 9.2), as far as all streams of them are alike.

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::{Stream, StreamExt as _, stream};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::watch;

/// How long a client waits before it reconnects.
const RECONNECT_DELAY: Duration = Duration::from_secs(2);
/// How long a stream may be silent. Then a comment is sent, for proxies that close idle
/// connections, and to notice that the client is gone.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// Returns a response that sends `events` until they end or the server is stopping.
pub(crate) fn response(
    events: impl Stream<Item = Event> + Send + 'static,
    mut stopping: watch::Receiver<bool>,
) -> Response {
    let retry = Event::default().retry(RECONNECT_DELAY);
    let stopped = async move {
        let _ = stopping.wait_for(|stopping| *stopping).await;
    };
    let events = stream::iter([retry])
        .chain(events.take_until(stopped))
        .map(Ok::<_, Infallible>);
    Sse::new(events)
        .keep_alive(KeepAlive::new().interval(KEEPALIVE_INTERVAL))
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    #[tokio::test(start_paused = true)]
    async fn stream_begins_with_retry_and_ends_when_server_stops() {
        let (stop, stopping) = watch::channel(false);
        let event = Event::default().event("change").data("{}");
        let events = stream::iter([event]).chain(stream::pending());
        let body = response(events, stopping).into_body();
        tokio::spawn(async move {
            tokio::time::sleep(KEEPALIVE_INTERVAL + Duration::from_secs(1)).await;
            stop.send_replace(true);
        });
        let bytes = body.collect().await.unwrap().to_bytes();
        assert_eq!(bytes, "retry: 2000\n\nevent: change\ndata: {}\n\n:\n\n");
    }
}
