//! Telling a client what changes, as Server-Sent Events (HTML, section 9.2).

use super::conditions::etag_text;
use super::request::FsRequest;
use crate::http::streaming_body::{self, Sender};
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use further_link_engine::{Change, ChangeKind, Seen, Watch};
use http::{HeaderValue, header};
use serde_json::json;
use std::fmt::Write as _;
use std::time::Duration;
use tokio::sync::watch;

/// How long nothing is said. Then a comment is, for those on the way who end idle connections, and to notice that nobody is
/// there any more.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// What begins the stream: how long a client waits before it connects again, in milliseconds. It has to list again then.
const SSE_PREAMBLE: &str = "retry: 2000\n\n";

/// The answer to `?watch`.
pub(super) fn response(request: &FsRequest, watch: Watch) -> Response {
    let body = match request.is_head {
        true => Body::empty(),
        false => {
            let (sender, body) = streaming_body::body();
            tokio::spawn(tell(watch, sender, request.app.stopping.clone()));
            body
        }
    };
    let mut response = body.into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    response
}

async fn tell(mut watch: Watch, sender: Sender, mut ending: watch::Receiver<bool>) {
    let mut text = SSE_PREAMBLE.to_owned();
    loop {
        if sender.send(Ok(text.into())).await.is_err() {
            return;
        }
        let seen = tokio::select! {
            seen = watch.next() => seen,
            () = tokio::time::sleep(KEEPALIVE_INTERVAL) => {
                text = ":\n\n".to_owned();
                continue;
            }
            () = sender.closed() => return,
            _ = ending.wait_for(|ending| *ending) => return,
        };
        text = match seen {
            Ok(Seen::Changes(changes)) => changes.iter().map(event).collect(),
            Ok(Seen::Lost) => "event: overflow\ndata: {}\n\n".to_owned(),
            Ok(Seen::TooMany(folders)) => {
                format!(
                    "event: overflow\ndata: {}\n\n",
                    json!({ "folders": folders })
                )
            }
            Ok(Seen::Watching) => String::new(),
            Ok(Seen::Gone) | Err(_) => {
                let _ = sender.send(Ok("event: gone\ndata: {}\n\n".into())).await;
                return;
            }
        };
    }
}

fn event(change: &Change) -> String {
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
    let mut text = String::new();
    // Line ends within strings are escaped, so this is one line.
    let _ = write!(text, "event: change\ndata: {data}\n\n");
    text
}
