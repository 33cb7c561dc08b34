//! Who has which shell, and when it ends.
//!
//! A session belongs to its owner: of two clients that use the same id, each has its own.

use super::auth::{Client, Owner};
use super::output::{OutputReader, ReadOutcome};
use super::settings::TerminalSettings;
use crate::http::error::HttpError;
use further_link_engine::Job;
use further_link_protocol::TerminalSize;
use further_link_protocol::wire::{ListedSession, write_sessions};
use http::StatusCode;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Bytes of an id that a client makes up, at most.
const SESSION_ID_MAX_BYTES: usize = 128;
/// Bytes of output in one answer, at most, and as much is read from the program in advance: what a
/// page shows at once, and not so much that Ctrl-C is behind it for long.
const RESPONSE_OUTPUT_MAX_BYTES: usize = 64 * 1024;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The id of a session: what a client has made up, or the empty one for clients that do without,
/// and have one session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct SessionId(String);

impl SessionId {
    /// Checks an id of a client.
    ///
    /// # Errors
    /// If it is empty, too long or no text for people.
    pub(super) fn new(id: &str) -> Result<Self, HttpError> {
        let refuse = |detail: String| Err(HttpError::new(StatusCode::BAD_REQUEST, detail));
        if id.is_empty() {
            return refuse("The id of a session is missing.".to_owned());
        }
        if id.len() > SESSION_ID_MAX_BYTES {
            return refuse(format!(
                "The id of a session may have {SESSION_ID_MAX_BYTES} bytes."
            ));
        }
        if id.chars().any(char::is_control) {
            return refuse("The id of a session may hold no control characters.".to_owned());
        }
        Ok(Self(id.to_owned()))
    }

    /// Of clients that name none.
    pub(super) fn unnamed() -> Self {
        Self(String::new())
    }

    /// One that nobody has.
    pub(super) fn fresh() -> Result<Self, HttpError> {
        let number = getrandom::u64().map_err(|error| {
            tracing::error!(%error, "the system gives no random numbers");
            HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, "")
        })?;
        Ok(Self(format!("{number:016x}")))
    }
}

/// One shell and who uses it.
pub(super) struct Session {
    id: SessionId,
    /// What the list calls it: the id, or something if that is empty.
    name: String,
    owner: Owner,
    pub(super) job: Arc<Job>,
    /// It lasts as long as its WebSocket.
    persistent: bool,
    size: Mutex<Option<TerminalSize>>,
    visits: Mutex<Visits>,
    /// What was not fetched yet; of a session over HTTP.
    output: Option<Mutex<OutputReader>>,
    /// There is output. Only the newest of those who wait listens, so that it is always the one
    /// that is woken.
    has_output: Arc<Notify>,
    /// Somebody has begun or ceased to wait for output, or the session has been ended.
    pollers_changed: Notify,
    /// It has been ended, by a client or for lack of visits.
    ended: Notify,
}

struct Visits {
    last: Instant,
    date: SystemTime,
    /// Requests that are being answered.
    present: usize,
    /// Requests for output so far.
    polls: u64,
    /// Those that wait, by their numbers, the newest last. There are no more of them than
    /// connections.
    waiting: Vec<u64>,
    ended: bool,
}

/// While there is one of these, a request waits for output.
struct Poller<'a> {
    session: &'a Session,
    number: u64,
}

impl Poller<'_> {
    fn is_newest(&self) -> bool {
        locked(&self.session.visits).waiting.last() == Some(&self.number)
    }
}

impl Drop for Poller<'_> {
    fn drop(&mut self) {
        locked(&self.session.visits)
            .waiting
            .retain(|number| *number != self.number);
        self.session.pollers_changed.notify_waiters();
    }
}

/// While there is one of these, somebody is there.
pub(super) struct Visit<'a>(&'a Session);

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        let mut visits = locked(&self.0.visits);
        visits.present -= 1;
        visits.last = Instant::now();
        visits.date = SystemTime::now();
    }
}

/// What is needed for a new session.
pub(super) struct NewSession {
    pub(super) id: SessionId,
    pub(super) client: Client,
    pub(super) job: Arc<Job>,
    pub(super) size: Option<TerminalSize>,
    /// The first line of a session over HTTP; `None` for one that has a WebSocket.
    pub(super) welcome: Option<String>,
}

