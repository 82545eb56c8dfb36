import type { ProxyConfig } from '../../../contract/node-config.ts'
import type { ConnectionRecord } from '../connections/record.ts'
import type { ConnectionBook } from './connection-book.ts'

/** A ceiling is near when less than this part of it is free; room is made before anybody must be refused. */
const NEAR = 1 / 16
/** Room for this many is looked for at once, and not more often than this: a flood must not pay for a walk with every accept. */
const ROOM_AT_ONCE = 64
const LOOK_EVERY_MS = 50
/** A connection that moves slower than this, this long after it was first looked at, is slow. */
const SLOW_BYTES_PER_MS = 1_024 / 1_000
const SLOW_AFTER_MS = 2_000
/** Memory is taken from connections that hold at least this much. */
const WORTH_BYTES = 4 * 1024

/**
 * Slowness is no fault while there is room for all. Near a ceiling room is made: kept-alive connections without a request go first,
 * the longest idle before the others; then those that keep us waiting, the slowest first.
 */
export class Pressure {
  /** Bytes held for peers that have not taken them yet, as of the last sweep. */
  heldBytes = 0
  readonly #config: ProxyConfig
  readonly #book: ConnectionBook
  readonly #nearCount: number
  #victims: ConnectionRecord[] = []
  #lookedAt = Number.NEGATIVE_INFINITY

  constructor(config: ProxyConfig, book: ConnectionBook) {
    this.#config = config
    this.#book = book
    this.#nearCount = config.maxConnections - Math.floor(config.maxConnections * NEAR)
  }

  /** Called before a connection is opened: ends one that can be spared when few places are left. */
  makeRoom(now: number): void {
    const { size } = this.#book.records
    if (size < this.#nearCount) return
    if (this.#victims.length === 0 && now - this.#lookedAt >= LOOK_EVERY_MS) {
      this.#lookedAt = now
      this.#victims = this.#findVictims(now, size >= this.#config.maxConnections)
    }
    for (let victim = this.#victims.pop(); victim; victim = this.#victims.pop()) {
      // It may have a request by now, or move again.
      const { carrier } = victim
      if (!carrier || (carrier.idleMs(now) === null && !carrier.keepsWaiting(now))) continue
      carrier.abort('evicted')
      return
    }
  }

  /** Those to end, the last first. */
  #findVictims(now: number, full: boolean): ConnectionRecord[] {
    const idle: { record: ConnectionRecord; rank: number }[] = []
    const slow: { record: ConnectionRecord; rank: number }[] = []
    for (const record of this.#book.records.values()) {
      const idleMs = record.carrier?.idleMs(now) ?? null
      if (idleMs !== null) idle.push({ record, rank: idleMs })
      else if (full && record.carrier?.keepsWaiting(now)) {
        const rate = record.rate(now, SLOW_AFTER_MS)
        if (rate !== null && rate < SLOW_BYTES_PER_MS) slow.push({ record, rank: -rate })
      }
    }
    // Among equals the oldest comes last.
    const best = (list: typeof idle) =>
      list
        .reverse()
        .sort((a, b) => a.rank - b.rank)
        .slice(-ROOM_AT_ONCE)
    return [...(idle.length < ROOM_AT_ONCE ? best(slow) : []), ...best(idle)].map(({ record }) => record)
  }

  /** Adds up what is held; above the ceiling of memory the slowest are ended until an eighth of it is free. */
  sweep(now: number): void {
    let held = 0
    const nearCount = this.#book.records.size >= this.#nearCount
    const ceiling = this.#config.maxBufferedBytes
    for (const record of this.#book.records.values()) held += record.carrier?.heldBytes() ?? 0
    this.heldBytes = held
    const nearMemory = held >= ceiling * (1 - NEAR)
    if (!nearCount && !nearMemory) return
    for (const record of this.#book.records.values()) record.measure(now)
    if (held < ceiling) return
    const holders: { record: ConnectionRecord; bytes: number; rate: number }[] = []
    for (const record of this.#book.records.values()) {
      const bytes = record.carrier?.heldBytes() ?? 0
      if (bytes >= WORTH_BYTES) holders.push({ record, bytes, rate: record.rate(now, 0) ?? 0 })
    }
    holders.sort((a, b) => a.rate - b.rate || b.bytes - a.bytes)
    for (const { record, bytes } of holders) {
      if (this.heldBytes <= ceiling * (7 / 8)) return
      this.heldBytes -= bytes
      record.carrier?.abort('evicted')
    }
  }
}
