//! WebSocket close codes (RFC 6455 section 7.4.1, and IANA's registry of WebSocket close codes).

/// Why the server closes a WebSocket. Clients compare these codes, and never the reasons beside
/// them, which are for people; `docs/asyncapi.yaml` lists both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum CloseCode {
    /// What the connection was for is done: a terminal's shell has ended.
    NormalClosure = 1000,
    /// The server is stopping; it may be back soon.
    GoingAway = 1001,
    /// The client has sent what is no WebSocket frame.
    ProtocolError = 1002,
    /// Text that is no UTF-8, or a message that is not compressed as it says.
    InvalidPayload = 1007,
    /// A policy was violated: the client gave no sign of life (heartbeat timeout).
    PolicyViolation = 1008,
    /// A message is larger than `limits.message_bytes`.
    MessageTooBig = 1009,
    /// The server cannot serve this client now: there is no shell to be had.
    TryAgainLater = 1013,
    /// A code of our own (private use): another client has ended the terminal's session.
    SessionKilled = 4000,
}

impl CloseCode {
    /// Every code that the server sends.
    pub const ALL: [Self; 8] = [
        Self::NormalClosure,
        Self::GoingAway,
        Self::ProtocolError,
        Self::InvalidPayload,
        Self::PolicyViolation,
        Self::MessageTooBig,
        Self::TryAgainLater,
        Self::SessionKilled,
    ];

    /// Returns the number on the wire.
    pub fn code(self) -> u16 {
        self as u16
    }

    /// Returns the reasons that the server sends with it: for people, never compared.
    pub fn reasons(self) -> &'static [&'static str] {
        match self {
            Self::NormalClosure => &["the shell has ended"],
            Self::GoingAway => &["the server is stopping"],
            Self::ProtocolError => &["not the WebSocket protocol"],
            Self::InvalidPayload => &[
                "text has to be UTF-8",
                "the message is not compressed as it says",
            ],
            Self::PolicyViolation => &["no sign of life"],
            Self::MessageTooBig => &["the message is too large"],
            Self::TryAgainLater => &["there is no shell to be had"],
            Self::SessionKilled => &["the session was ended by another client"],
        }
    }
}
