/**
 * Why a connection's record ended: a closed list, used as keys of `closedBy`, as a metric label and in `connection.closed`.
 * Adding one is an addition to the contract with operators; never build one from text.
 */
export const CLOSE_REASONS = {
  finished: 'Both sides ended by themselves, and took what was theirs.',
  client_reset: 'The client sent RST, or a write to it failed.',
  target_reset: 'The target sent RST, or a write to it failed.',
  client_vanished: 'TCP keep-alive or retransmission gave up on the client.',
  target_vanished: 'TCP keep-alive or retransmission gave up on the target.',
  client_gone_before_data: 'The client ended before its first byte.',
  client_gone_while_dialling: 'The client ended or reset before a target was connected.',
  client_incomplete: 'The client ended in the middle of a request.',
  target_incomplete: 'The target ended in the middle of a response.',
  target_malformed: 'The target sent what is not plainly valid HTTP/1.1.',
  backend_refused: 'Every target refused the connection.',
  connect_timeout: 'No target was connected within connectTimeoutMs.',
  target_tls_failed:
    'The TLS handshake with every target failed, or none showed a certificate that is trusted.',
  target_unreachable: 'No target could be reached: no such name, no route.',
  local_resources: 'This machine could not open a socket: no descriptor, no free local port.',
  initial_data_timeout:
    'No first byte within initialDataTimeoutMs, or no whole request head within headersTimeoutMs.',
  response_timeout: 'The target sent no response head within responseTimeoutMs.',
  slow_body: 'A request body stood still for bodyIdleTimeoutMs.',
  stalled_reader: 'A reader took nothing for readerIdleTimeoutMs.',
  evicted: 'Ended to make room when a ceiling was near: idle, or the slowest.',
  socket_timeout: 'Quiet for socketTimeoutMs with timeoutBehavior close.',
  inactivity: 'No byte either way for inactivityTimeoutMs.',
  parity:
    'One side had sent FIN for parityCheckTimeoutMs (a client in the middle of an answer: responseTimeoutMs) and nothing moved.',
  stuck: 'Bytes one way, none back, and silence for stuckTimeoutMs.',
  bad_request: 'The request was not plainly valid HTTP/1.1.',
  bad_proxy_header: 'A peer that must say for whom it comes sent no valid header of the PROXY protocol.',
  bad_client_hello: 'What came first was no TLS ClientHello, or not a plainly valid one.',
  tls_failed: 'The TLS handshake with the client failed, or took longer than initialDataTimeoutMs.',
  internal_error: 'A fault of ours; the log has it.',
  handler_failed: 'The function of a socket route failed.',
  no_route: 'No route takes this connection.',
  route_blocked: 'A route of type block took it.',
  route_ip_blocked: 'Its address is blocked on the route, or not among those that it allows.',
  route_limit_connections: 'maxConnections of the route was reached.',
  route_limit_per_ip: 'maxConnectionsPerIp of the route was reached.',
  route_limit_rate: 'connectionRatePerMinute of the route was reached.',
  limit_connections: 'maxConnections was reached.',
  limit_per_ip: 'maxConnectionsPerIp was reached.',
  limit_rate: 'connectionRatePerMinute was reached.',
  drain_deadline: 'Cut at the deadline of a drain.',
  closed_by_operator: 'An operator closed it.',
  shutdown: 'The proxy was closed or destroyed.',
} as const

export type CloseReason = keyof typeof CLOSE_REASONS

/** Refusals: reasons that end a connection before a target is dialled. They count in `closedBy` and in `rejected`. */
export const REFUSALS = [
  'no_route',
  'route_blocked',
  'route_ip_blocked',
  'route_limit_connections',
  'route_limit_per_ip',
  'route_limit_rate',
  'limit_connections',
  'limit_per_ip',
  'limit_rate',
] as const satisfies CloseReason[]

export type Refusal = (typeof REFUSALS)[number]
