//! Watching a directory: changes as Server-Sent Events.

use super::conditions::etag_text;
use super::request::FsRequest;
use crate::http::event_stream;
use axum::body::Body;
use axum::response::sse::Event;
use axum::response::{IntoResponse as _, Response};
use further_link_engine::{Change, ChangeKind, Seen, Watch};
use futures_util::{Stream, StreamExt as _, stream};
use http::{HeaderValue, header};
use serde_json::{Value, json};

/// Returns the response to `?watch`.
pub(super) fn response(request: &FsRequest, watch: Watch) -> Response {
    if !request.is_head {
        return event_stream::response(events(watch), request.app.stopping.clone());
    }
    let mut response = Body::empty().into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    response
}

/// Returns what changes, until the directory is gone.
fn events(watch: Watch) -> impl Stream<Item = Event> + Send {
    let batches = stream::unfold(Some(watch), |watch| async {
        let mut watch = watch?;
        let events: Vec<_> = match watch.next().await {
            Ok(Seen::Changes(changes)) => changes.iter().map(change_event).collect(),
            Ok(Seen::Lost) => vec![event("overflow", &json!({}))],
            Ok(Seen::TooMany(directories)) => {
                vec![event("overflow", &json!({ "folders": directories }))]
            }
            Ok(Seen::Watching) => Vec::new(),
            Ok(Seen::Gone) | Err(_) => return Some((vec![event("gone", &json!({}))], None)),
        };
        Some((events, Some(watch)))
    });
    batches.flat_map(stream::iter)
}

/// Returns an event whose data is JSON. Line ends within strings are escaped, so it is one line.
fn event(name: &str, data: &Value) -> Event {
    Event::default().event(name).data(data.to_string())
}

fn change_event(change: &Change) -> Event {
    let kind = match change.kind {
        ChangeKind::Created => "created",
        ChangeKind::Changed => "changed",
        ChangeKind::Deleted => "deleted",
        ChangeKind::Moved => "moved",
    };
    let mut data = json!({ "path": change.path, "kind": kind, "directory": change.folder });
    if let Some(from) = &change.from {
        data["from"] = json!(from);
    }
    if let Some(version) = change.version {
        data["etag"] = json!(etag_text(version));
    }
    event("change", &data)
}
