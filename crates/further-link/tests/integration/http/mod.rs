//! Plain HTTP: routes, access, the page, `/device`, TLS.

mod device;
mod page;
mod routes;
mod tls;
