//! Sending a directory as an archive.

use super::request::FsRequest;
use crate::http::streaming_body::{self, Sender};
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use further_link_engine::{Archive, FilesError};
use http::{HeaderValue, header};
use std::io;

/// Bytes that are sent at once; what a pipe holds.
const CHUNK_BYTES: usize = 64 * 1024;
/// What the archive of the work directory itself is called.
const WORKSPACE_ARCHIVE_NAME: &str = "files";

/// Returns the answer to `?archive=zip`.
pub(super) async fn response(request: &FsRequest) -> Result<Response, FilesError> {
    let name = &request.path.name;
    let top = name
        .split()
        .map_or(WORKSPACE_ARCHIVE_NAME, |(_, last)| last);
    let archive = request.tree.archive(name.clone(), top.to_owned()).await?;
    let body = match request.is_head {
        true => Body::empty(),
        false => {
            let (sender, body) = streaming_body::body();
            tokio::spawn(send(archive, sender));
            body
        }
    };
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/zip"),
    );
    if let Ok(value) = HeaderValue::try_from(disposition(top)) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

async fn send(mut archive: Archive, sender: Sender) {
    loop {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        let chunk = match archive.read(&mut chunk).await {
            Ok(0) => return,
            Ok(_) => Ok(chunk.into()),
            Err(error) => {
                tracing::info!(%error, "an archive is broken off");
                Err(io::Error::other(error))
            }
        };
        let is_last = chunk.is_err();
        if sender.send(chunk).await.is_err() || is_last {
            return;
        }
    }
}

/// RFC 6266: the name in ASCII for old clients, and as it is.
fn disposition(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|letter| match letter {
            '"' | '\\' => '_',
            ' '..='~' => letter,
            _ => '_',
        })
        .collect();
    let mut encoded = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    format!("attachment; filename=\"{plain}.zip\"; filename*=UTF-8''{encoded}.zip")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archive_name_is_quoted() {
        assert_eq!(
            disposition("my \"robot\" 雪\r\n"),
            "attachment; filename=\"my _robot_ ___.zip\"; \
             filename*=UTF-8''my%20%22robot%22%20%E9%9B%AA%0D%0A.zip"
        );
    }
}
