//! Plain HTTP: the routes and what the short ones answer, bodies in both directions, errors.

pub(crate) mod apt;
pub(crate) mod body_data;
pub(crate) mod error;
pub(crate) mod event_stream;
pub(crate) mod query;
pub(crate) mod request_body;
pub(crate) mod routes;
pub(crate) mod streaming_body;
pub(crate) mod upload;
pub(crate) mod upload_queues;
