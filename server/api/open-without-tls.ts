import { isLoopback } from '../auth/client-address.ts'
import type { RoomProblem } from '../contract/fleet.ts'

/** The problem of a server that is open to a network without any encryption that it knows of; null where there is none. */
export const openWithoutTls = (facts: {
  /** What the one port binds. */
  host: string
  /** `server.url` is an https address. */
  isTls: boolean
  /** `server.trustedProxies` names somebody. */
  isProxied: boolean
  since: string
}): RoomProblem | null =>
  facts.isTls || facts.isProxied || facts.host === 'localhost' || isLoopback(facts.host)
    ? null
    : {
        code: 'open_without_tls',
        text: `The control room listens on ${facts.host} without TLS: passwords and sessions cross the network in the open.`,
        remedy:
          'Put a proxy with TLS in front, set server.url to its https address and server.trustedProxies to the proxy; or set HOST=127.0.0.1.',
        since: facts.since,
      }
