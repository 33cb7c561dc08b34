//! The WebSocket dialect: a shell for each connection, which ends with it.

use super::app::{Shared, start_shell};
use super::auth::Client;
use super::output::{OutputReader, ReadOutcome};
use super::query::TerminalQuery;
use super::sessions::{NewSession, Session, SessionId};
use crate::http::error::HttpError;
use crate::http::routes::upgrade;
use crate::websocket::connection::{self, Handler, SendCredit, WRITE_BATCH_BYTES};
use crate::websocket::frames::Frames;
use crate::websocket::outbox::Outbox;
use crate::websocket::{Reader, Received, Writer, is_upgrade};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use further_link_engine::InputRefused;
use further_link_protocol::CloseCode;
use further_link_protocol::wire::{read_terminal_input, write_terminal_output};
use http::StatusCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Bytes of output in one message, at most, so that nothing waits behind it for long.
const OUTPUT_MESSAGE_MAX_BYTES: usize = 16 * 1024;
/// Bytes that are read from the program in advance: for slow clients, and for quick ones.
const READ_AHEAD_BYTES: std::ops::RangeInclusive<usize> = 16 * 1024..=32 * 1024;

/// Messages of ours that wait to be sent, at most.
const NOTICE_QUEUE_MAX_COUNT: usize = 1;

/// Answers everything on the WebSocket port, and upgrades on the other one.
pub(super) async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let client = match Client::of(shared.settings.token.as_deref(), request.headers()) {
        Ok(client) => client,
        Err(error) => return error.into_response(),
    };
    let mut response = match open(&shared, client, request) {
        Ok(response) => response,
        Err(error) => error.into_response(),
    };
    client.set_cookie(response.headers_mut());
    response
}

fn open(shared: &Arc<Shared>, client: Client, request: Request) -> Result<Response, HttpError> {
    if request.uri().path() != "/" {
        let detail = "The terminal's WebSocket is at the path /.";
        return Err(HttpError::new(StatusCode::NOT_FOUND, detail));
    }
    // Browsers say `Origin` with every upgrade, so the gate has seen all that there is to see.
    let query = TerminalQuery::parse(request.uri().query())?;
    if is_upgrade(request.headers()) {
        shared.sessions.has_room(&client)?;
    }
    let app = Arc::clone(&shared.app);
    let shared = Arc::clone(shared);
    Ok(upgrade(app, request, None, move |_, io| {
        run(shared, client, query, io)
    }))
}

/// Carries one client until it is gone or the shell has ended.
async fn run(shared: Arc<Shared>, client: Client, query: TerminalQuery, io: (Reader, Writer)) {
    let wake = Arc::new(Notify::new());
    let notices = Outbox::new(NOTICE_QUEUE_MAX_COUNT, Arc::clone(&wake));
    let opened = match open_session(&shared, client, &query, &wake).await {
        Ok(opened) => Some(opened),
        Err(sentence) => {
            let _ = notices.try_push(format!("{sentence}\r\n"));
            None
        }
    };
    let (session, output) = opened.unzip();
    let terminal = Terminal {
        shared: Arc::clone(&shared),
        session,
        out: Mutex::new(Out {
            output,
            over: false,
            scratch: String::new(),
        }),
        notices,
        killed: AtomicBool::new(false),
    };
    let watch_end = async {
        if let Some(session) = &terminal.session {
            session.ended().await;
            terminal.killed.store(true, Ordering::Relaxed);
            wake.notify_one();
        }
        std::future::pending().await
    };
    connection::run(&shared.app, &terminal, &wake, watch_end, io).await;
    if let Some(session) = &terminal.session {
        shared.sessions.remove(session);
    }
}

async fn open_session(
    shared: &Shared,
    client: Client,
    query: &TerminalQuery,
    wake: &Arc<Notify>,
) -> Result<(Arc<Session>, OutputReader), String> {
    let account = shared.account().await.map_err(|error| error.to_string())?;
    let too_many = |_| "There are as many terminals as there may be.".to_owned();
    shared.sessions.has_room(&client).map_err(too_many)?;
    let size = query.size.unwrap_or(shared.settings.initial_size);
    let job = start_shell(shared, &account, size).map_err(|error| error.to_string())?;
    let welcome = shared.welcome(&account.name);
    let output = OutputReader::new(
        job.cursor(true, Arc::clone(wake)),
        *READ_AHEAD_BYTES.start(),
        welcome,
    );
    let session = SessionId::fresh().and_then(|id| {
        shared.sessions.add(NewSession {
            id,
            client,
            job: Arc::clone(&job),
            size: query.size,
            welcome: None,
        })
    });
    match session {
        Ok(session) => Ok((session, output)),
        Err(_) => {
            job.stop();
            Err("The system gives no random numbers.".to_owned())
        }
    }
}

