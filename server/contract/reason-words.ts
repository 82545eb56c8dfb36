/**
 * Words for the codes that events, records and the audit log carry. The code is the promise and stands behind the words, where it helps a
 * search; a code that is not known here is shown as it is.
 */
type Words = Readonly<Record<string, string>>

/** `finished` → `both sides were done (finished)`; what is no code of the table stays as it is. */
export const withCode = (words: Words, code: string): string =>
  Object.hasOwn(words, code) ? `${words[code]} (${code})` : code

/** Why a connection ended or was refused: the closed list of the proxy. */
export const CONNECTION_WORDS: Words = {
  finished: 'both sides were done',
  client_reset: 'the client broke it off',
  target_reset: 'the target broke it off',
  client_vanished: 'the client vanished',
  target_vanished: 'the target vanished',
  client_gone_before_data: 'the client left before it sent anything',
  client_gone_while_dialling: 'the client left before a target was reached',
  client_incomplete: 'the client left in the middle of a request',
  target_incomplete: 'the target left in the middle of a response',
  target_malformed: 'the target answered with something that is not HTTP/1.1',
  backend_refused: 'the target refused the connection',
  connect_timeout: 'the target could not be reached in time',
  target_tls_failed: 'the TLS handshake with the target failed',
  target_unreachable: 'the target could not be reached',
  local_resources: 'this machine could not open a socket',
  initial_data_timeout: 'the client sent too little in time',
  response_timeout: 'the target did not answer in time',
  slow_body: 'the request stood still for too long',
  stalled_reader: 'the reader took nothing for too long',
  evicted: 'it had to make room',
  socket_timeout: 'it was quiet for too long',
  inactivity: 'nothing was sent for too long',
  parity: 'one side had ended long ago, and nothing moved',
  stuck: 'nothing came back for too long',
  bad_request: 'the request was not valid HTTP/1.1',
  bad_proxy_header: 'the balancer did not say for whom it came',
  bad_client_hello: 'what came first was not a TLS ClientHello',
  tls_failed: 'the TLS handshake with the client failed',
  internal_error: 'a fault of ours, which the log names',
  handler_failed: 'the function that carried it failed',
  no_route: 'no route takes it',
  route_blocked: 'its route blocks it',
  route_ip_blocked: 'its route does not serve its address',
  route_limit_connections: 'the limit of connections of its route was reached',
  route_limit_per_ip: 'the limit of its route for connections from one address was reached',
  route_limit_rate: 'the limit of its route for new connections a minute was reached',
  limit_connections: 'the limit of connections was reached',
  limit_per_ip: 'the limit of connections from one address was reached',
  limit_rate: 'the limit of new connections a minute was reached',
  drain_deadline: 'the deadline of a drain had come',
  closed_by_operator: 'an operator closed it',
  shutdown: 'the proxy was shut down',
}

/** Why a target is down: what its clients meet, or what checks find. */
export const TARGET_WORDS: Words = {
  ...CONNECTION_WORDS,
  check_status: 'its health check was answered with an error',
  check_timeout: 'its health check was not answered in time',
}

/** Why a push session is no longer used: the closed list of the runtime. */
export const SESSION_WORDS: Words = {
  goaway: 'the push service sent GOAWAY',
  frame_error: 'the push service broke the protocol',
  error: 'its connection failed',
  close: 'the push service closed the connection',
  ping_timeout: 'a ping was not answered in time',
  ping_failed: 'a ping could not be sent',
  unanswered: 'several pushes in a row were not answered',
  operator: 'an operator dropped it',
  drain: 'its node is being drained',
}

/** Why a push was rejected by the push service, sent again, or given up. */
export const PUSH_WORDS: Words = {
  BadDeviceToken: 'the device token is not valid',
  DeviceTokenNotForTopic: 'the device token belongs to another app',
  Unregistered: 'the app was removed from the device',
  ExpiredToken: 'the device token has expired',
  ExpiredProviderToken: 'our provider token had expired',
  InvalidProviderToken: 'our provider token is not valid',
  MissingProviderToken: 'our provider token was missing',
  BadTopic: 'the topic is not valid',
  TopicDisallowed: 'the topic is not allowed',
  MissingTopic: 'the topic was missing',
  PayloadEmpty: 'the payload was empty',
  PayloadTooLarge: 'the payload is too large',
  TooManyRequests: 'too many pushes went to one device',
  TooManyProviderTokenUpdates: 'our provider token was changed too often',
  InternalServerError: 'the push service failed',
  ServiceUnavailable: 'the push service is not available',
  Shutdown: 'the push service was shutting down',
  timeout: 'no answer came in time',
  connect_timeout: 'the push service could not be reached in time',
  queue_timeout: 'it waited too long to be sent',
  queue_full: 'too many pushes were waiting',
  provider_token: 'our provider token could not be made',
  closed: 'the node was stopping',
  internal: 'a fault of ours, which the log names',
  ECONNREFUSED: 'the push service refused the connection',
  ECONNRESET: 'the connection to the push service broke',
  ERR_HTTP2_GOAWAY_SESSION: 'the push service ended the session',
  ERR_HTTP2_STREAM_CANCEL: 'the session was given up',
}

/** Where a node stands in its own drain. */
export const NODE_PHASE_WORDS: Words = {
  pre_drain: 'leaving the balancer',
  connections: 'finishing connections',
  tunnels: 'moving tunnels',
  cleanup: 'cleaning up',
}

/** What operators do, in the past tense, followed by what they did it to. */
export const DEED_WORDS: Words = {
  'auth.sign_in': 'signed in',
  'auth.sign_in_failed': 'failed to sign in',
  'auth.sign_out': 'signed out',
  'config.reload': 'loaded the configuration again',
  'connection.close': 'closed a connection',
  'drain.create': 'started a drain',
  'drain.force': 'started a drain against its blockers',
  'drain.pause': 'paused a drain',
  'drain.continue': 'continued a drain',
  'drain.abort': 'aborted a drain',
  'drain.resume': 'gave back what was drained',
  'incident.acknowledge': 'acknowledged an incident',
  'incident.mitigate': 'marked an incident mitigated',
  'incident.note': 'wrote a note on an incident',
  'incident.patch': 'changed an incident',
  'incident.resolve': 'resolved an incident',
  'maintenance.add': 'announced maintenance',
  'maintenance.end': 'ended maintenance',
  'maintenance.remove': 'called off planned maintenance',
  'node.probe': 'looked at a node that is not watched yet',
  'notification.test': 'tried a way to tell people',
  'push.invalidate': 'dropped a push session',
  'token.create': 'created an API token',
  'token.remove': 'removed an API token',
  'tunnel.kick': 'closed a tunnel',
  'user.change': 'changed a user',
  'user.create': 'added a user',
  'user.remove': 'removed a user',
}

/** `drain.create` → `started a drain`; a deed that is not known here by its code. */
export const deedWords = (action: string): string =>
  Object.hasOwn(DEED_WORDS, action) ? (DEED_WORDS[action] ?? action) : action
