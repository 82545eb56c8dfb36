import type { SecureContext } from 'node:tls'
import type { AcmeConfig } from '../../../contract/acme-config.ts'
import { AppError } from '../../../contract/errors.ts'
import type { ProxyHealth } from '../../../contract/health.ts'
import type { PartContext } from '../../part/part.ts'
import { certificatesIn, PemFault, pemText, plainCertificates } from '../tls/pem.ts'
import { AcmeFault } from './acme-fault.ts'
import { AcmeStore } from './acme-store.ts'
import { Authority } from './authority.ts'
import { AUTO_TIMINGS, AutoCertificate, type AutoTimings } from './auto-certificate.ts'
import { Challenges } from './challenges.ts'

const LOOK_EVERY_MS = 1_000
/** A name whose order hangs takes one of them until its time is over. */
const MAX_ORDERS = 16
const MAX_NAMED = 3

/**
 * The certificates of routes with `certificate: auto`. Each name has its own, its own order and its own waits, so that one that cannot be had keeps
 * no other waiting. Orders begin once ports listen; until then, and until the first is had, clients get an alert.
 */
export class AutoCertificates {
  readonly challenges = new Challenges()
  readonly #config: AcmeConfig
  readonly #context: PartContext
  readonly #timings: AutoTimings
  readonly #store: AcmeStore
  readonly #known = new Map<string, AutoCertificate>()
  #wanted: readonly AutoCertificate[] = []
  #authority: Authority | null = null
  readonly #running = new Map<AutoCertificate, AbortController>()
  #timer: NodeJS.Timeout | null = null
  #closed = false

  constructor(config: AcmeConfig, context: PartContext, timings: Partial<AutoTimings> = {}) {
    this.#config = config
    this.#context = context
    this.#timings = { ...AUTO_TIMINGS, ...timings }
    this.#store = new AcmeStore(config.store, context.log)
  }

  /** Makes ready what routes are about to ask for: what the store has is there at once. Throws `ERR_DATA_FOLDER`, `ERR_INVALID`. */
  async load(names: readonly string[]): Promise<void> {
    if (names.length === 0) return
    await this.#store.open()
    const { challenges } = this
    const parts = { store: this.#store, challenges, pollMs: this.#timings.pollMs }
    this.#authority ??= new Authority(this.#config, await this.#ca(), parts)
    for (const name of names) {
      if (this.#known.has(name)) continue
      const certificate = new AutoCertificate(name, this.#timings)
      const stored = await this.#store.certificate(name)
      if (stored && !certificate.take(stored))
        this.#context.log.warn(
          { name },
          'the stored certificate is for another name, or no good; one is ordered',
        )
      this.#known.set(name, certificate)
    }
  }

  /** PEM of the authorities that the directory is trusted by. */
  async #ca(): Promise<string | undefined> {
    const { ca } = this.#config
    if (ca === undefined) return undefined
    try {
      const text = await pemText(ca)
      certificatesIn(text)
      return plainCertificates(text)
    } catch (error) {
      if (!(error instanceof PemFault)) throw error
      const problems = [{ path: 'acme.ca', message: error.message }]
      throw new AppError('ERR_INVALID', 'Certificates cannot be had', { problems })
    }
  }

  /** What a name shows; as it is at each handshake. */
  endOf(
    name: string,
    minVersion: '1.2' | '1.3',
    alpn: readonly string[] | null,
  ): { readonly context: SecureContext | null; readonly alpn: readonly string[] | null } {
    const certificate = this.#known.get(name)
    if (!certificate) throw new Error(`the certificate of ${name} was not loaded`)
    return {
      get context() {
        return certificate.context(minVersion)
      },
      alpn,
    }
  }

  /** From now on these and no others are kept. */
  want(names: readonly string[]): void {
    const wanted = new Set(names)
    for (const [name, certificate] of this.#known) {
      if (wanted.has(name)) continue
      this.#known.delete(name)
      this.#running.get(certificate)?.abort()
    }
    this.#wanted = [...this.#known.values()]
    if (this.#timer) this.#look()
  }

  /** Ports listen: orders may begin. */
  go(): void {
    if (this.#closed || this.#timer) return
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS).unref()
    this.#look()
  }

  /** Ports are about to listen no longer, and names could not be proved. Orders end, and count as nothing. */
  pause(): void {
    if (this.#timer) clearInterval(this.#timer)
    this.#timer = null
    for (const stop of this.#running.values()) stop.abort()
  }

  #look(): void {
    const { directoryUrl, renewDays } = this.#config
    const now = performance.now()
    for (const certificate of this.#wanted) {
      if (this.#running.size >= MAX_ORDERS) return
      if (!this.#running.has(certificate) && certificate.isDue(directoryUrl, renewDays, now))
        void this.#order(certificate)
    }
  }

  /** Never rejects. */
  async #order(certificate: AutoCertificate): Promise<void> {
    const authority = this.#authority
    if (!authority) return
    const { name } = certificate
    const stop = new AbortController()
    this.#running.set(certificate, stop)
    const limit = AbortSignal.any([stop.signal, AbortSignal.timeout(this.#timings.orderLimitMs)])
    try {
      const given = await authority.order(name, limit)
      // What was given is kept also where nobody waits for it any more: there are only so many a week.
      const own = certificate.take(given)
      if (!own) throw new AcmeFault('malformedAnswer', 'it gave a certificate that cannot be used for TLS')
      certificate.succeeded(performance.now())
      await this.#store.keepCertificate(name, given)
      const notAfter = own.validToDate.toISOString()
      this.#context.log.info({ name, notAfter }, 'a certificate was issued')
      this.#context.emit('certificate.issued', { domains: [name], notAfter })
    } catch (error) {
      if (stop.signal.aborted) return
      const reason = certificate.failed(error, performance.now())
      this.#context.log.warn({ name, reason }, 'a certificate could not be had')
      this.#context.emit('certificate.failed', { domains: [name], reason })
    } finally {
      this.#running.delete(certificate)
      if (this.#timer) this.#look()
    }
  }

  shown(): NonNullable<ProxyHealth['certificates']> {
    return this.#wanted.map((certificate) => certificate.shown())
  }

  /** What is wrong now, by a key that stays. */
  problems(): Map<string, string> {
    const found = new Map<string, string>()
    const without = this.#wanted.filter(({ isValid }) => !isValid)
    if (without.length > 0) {
      const names = without.slice(0, MAX_NAMED).map(({ name }) => name)
      const more = without.length > MAX_NAMED ? ` and ${without.length - MAX_NAMED} more` : ''
      const failure = without.find((it) => it.failure)?.failure
      const why = failure ? `; ${failure.reason}` : ''
      found.set('proxy.certificate', `There is no valid certificate for ${names.join(', ')}${more}${why}`)
    }
    const store = this.#store.problem
    if (store !== null) found.set('proxy.certificate_store', store)
    return found
  }

  async destroy(): Promise<void> {
    this.#closed = true
    this.pause()
    await this.#authority?.destroy()
  }
}