struct Terminal {
    shared: Arc<Shared>,
    /// `None` if there could be none.
    session: Option<Arc<Session>>,
    out: Mutex<Out>,
    /// Messages from us rather than from the shell.
    notices: Outbox<String>,
    /// Another client has ended the session.
    killed: AtomicBool,
}

struct Out {
    output: Option<OutputReader>,
    /// All was said.
    over: bool,
    scratch: String,
}

impl Handler for Terminal {
    async fn receive(&self, message: Received) {
        let (Received::Text(message) | Received::Binary(message)) = message;
        let Some(session) = &self.session else {
            return;
        };
        let _visit = session.visit();
        let input = match read_terminal_input(&message) {
            Ok(input) => input,
            Err(error) => return self.notice(&error.to_string()),
        };
        if let Some(size) = input.size {
            session.resize(size);
        }
        match session.job.input(input.keys.as_bytes()) {
            Ok(()) => {
                let typed = input.keys.len() as u64;
                self.shared.app.metrics.input_bytes.inc_by(typed);
            }
            Err(InputRefused::Ended) => {}
            Err(full @ InputRefused::Full { .. }) => {
                self.notice(&format!("{full}. This was not taken."));
            }
        }
    }

    fn fill(&self, out: &mut Frames, credit: SendCredit) -> bool {
        let before = out.uncompressed_bytes();
        let state = &mut *self.out();
        if let Some(notice) = self.notices.pop() {
            out.text(|out| write_terminal_output(&notice, false, out));
        }
        let job = self.session.as_ref().map(|session| &session.job);
        let (Some(output), Some(job)) = (&mut state.output, job) else {
            state.over = true;
            return out.uncompressed_bytes() > before;
        };
        if self.killed.load(Ordering::Relaxed) {
            output.close();
            state.over = true;
            return out.uncompressed_bytes() > before;
        }
        output.set_ahead(
            (credit.window / 2).clamp(*READ_AHEAD_BYTES.start(), *READ_AHEAD_BYTES.end()),
        );
        while !state.over && out.uncompressed_bytes() - before < WRITE_BATCH_BYTES {
            let room = credit
                .bytes
                .saturating_sub(out.uncompressed_bytes() - before);
            state.scratch.clear();
            let outcome = output.take(room.min(OUTPUT_MESSAGE_MAX_BYTES), job, &mut state.scratch);
            if !state.scratch.is_empty() {
                let bytes = state.scratch.len() as u64;
                self.shared.app.metrics.output_bytes.inc_by(bytes);
                let text = &state.scratch;
                out.text(|out| write_terminal_output(text, false, out));
            }
            state.over = outcome == ReadOutcome::End;
            if outcome == ReadOutcome::All || room == 0 {
                break;
            }
        }
        // What a flood has needed is not kept for a prompt.
        if out.uncompressed_bytes() == before {
            state.scratch = String::new();
        }
        out.uncompressed_bytes() > before
    }

    fn close_reason(&self) -> Option<(CloseCode, &'static str)> {
        if !self.out().over {
            return None;
        }
        Some(match &self.session {
            None => (CloseCode::TryAgainLater, "there is no shell to be had"),
            Some(_) if self.killed.load(Ordering::Relaxed) => (
                CloseCode::SessionKilled,
                "the session was ended by another client",
            ),
            Some(_) => (CloseCode::NormalClosure, "the shell has ended"),
        })
    }

    fn on_close(&self) {
        if let Some(session) = &self.session {
            session.job.stop();
        }
        if let Some(output) = &mut self.out().output {
            output.close();
        }
    }
}

impl Terminal {
    fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows the person a message among the shell's output. One at a time: of the same mistake made
    /// a hundred times, one is enough.
    fn notice(&self, sentence: &str) {
        let _ = self.notices.try_push(format!("\r\n[{sentence}]\r\n"));
    }
}
