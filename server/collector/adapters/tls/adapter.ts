import { hostAndPort } from '../../../contract/kinds/haproxy.ts'
import type { Adapter, Target } from '../adapter.ts'
import type { AddressRules } from '../address.ts'
import { shownBy } from '../dial/certificate.ts'
import { check } from '../dial/check.ts'
import { dialTls } from '../dial/dial.ts'
import type { Reading } from '../reading.ts'

/** Any port that speaks TLS, whatever is said inside. */
export interface TlsTarget extends Target {
  readonly kind: 'tls'
  /** `host:port`. */
  readonly address: string
  /** The name that is asked for, and that the certificate has to have; default the host. */
  readonly servername?: string | undefined
}

/** Looks at a handshake and at the certificate that is shown in it. Nothing is counted: a drain of it ends unproven. */
export class TlsAdapter implements Adapter<TlsTarget> {
  readonly kind = 'tls'
  readonly #options: { timeoutMs: number; rules: AddressRules }
  readonly #closed = new AbortController()

  constructor(options: { timeoutMs: number; rules: AddressRules }) {
    this.#options = options
  }

  probe(target: TlsTarget): Promise<Reading> {
    const { address, servername, embedded, tls: material } = target
    const timeoutMs = target.timeoutMs ?? this.#options.timeoutMs
    const place = hostAndPort(address)
    const nameKey = servername === undefined ? 'address' : 'servername'
    const party = { url: `tls://${servername ?? address}`, tls: material, nameKey } as const
    return check(
      { timeoutMs, party, steps: ['connect', 'tls'], closed: this.#closed.signal },
      async (timings, signal) => {
        if (place === null)
          return { outcome: 'refused', status: null, reason: `${address} is no host with a port` }
        const there = { ...place, embedded }
        const secured = await dialTls(this.#options.rules, there, { servername, material }, timings, signal)
        const certificate = shownBy(secured)
        return certificate === null
          ? { outcome: 'tls', status: null, reason: 'it shows no certificate that could be read' }
          : { outcome: 'ok', status: null, reason: `shook hands by ${certificate.protocol}`, certificate }
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