impl Session {
    fn new(new: NewSession, name: String) -> Self {
        let has_output = Arc::new(Notify::new());
        let output = new.welcome.map(|first| {
            let cursor = new.job.cursor(true, Arc::clone(&has_output));
            Mutex::new(OutputReader::new(cursor, RESPONSE_OUTPUT_MAX_BYTES, first))
        });
        Self {
            id: new.id,
            name,
            owner: new.client.owner,
            persistent: output.is_none(),
            job: new.job,
            size: Mutex::new(new.size),
            visits: Mutex::new(Visits {
                last: Instant::now(),
                date: SystemTime::now(),
                present: 0,
                polls: 0,
                waiting: Vec::new(),
                ended: false,
            }),
            output,
            has_output,
            pollers_changed: Notify::new(),
            ended: Notify::new(),
        }
    }

    /// Returns whether it lasts as long as its WebSocket, and is used by way of that alone.
    pub(super) fn is_persistent(&self) -> bool {
        self.persistent
    }

    /// Somebody is there.
    pub(super) fn visit(&self) -> Visit<'_> {
        locked(&self.visits).present += 1;
        Visit(self)
    }

    pub(super) fn resize(&self, size: TerminalSize) {
        *locked(&self.size) = Some(size);
        self.job.resize(size);
    }

    /// Waits up to `wait` for output and takes it, and whether that was the end. Of several who
    /// wait the newest gets it: most likely the others are not there any more. If they are, they
    /// wait on and take their turn when it has gone; told to go, two pages with one session would
    /// ask in turns as quickly as the network carries it.
    pub(super) async fn poll(&self, wait: Duration) -> (String, bool) {
        let end = Instant::now() + wait;
        let waiting = self.begin_poll();
        let mut text = String::new();
        loop {
            let mut turn = std::pin::pin!(self.pollers_changed.notified());
            // What changes from here on is seen.
            turn.as_mut().enable();
            if locked(&self.visits).ended {
                return (text, true);
            }
            let is_newest = waiting.is_newest();
            if is_newest {
                let outcome = match &self.output {
                    Some(output) => {
                        locked(output).take(RESPONSE_OUTPUT_MAX_BYTES, &self.job, &mut text)
                    }
                    None => ReadOutcome::End,
                };
                if outcome == ReadOutcome::End || !text.is_empty() {
                    return (text, outcome == ReadOutcome::End);
                }
            }
            tokio::select! {
                // First, so that nobody takes a notification that is for a newer one.
                biased;
                () = turn => {}
                () = self.has_output.notified(), if is_newest => {}
                () = sleep_until(end) => return (text, false),
            }
        }
    }

    fn begin_poll(&self) -> Poller<'_> {
        let number = {
            let mut visits = locked(&self.visits);
            visits.polls += 1;
            let number = visits.polls;
            visits.waiting.push(number);
            number
        };
        self.pollers_changed.notify_waiters();
        Poller {
            session: self,
            number,
        }
    }

    /// Completes when the session has been ended.
    pub(super) async fn ended(&self) {
        self.ended.notified().await;
    }

    /// Ends the shell, and whoever waits for it.
    fn end(&self) {
        locked(&self.visits).ended = true;
        self.job.stop();
        if let Some(output) = &self.output {
            locked(output).close();
        }
        self.pollers_changed.notify_waiters();
        self.ended.notify_one();
    }
}

/// All sessions.
pub(super) struct Sessions {
    all: Mutex<HashMap<(Owner, SessionId), Arc<Session>>>,
    /// There is a new one that may become idle.
    added: Notify,
    idle_timeout: Duration,
    max_sessions: usize,
    max_sessions_per_client: usize,
    clock: fn(i64) -> i64,
}

impl Sessions {
    pub(super) fn new(settings: &TerminalSettings) -> Self {
        Self {
            all: Mutex::default(),
            added: Notify::new(),
            idle_timeout: settings.idle,
            max_sessions: settings.max_sessions,
            max_sessions_per_client: settings.max_sessions_per_client,
            clock: settings.clock,
        }
    }

    /// Returns the session of that name, if this client has one.
    pub(super) fn get(&self, client: &Client, id: &SessionId) -> Option<Arc<Session>> {
        let key = (client.owner, id.clone());
        locked(&self.all).get(&key).cloned()
    }

    /// Returns whether a client that is new here asks for a session that somebody else has. It has
    /// lost its cookie, or keeps none.
    pub(super) fn is_of_another(&self, client: &Client, id: &SessionId) -> bool {
        client.is_new && locked(&self.all).values().any(|session| session.id == *id)
    }

