//! A directory's content as JSON, as CircuitPython's web workflow has it.

use super::conditions::etag_text;
use super::error::task_error;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use further_link_engine::{Entry, FilesError, Folder, Kind};
use http::{HeaderValue, header};
use serde_json::{Map, Value, json};

/// Entries up to which the text is made at once. More are serialized on the blocking pool: keys and
/// output of programs would wait for it.
const INLINE_ENTRIES_MAX: usize = 256;

/// Returns the answer to a request for a directory.
pub(super) async fn response(folder: Folder, head: bool) -> Result<Response, FilesError> {
    let text = match folder.entries.len() > INLINE_ENTRIES_MAX {
        true => tokio::task::spawn_blocking(move || text(&folder))
            .await
            .map_err(|error| task_error(&error))?,
        false => text(&folder),
    };
    let length = HeaderValue::from(text.len());
    let body = match head {
        true => Body::empty(),
        false => Body::from(text),
    };
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CONTENT_LENGTH, length);
    Ok(response)
}

/// Entry by entry, so that a long list is not in memory as values too.
fn text(folder: &Folder) -> String {
    let state = folder.state;
    let mut text = format!(
        r#"{{"free":{},"total":{},"block_size":{},"writable":{},"path":{}"#,
        state.free,
        state.total,
        state.block_size,
        state.writable,
        json!(folder.path)
    );
    if state.truncated {
        text.push_str(r#","truncated":true"#);
    }
    text.push_str(r#","files":["#);
    for (index, entry) in folder.entries.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(&value(entry).to_string());
    }
    text.push_str("]}");
    text
}

fn value(entry: &Entry) -> Value {
    let mut value = Map::new();
    value.insert("name".to_owned(), json!(entry.name));
    let is_folder = entry.kind == Kind::Folder;
    value.insert("directory".to_owned(), json!(is_folder));
    value.insert("modified_ns".to_owned(), json!(entry.modified_ns));
    value.insert("file_size".to_owned(), json!(entry.size));
    if let Some(version) = entry.version {
        value.insert("etag".to_owned(), json!(etag_text(version)));
    }
    if let Some(link) = &entry.link {
        value.insert("link".to_owned(), json!(link));
    }
    match entry.kind {
        Kind::File | Kind::Folder => {}
        Kind::Special => {
            value.insert("special".to_owned(), json!(true));
        }
        Kind::Astray => {
            value.insert("broken".to_owned(), json!(true));
        }
    }
    Value::Object(value)
}
