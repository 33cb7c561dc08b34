//! Bodies as a sequence of their data.

use http_body_util::BodyExt as _;
use hyper::body::Body;

/// Returns the next data of a body, `None` at its proper end. Trailers are skipped.
pub(crate) async fn next_data<B: Body + Unpin>(body: &mut B) -> Option<Result<B::Data, B::Error>> {
    loop {
        match body.frame().await? {
            Ok(frame) => {
                if let Ok(data) = frame.into_data() {
                    return Some(Ok(data));
                }
            }
            Err(error) => return Some(Err(error)),
        }
    }
}