    /// Returns whether there is room for one more session of this client.
    ///
    /// # Errors
    /// If there is not.
    pub(super) fn has_room(&self, client: &Client) -> Result<(), HttpError> {
        let refuse = |detail: String| {
            let error = HttpError::new(StatusCode::SERVICE_UNAVAILABLE, detail);
            Err(error.with_header(http::header::RETRY_AFTER, "10"))
        };
        let all = locked(&self.all);
        let own = all.keys().filter(|(owner, _)| *owner == client.owner);
        if own.count() >= self.max_sessions_per_client {
            let most = self.max_sessions_per_client;
            return refuse(format!("You have {most} terminals already. End one first."));
        }
        match all.len() < self.max_sessions {
            true => Ok(()),
            false => refuse(format!(
                "There are {} terminals on this device already, as many as there may be.",
                self.max_sessions
            )),
        }
    }

    /// Adds a session. One of the same name that was there is ended.
    pub(super) fn add(&self, new: NewSession) -> Result<Arc<Session>, HttpError> {
        let name = match new.id.0.is_empty() {
            true => SessionId::fresh()?.0,
            false => new.id.0.clone(),
        };
        let session = Arc::new(Session::new(new, name));
        let key = (session.owner, session.id.clone());
        let before = locked(&self.all).insert(key, Arc::clone(&session));
        if let Some(before) = before {
            before.end();
        }
        self.added.notify_one();
        tracing::debug!(id = session.name, owner = ?session.owner, "a new session");
        Ok(session)
    }

    /// Forgets a session that has ended.
    pub(super) fn remove(&self, session: &Arc<Session>) {
        let key = (session.owner, session.id.clone());
        let mut all = locked(&self.all);
        if all
            .get(&key)
            .is_some_and(|known| Arc::ptr_eq(known, session))
        {
            all.remove(&key);
        }
    }

    /// Ends the sessions of that name that this client may end. Returns whether there was one.
    pub(super) fn kill(&self, client: &Client, name: &str) -> bool {
        let found: Vec<_> = self
            .visible_to(client)
            .into_iter()
            .filter(|session| session.name == name)
            .collect();
        for session in &found {
            tracing::debug!(id = session.name, "a session is ended by a client");
            self.remove(session);
            session.end();
        }
        !found.is_empty()
    }

    fn visible_to(&self, client: &Client) -> Vec<Arc<Session>> {
        locked(&self.all)
            .values()
            .filter(|session| client.has_token || session.owner == client.owner)
            .cloned()
            .collect()
    }

    /// Appends the list of the sessions that this client may see.
    pub(super) fn list(&self, client: &Client, out: &mut Vec<u8>) {
        let mut sessions = self.visible_to(client);
        sessions.sort_by(|one, other| one.name.cmp(&other.name));
        let listed = sessions.iter().map(|session| {
            let visits = locked(&session.visits);
            let seconds = |since: Duration| i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
            let visited = visits.date.duration_since(UNIX_EPOCH).map_or(0, seconds);
            ListedSession {
                id: &session.name,
                persistent: session.persistent,
                size: *locked(&session.size),
                visited: visited.saturating_add((self.clock)(visited)),
                idle: match visits.present {
                    0 => visits.last.elapsed().as_secs(),
                    _ => 0,
                },
            }
        });
        write_sessions(listed, out);
    }

    /// Ends all over HTTP: the server stops. Those with a WebSocket are told so there.
    pub(super) fn end_http_sessions(&self) {
        let over = |_: &_, session: &mut Arc<Session>| !session.persistent;
        let all: Vec<_> = locked(&self.all).extract_if(over).collect();
        for (_, session) in all {
            session.end();
        }
    }

    /// Ends sessions over HTTP that nobody has visited for too long, for as long as the server
    /// lives. Sleeps until the next one may be so far; a visit only makes that later, so it wakes
    /// nobody.
    pub(super) async fn expire_idle_sessions(&self) -> Infallible {
        loop {
            let next = self.expire_idle();
            let next = async {
                match next {
                    Some(next) => sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = next => {}
                () = self.added.notified() => {}
            }
        }
    }

    /// Ends those that have been idle for too long. Returns when the next one may be.
    fn expire_idle(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut next: Option<Instant> = None;
        let mut over = Vec::new();
        locked(&self.all).retain(|_, session| {
            if session.persistent {
                return true;
            }
            let visits = locked(&session.visits);
            let until = match visits.present {
                0 => visits.last + self.idle_timeout,
                _ => now + self.idle_timeout,
            };
            if until <= now {
                drop(visits);
                over.push(Arc::clone(session));
                return false;
            }
            next = Some(next.map_or(until, |next| next.min(until)));
            true
        });
        for session in over {
            tracing::debug!(id = session.name, "nobody visits a session any more");
            session.end();
        }
        next
    }
}
