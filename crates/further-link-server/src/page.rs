//! The page that the server brings along, embedded.

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, header};

/// Nothing comes from elsewhere, nothing runs that is not one of the files below, and no other site
/// can put the page into a frame.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'";

/// One file of the page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageFile {
    pub(crate) path: &'static str,
    content_type: &'static str,
    content: &'static str,
}

/// All files of the page, by the path that they are served at.
pub(crate) const FILES: [PageFile; 4] = [
    PageFile {
        path: "/",
        content_type: "text/html; charset=utf-8",
        content: include_str!("../../../web/first/index.html"),
    },
    PageFile {
        path: "/first.css",
        content_type: "text/css; charset=utf-8",
        content: include_str!("../../../web/first/first.css"),
    },
    PageFile {
        path: "/first.js",
        content_type: "text/javascript; charset=utf-8",
        content: include_str!("../../../web/first/first.js"),
    },
    PageFile {
        path: "/first.svg",
        content_type: "image/svg+xml",
        content: include_str!("../../../web/first/first.svg"),
    },
];

impl IntoResponse for PageFile {
    fn into_response(self) -> Response {
        let mut response = self.content.into_response();
        let fixed: [(HeaderName, &'static str); 5] = [
            (header::CONTENT_TYPE, self.content_type),
            (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::CACHE_CONTROL, "no-cache"),
        ];
        for (name, value) in fixed {
            response
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        response
    }
}
