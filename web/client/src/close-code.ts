/** Close codes of WebSockets that the server sends (RFC 6455 section 7.4.1; `x-close-codes` in
 * `docs/asyncapi.yaml`). Compare codes, never the reasons beside them, which are for people. */
export const CloseCode = {
  /** The terminal's shell has ended. */
  normalClosure: 1000,
  /** The server is stopping; it may be back soon. */
  goingAway: 1001,
  /** What was sent is no WebSocket frame. */
  protocolError: 1002,
  /** Text that is no UTF-8, or a message that is not compressed as it says. */
  invalidPayload: 1007,
  /** The client gave no sign of life (heartbeat timeout). */
  policyViolation: 1008,
  /** A message is larger than the server takes. */
  messageTooBig: 1009,
  /** There is no shell to be had now. */
  tryAgainLater: 1013,
  /** Another client has ended the terminal's session. */
  sessionKilled: 4000,
} as const;
