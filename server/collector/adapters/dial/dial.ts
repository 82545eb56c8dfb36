import { isIP, type LookupFunction, type Socket, connect as tcpConnect } from 'node:net'
import { type TLSSocket, connect as tlsConnect } from 'node:tls'
import type { TlsMaterial } from '../../../contract/kinds/entry.ts'
import { type AddressRules, BlockedAddressError } from '../address.ts'

/** Where a connection goes. */
export interface Place {
  readonly host: string
  readonly port: number
  readonly embedded: boolean
}

/** Over TLS: who it should be, and who we are. */
export interface TlsWish {
  /** The name that is asked for (SNI), and that the certificate has to have; default the host. */
  readonly servername?: string | undefined
  readonly material?: TlsMaterial | undefined
}

/** Where the time went, ms; each is there once it is over. */
export interface Timings {
  dns?: number
  connect?: number
  tls?: number
  firstByte?: number
}

/** What a connection was doing when its time was over. */
const DOING: readonly (readonly [keyof Timings, string])[] = [
  ['connect', 'connecting'],
  ['tls', 'in the TLS handshake'],
  ['firstByte', 'waiting for the first byte of an answer'],
]

/** What it was doing, in words; `wanted` are the steps that this connection takes. */
export const doingWords = (timings: Timings, wanted: readonly (keyof Timings)[]): string =>
  DOING.find(([step]) => wanted.includes(step) && timings[step] === undefined)?.[1] ?? 'reading the answer'

/** A stopwatch of steps: each call answers the ms since the one before. */
const stopwatch = (): (() => number) => {
  let last = performance.now()
  return () => {
    const now = performance.now()
    const ms = Math.round((now - last) * 1_000) / 1_000
    last = now
    return ms
  }
}

/**
 * Connects once, by the rules of where polls may go: a name is resolved once, and every address that it has is checked before one is
 * dialled. With `wish` it speaks TLS from its first byte. Rejects with the socket's error, or `ERR_BLOCKED_ADDRESS`; over TLS also where the
 * certificate is not trusted, has expired or is for somebody else, or no version is shared. The socket ends with `signal`.
 *
 * @param timings filled in as the steps are over, so that a deadline can say what it interrupted
 */
export const dial = async (
  rules: AddressRules,
  place: Place,
  timings: Timings,
  signal: AbortSignal,
): Promise<Socket> => {
  const { options, lap } = wayTo(rules, place, timings, signal)
  const socket = tcpConnect(options)
  endWith(signal, socket)
  await settled(socket, 'connect')
  timings.connect = lap()
  return socket
}

/** The same over TLS. One socket for both: a connection that is destroyed below its TLS takes the process with it (Node 26). */
export const dialTls = async (
  rules: AddressRules,
  place: Place,
  { servername, material }: TlsWish,
  timings: Timings,
  signal: AbortSignal,
): Promise<TLSSocket> => {
  const { options, lap } = wayTo(rules, place, timings, signal)
  const name = servername ?? place.host
  const socket = tlsConnect({
    ...material,
    ...options,
    // An address is no name that could be asked for (RFC 6066 §3).
    ...(isIP(name) === 0 ? { servername: name } : {}),
    minVersion: 'TLSv1.2',
  })
  socket.once('connect', () => {
    timings.connect = lap()
  })
  endWith(signal, socket)
  await settled(socket, 'secureConnect')
  timings.tls = lap()
  return socket
}

const wayTo = (
  rules: AddressRules,
  { host, port, embedded }: Place,
  timings: Timings,
  signal: AbortSignal,
): { options: { host: string; port: number; lookup: LookupFunction }; lap: () => number } => {
  const refusal = isIP(host) === 0 ? null : rules.refuses(host, embedded)
  if (refusal !== null) throw new BlockedAddressError(refusal)
  signal.throwIfAborted()
  const lap = stopwatch()
  const resolve = rules.lookup(embedded)
  const lookup: LookupFunction = (name, options, done) =>
    resolve(name, options, (...answer) => {
      timings.dns = lap()
      done(...answer)
    })
  return { options: { host, port, lookup }, lap }
}

const endWith = (signal: AbortSignal, socket: Socket): void => {
  // What fails after it was given up reaches nobody.
  socket.on('error', () => socket.destroy())
  if (signal.aborted) socket.destroy()
  else signal.addEventListener('abort', () => socket.destroy(), { once: true })
}

const settled = (socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> =>
  new Promise((resolve, reject) => {
    socket.once(event, () => resolve())
    socket.once('error', reject)
    socket.once('close', () =>
      reject(Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' })),
    )
  })
