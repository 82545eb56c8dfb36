import type { IncomingMessage } from 'node:http'
import { plainAddress } from '../../wire/plain-address.ts'
import { sameSecret } from '../../wire/same-secret.ts'
import type { Directory } from '../directory/directory.ts'
import { FENCE_HEADER, HOP_HEADER, PASS_HEADER } from '../tunnel/forwarded-headers.ts'

/** The client, as this relay sees it, or as the relay that passed the request on saw it. */
export interface Visitor {
  address: string
  proto: 'http' | 'https'
  host: string | undefined
}

/** How often a request may go from relay to relay; each time the host must have registered again in between. */
const MAX_HOPS = 4

/** How often the request was passed on already; what cannot be read counts as often enough. */
export const hopsOf = (req: IncomingMessage): number => {
  const given = req.headers[HOP_HEADER]
  if (given === undefined) return 0
  const hops = Number(given)
  return Number.isInteger(hops) && hops > 0 ? hops : MAX_HOPS
}

/** What relays of one directory say to each other, and how much of it is believed. */
export class FellowRelays {
  readonly #directory: Directory

  constructor(directory: Directory) {
    this.#directory = directory
  }

  /** True where a fellow of the same directory passed the request on: only then is its word on the visitor believed. */
  passedOn(req: IncomingMessage): boolean {
    const given = req.headers[PASS_HEADER]
    const { passKey } = this.#directory
    return typeof given === 'string' && passKey !== '' && sameSecret(given, passKey)
  }

  visitorOf(req: IncomingMessage): Visitor {
    const believed = this.passedOn(req)
    const header = (name: string): string | undefined => {
      const value = believed ? req.headers[name] : undefined
      return typeof value === 'string' ? value : undefined
    }
    return {
      address: header('x-forwarded-for') ?? plainAddress(req.socket.remoteAddress),
      proto: header('x-forwarded-proto') === 'https' ? 'https' : 'http',
      host: header('x-forwarded-host') ?? req.headers.host,
    }
  }

  /**
   * The fence of the registration by which a fellow passed the request on; null where none did, or too often. It may go on once more
   * where the host has registered again since: fences ascend, so no request goes in circles.
   */
  fenceOf(req: IncomingMessage): number | null {
    const fence = this.passedOn(req) ? Number(req.headers[FENCE_HEADER] ?? Number.NaN) : Number.NaN
    return Number.isSafeInteger(fence) && hopsOf(req) < MAX_HOPS ? fence : null
  }
}
