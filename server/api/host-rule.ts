import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { bearerOf } from '../auth/request.ts'
import { AppError } from '../contract/errors.ts'

/** Refuses requests whose `Host` is not ours; throws `ERR_INVALID` for a malformed one and `ERR_HOST` for a foreign one. */
export type HostRule = (request: IncomingMessage) => void

const HEALTH = /^\/healthz\/(?:live|ready)(?:\?|$)/

/** RFC 9110 §7.2: a name or address, and perhaps a port. */
const HOST = /^(\[[0-9a-f:.]{2,45}\]|[\w.-]{1,253})(?::(\d{1,5}))?$/i

const malformed = (what: string) =>
  new AppError('ERR_INVALID', `The request must name its host once and plainly: ${what}`, { problems: [] })

/**
 * A web page may point a name of its own at this address (DNS rebinding); its requests then count as "same origin", and carry that name
 * in `Host`. So names are accepted only where they are ours: that of `server.url`, the name that is listened on, `localhost` and what
 * lies below it, and `server.hosts`. A literal address cannot be rebound, so the server stays reachable by each of its addresses, also
 * through a mapped port. Let through under any name: health, because load balancers use names of their own, and requests with an API
 * token, which no web page has.
 *
 * @param hosts names, without ports
 */
export const createHostRule = (hosts: readonly string[]): HostRule => {
  const ours = new Set(hosts.map((host) => host.toLowerCase().replace(/\.$/, '')))

  return (request) => {
    if (request.rawHeaders.filter((text, index) => index % 2 === 0 && isHost(text)).length > 1)
      throw malformed('it has several Host headers')
    const { host } = request.headers
    if (host === undefined) {
      // HTTP/1.0 has none, and old health checkers speak it; browsers always send one.
      if (request.httpVersion === '1.0') return
      throw malformed('it has no Host header')
    }
    const [, name = '', port = '80'] = HOST.exec(host) ?? []
    if (name === '' || Number(port) > 65_535) throw malformed('its Host header is not a host name')
    const bare = name
      .replace(/^\[|\]$/g, '')
      .replace(/\.$/, '')
      .toLowerCase()
    if (isIP(bare) !== 0 || bare === 'localhost' || bare.endsWith('.localhost') || ours.has(bare)) return
    if (HEALTH.test(request.url ?? '')) return
    if (bearerOf({ method: '', headers: request.headers, address: null }) !== null) return
    throw new AppError(
      'ERR_HOST',
      `This server is not called ${bare}; open it by its server.url or address, or add the name to server.hosts`,
      { host: bare },
    )
  }
}

const isHost = (name: string): boolean => name.length === 4 && name.toLowerCase() === 'host'
