//! Access control as a layer around all routes.

use super::origin::{allow_origin, allow_private_network, preflight_answer};
use crate::app::SharedApp;
use crate::http::error::HttpError;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, Method, StatusCode, header};

/// Middleware around all routes: denies requests, answers preflights, and adds the headers of CORS.
pub(crate) async fn check_access(
    State(app): State<SharedApp>,
    request: Request,
    next: Next,
) -> Response {
    let is_preflight = request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match app.access.check(request.uri(), request.headers()) {
        Err(denied) => {
            app.metrics.refused(denied.metric_reason());
            tracing::info!(?denied, path = request.uri().path(), "access denied");
            HttpError::from(denied).into_response()
        }
        Ok(origin) => {
            let preflight = is_preflight.then(|| preflight_answer(request.headers()));
            let mut response = match preflight {
                Some(headers) => {
                    let mut response = StatusCode::OK.into_response();
                    response.headers_mut().extend(headers);
                    response
                }
                None => next.run(request).await,
            };
            let headers = response.headers_mut();
            if let Some(origin) = origin {
                allow_origin(headers, origin);
            }
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
            response
        }
    };
    allow_private_network(response.headers_mut());
    response
}
