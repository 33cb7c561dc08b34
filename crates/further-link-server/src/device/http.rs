//! `GET /device`.

use super::sampler::{ServerInfo, Watcher};
use crate::access::fetch_metadata::is_cross_site_embed;
use crate::app::SharedApp;
use crate::http::error::HttpError;
use crate::http::event_stream;
use crate::http::query::QueryString;
use axum::extract::State;
use axum::response::sse::Event;
use axum::response::{IntoResponse as _, Response};
use futures_util::{Stream, stream};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use std::sync::Arc;
use std::time::Duration;

/// How long a request for one sample waits. Only a disk that does not answer takes as long.
const SAMPLE_TIMEOUT: Duration = Duration::from_secs(5);

/// Answers `GET /device`: with events if `?watch` or `Accept: text/event-stream` asks for them.
pub(crate) async fn answer(
    State(app): State<SharedApp>,
    query: QueryString,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    if is_cross_site_embed(&headers) {
        return Err(HttpError::new(
            StatusCode::FORBIDDEN,
            "Pages of other sites may not embed this.",
        ));
    }
    let account = app.engine.account(None).await.ok();
    let work = account.map(|account| app.engine.work_dir(&account));
    let known = Arc::clone(&app);
    let server_info = move || ServerInfo {
        version: known.settings.version.clone(),
        programs: known.engine.active_jobs(),
        work: work.clone(),
    };
    let mut watcher = app.device.watch(server_info).ok_or_else(|| {
        HttpError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many are watching this device at the moment.",
        )
        .with_header(header::RETRY_AFTER, "10")
    })?;
    let (kind, mut response) = if wants_events(&query, &headers) {
        let response = event_stream::response(events(watcher), app.stopping.clone());
        ("text/event-stream", response)
    } else {
        let complete = watcher
            .samples
            .wait_for(|sample| sample.as_ref().is_some_and(|sample| sample.is_complete));
        // Rather one without the load than none.
        let _ = tokio::time::timeout(SAMPLE_TIMEOUT, complete).await;
        let sample = watcher.samples.borrow().clone().ok_or_else(|| {
            HttpError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "The device does not tell how it is: something on it, perhaps a disk, does not answer.",
            )
            .with_header(header::RETRY_AFTER, "10")
        })?;
        ("application/json", sample.json.to_string().into_response())
    };
    let fixed = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::VARY, "Accept"),
    ];
    for (name, value) in fixed {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

fn wants_events(query: &QueryString, headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(header::ACCEPT).iter().any(|value| {
        let mut kinds = value.to_str().unwrap_or_default().split(',');
        kinds.any(|kind| {
            let kind = kind.split(';').next().unwrap_or_default();
            kind.trim().eq_ignore_ascii_case("text/event-stream")
        })
    });
    query.switch("watch").unwrap_or(accepts)
}

/// Returns the samples as events. A client that is slow gets the newest one when it is ready for
/// it.
fn events(watcher: Watcher) -> impl Stream<Item = Event> + Send {
    stream::unfold(watcher, |mut watcher| async {
        let sample = watcher.next().await?;
        let event = Event::default().event("device").data(sample.json);
        Some((event, watcher))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_or_accept_header_asks_for_events() {
        let wants = |query: &[&str], accept: &[&'static str]| {
            let query = QueryString::parse(Some(&query.join("&")));
            let mut headers = HeaderMap::new();
            for value in accept {
                headers.append(header::ACCEPT, HeaderValue::from_static(value));
            }
            wants_events(&query, &headers)
        };
        assert!(wants(&[], &["text/event-stream"]));
        assert!(wants(
            &[],
            &["application/json", "a/b , TEXT/event-stream;q=1"]
        ));
        assert!(wants(&["watch"], &[]));
        assert!(wants(&["x=1", "watch=1"], &["application/json"]));
        assert!(!wants(&[], &[]));
        assert!(!wants(&[], &["*/*", "text/*", "text/event-streams"]));
        assert!(!wants(&["watch=0"], &["text/event-stream"]));
        assert!(!wants(&["watch=false"], &[]));
    }
}
