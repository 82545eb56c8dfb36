import { hostAndPort } from '../../../contract/kinds/haproxy.ts'
import type { Adapter, Target } from '../adapter.ts'
import type { AddressRules } from '../address.ts'
import { check } from '../dial/check.ts'
import { dial } from '../dial/dial.ts'
import type { Reading } from '../reading.ts'

/** Any port that takes connections. */
export interface TcpTarget extends Target {
  readonly kind: 'tcp'
  /** `host:port`. */
  readonly address: string
}

/** Looks whether a port takes connections, and how long that takes. Nothing is sent, and nothing counted: a drain of it ends unproven. */
export class TcpAdapter implements Adapter<TcpTarget> {
  readonly kind = 'tcp'
  readonly #options: { timeoutMs: number; rules: AddressRules }
  readonly #closed = new AbortController()

  constructor(options: { timeoutMs: number; rules: AddressRules }) {
    this.#options = options
  }

  probe(target: TcpTarget): Promise<Reading> {
    const { address, embedded } = target
    const timeoutMs = target.timeoutMs ?? this.#options.timeoutMs
    const party = { url: `tcp://${address}` }
    return check(
      { timeoutMs, party, steps: ['connect'], closed: this.#closed.signal },
      async (timings, signal) => {
        const place = hostAndPort(address)
        if (place === null)
          return { outcome: 'refused', status: null, reason: `${address} is no host with a port` }
        const socket = await dial(this.#options.rules, { ...place, embedded }, timings, signal)
        const raw = { peer: socket.remoteAddress ?? null }
        return { outcome: 'ok', status: null, reason: 'took the connection', raw }
      },
    )
  }

  proves(): 'none' {
    return 'none'
  }

  forget(): void {
    // Nothing is kept between two looks.
  }

  async close(): Promise<void> {
    this.#closed.abort(new Error('the collector ends'))
  }
}
