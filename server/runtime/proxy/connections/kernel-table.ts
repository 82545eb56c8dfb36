import { readFile } from 'node:fs/promises'
import { endianness } from 'node:os'
import { setImmediate } from 'node:timers/promises'
import ipaddr from 'ipaddr.js'

/** What the kernel says of one socket that is not at rest. */
interface Unrest {
  /** Bytes, our FIN among them, that the peer's kernel has not acknowledged. */
  unacknowledged: number
  /** The peer's FIN is there, though perhaps not read yet. */
  peerEnded: boolean
}

const FILES = ['/proc/net/tcp', '/proc/net/tcp6']
/** A look is not repeated sooner than this, nor sooner than a number of times its own cost: it must stay below a few per cent. */
const SPACING_MS = 200
const SPACING_COSTS = 30
const LINES_AT_ONCE = 2_000
const LISTENS = '0A'
const CLOSE_WAIT = '08'
const NOTHING_SENT = '00000000'

const hexPort = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0')

/** An address as the kernel prints it: groups of four bytes, each in the order of the machine. */
const hexAddress = (address: string): string => {
  const bytes = ipaddr.parse(address.split('%', 1)[0]!).toByteArray()
  const little = endianness() === 'LE'
  let text = ''
  for (let at = 0; at < bytes.length; at += 4) {
    const group = bytes.slice(at, at + 4)
    if (little) group.reverse()
    for (const byte of group) text += byte.toString(16).toUpperCase().padStart(2, '0')
  }
  return text
}

/** The name of a connected socket in the kernel's table; null for one that is not connected any more. */
export const kernelKey = (socket: {
  localAddress?: string | undefined
  localPort?: number | undefined
  remoteAddress?: string | undefined
  remotePort?: number | undefined
}): string | null => {
  const { localAddress, localPort, remoteAddress, remotePort } = socket
  if (!localAddress || !remoteAddress || localPort === undefined || remotePort === undefined) return null
  if (!ipaddr.isValid(localAddress) || !ipaddr.isValid(remoteAddress)) return null
  return `${hexAddress(localAddress)}:${hexPort(localPort)} ${hexAddress(remoteAddress)}:${hexPort(remotePort)}`
}

/**
 * The kernel's table of sockets (Linux, proc(5)). Node knows when the kernel has taken a byte, not when the peer has; there may be
 * megabytes between the two. Only connections that are about to end ask, and only those with slow peers remain to ask.
 */
export class KernelTable {
  /** False until a look has shown that this system has the table; from then on a socket that is not in it is at rest. */
  supported = false
  /** When the last look began, in milliseconds of the monotonic clock. */
  lookedAt = Number.NEGATIVE_INFINITY
  #unrest = new Map<string, Unrest>()
  #costMs = 0
  #looking: Promise<void> | null = null
  #wanted = false

  /** Unacknowledged bytes of a socket as of a look begun at or after `since`; null while none was. Asking schedules a look. */
  unacknowledged(key: string | null, since: number): number | null {
    this.#wanted = true
    if (key === null || !this.supported || this.lookedAt < since) return null
    return this.#unrest.get(key)?.unacknowledged ?? 0
  }

  /** Whether the peer of a socket that is not read at present has sent FIN, as far as the last look knows. */
  peerEnded(key: string | null): boolean {
    this.#wanted = true
    return key !== null && this.#unrest.get(key)?.peerEnded === true
  }

  /** Looks if somebody has asked since the last look. Called by every sweep. */
  sweep(now: number): void {
    if (!this.#wanted || now - this.lookedAt < Math.max(SPACING_MS, SPACING_COSTS * this.#costMs)) return
    void this.look()
  }

  /** Looks now. Never rejects: a system without the table leaves `supported` as it was. */
  look(): Promise<void> {
    this.#looking ??= this.#read().finally(() => {
      this.#looking = null
    })
    return this.#looking
  }

  /** A look that begins now, also while another is under way. */
  async lookAfresh(): Promise<void> {
    await this.#looking
    await this.look()
  }

  async #read(): Promise<void> {
    this.#wanted = false
    if (process.platform !== 'linux') return
    const lookedAt = performance.now()
    const next = new Map<string, Unrest>()
    let seen = false
    let costMs = 0
    for (const file of FILES) {
      // Without IPv6 there is no second file.
      const text = await readFile(file, 'latin1').catch(() => '')
      for (let at = text.indexOf('\n') + 1; at > 0 && at < text.length; ) {
        const from = performance.now()
        at = parseLines(text, at, next)
        costMs += performance.now() - from
        seen = true
        // With tens of thousands of sockets this must not hold up anything else.
        if (at < text.length) await setImmediate()
      }
    }
    if (!seen) return
    this.#unrest = next
    this.#costMs = costMs
    this.lookedAt = lookedAt
    this.supported = true
  }
}

/** Collects the sockets that are not at rest, beginning at some line; returns where the next lines begin. */
export const parseLines = (text: string, from: number, into: Map<string, Unrest>): number => {
  let at = from
  for (let lines = 0; lines < LINES_AT_ONCE && at < text.length; lines += 1) {
    let end = text.indexOf('\n', at)
    if (end < 0) end = text.length
    // "   0: 0100007F:1F90 0100007F:C350 01 00000000:00000000 …": slot, local, remote, state, unsent:unread.
    const local = text.indexOf(':', at) + 2
    const width = text.indexOf(':', local) - local
    const keyEnd = local + 2 * (width + 5) + 1
    const state = text.slice(keyEnd + 1, keyEnd + 3)
    const unsent = text.slice(keyEnd + 4, keyEnd + 12)
    at = end + 1
    if (local < 2 || keyEnd > end || state === LISTENS) continue
    if (unsent === NOTHING_SENT && state !== CLOSE_WAIT) continue
    into.set(text.slice(local, keyEnd), {
      unacknowledged: Number.parseInt(unsent, 16),
      peerEnded: state === CLOSE_WAIT,
    })
  }
  return at
}
