import { createHash, createPrivateKey, generateKeyPair, type KeyObject, X509Certificate } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { z } from 'zod'
import type { AcmeConfig } from '../../../contract/acme-config.ts'
import { Turn } from '../../../time/turn.ts'
import { certificatesIn, plainCertificates } from '../tls/pem.ts'
import { AcmeFault } from './acme-fault.ts'
import { type AcmeAnswer, AcmeLink, contentOf, publicJwk } from './acme-link.ts'
import type { AcmeStore, StoredCertificate } from './acme-store.ts'
import { certificateRequest } from './certificate-request.ts'
import type { Challenges } from './challenges.ts'

const makeKeys = promisify(generateKeyPair)

const place = z.string().max(2048)
const saidSchema = z.object({ type: z.string().catch(''), detail: z.string().catch('') }).optional()
const orderSchema = z.object({
  status: z.string(),
  authorizations: z.array(place).max(16),
  finalize: place,
  certificate: place.optional(),
  error: saidSchema,
})
const challengeSchema = z.object({
  type: z.string(),
  url: place,
  token: z
    .string()
    .regex(/^[\w-]{1,256}$/)
    .optional(),
  error: saidSchema,
})
const authorizationSchema = z.object({ status: z.string(), challenges: z.array(challengeSchema).max(64) })

interface Account {
  readonly key: KeyObject
  readonly url: string
}

/** The account is not one: with the same key it can be made again (RFC 8555 §6.7). */
const isUnknownAccount = (error: unknown): boolean =>
  error instanceof AcmeFault && error.type === 'accountDoesNotExist'

const isRefusedAccount = (error: unknown): boolean =>
  isUnknownAccount(error) || (error instanceof AcmeFault && error.type === 'unauthorized')

/** Orders certificates of one authority, each for one name, by HTTP-01 (RFC 8555). Everything throws `AcmeFault`. */
export class Authority {
  readonly #config: AcmeConfig
  readonly #link: AcmeLink
  readonly #store: AcmeStore
  readonly #challenges: Challenges
  readonly #pollMs: number
  #account: Account | null = null
  /** Orders that begin at once make one account. */
  readonly #turn = new Turn()

  /** `ca`: PEM. `pollMs`: between two looks where the authority names no time. */
  constructor(
    config: AcmeConfig,
    ca: string | undefined,
    parts: { store: AcmeStore; challenges: Challenges; pollMs: number },
  ) {
    this.#config = config
    this.#link = new AcmeLink(config.directoryUrl, ca)
    this.#store = parts.store
    this.#challenges = parts.challenges
    this.#pollMs = parts.pollMs
  }

  /** The signal ends it at the next step. */
  async order(name: string, signal: AbortSignal): Promise<StoredCertificate> {
    try {
      return await this.#order(name, await this.#accountOf(signal), signal)
    } catch (error) {
      if (!isRefusedAccount(error)) throw error
      // It may have been put right on disk: the next order looks again.
      this.#account = null
      if (!isUnknownAccount(error)) throw error
      return await this.#order(name, await this.#accountOf(signal, true), signal)
    }
  }

  async #order(name: string, account: Account, signal: AbortSignal): Promise<StoredCertificate> {
    const post = (url: string, payload: object | null): Promise<AcmeAnswer> =>
      this.#link.post(url, payload, account.key, account.url, signal)
    const { newOrder } = await this.#link.directory(signal)
    const made = await post(newOrder, { identifiers: [{ type: 'dns', value: name }] }).catch((error) => {
      if (error instanceof AcmeFault && error.type === 'unauthorized')
        throw new AcmeFault(
          error.type,
          `the account was revoked or deactivated; take its file out of accounts/ to register another (${error.message})`,
        )
      throw error
    })
    const url = made.location
    if (url === null) throw new AcmeFault('malformedAnswer', 'its order has no place')
    let order = contentOf(made, orderSchema)
    if (order.status === 'pending')
      for (const authorization of order.authorizations)
        await this.#prove(authorization, account, post, signal)
    order = await this.#until(url, post, ['ready', 'processing', 'valid'], signal)
    const { privateKey, publicKey } = await makeKeys('ec', { namedCurve: 'P-256' })
    if (order.status !== 'ready')
      throw new AcmeFault('malformedAnswer', `its order is ${order.status} already`)
    const csr = certificateRequest(name, publicKey, privateKey).toString('base64url')
    await post(order.finalize, { csr })
    order = await this.#until(url, post, ['valid'], signal)
    if (order.certificate === undefined)
      throw new AcmeFault('malformedAnswer', 'its order has no certificate')
    const cert = givenIn(await post(order.certificate, null))
    const [own] = certificatesIn(cert)
    if (!own?.checkPrivateKey(privateKey) || !new X509Certificate(own.raw).checkHost(name))
      throw new AcmeFault('malformedAnswer', 'its certificate is not the one that was ordered')
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    return { directoryUrl: this.#config.directoryUrl, cert, key }
  }

  /** Shows that the name is served here. */
  async #prove(
    url: string,
    { key }: Account,
    post: (url: string, payload: object | null) => Promise<AcmeAnswer>,
    signal: AbortSignal,
  ): Promise<void> {
    const found = contentOf(await post(url, null), authorizationSchema)
    if (found.status === 'valid') return
    const challenge = found.challenges.find(({ type }) => type === 'http-01')
    if (challenge?.token === undefined) throw new AcmeFault('malformedAnswer', 'it offers no http-01')
    const { token } = challenge
    const thumbprint = createHash('sha256')
      .update(JSON.stringify(publicJwk(key)))
      .digest('base64url')
    this.#challenges.add(token, `${token}.${thumbprint}`)
    try {
      await post(challenge.url, {})
      for (;;) {
        const answer = await post(url, null)
        const { status, challenges } = contentOf(answer, authorizationSchema)
        if (status === 'valid') return
        if (status !== 'pending') {
          const why = challenges.find(({ error }) => error)?.error
          throw new AcmeFault(why?.type ?? status, `the name could not be proved: ${why?.detail ?? status}`)
        }
        await this.#pause(answer, signal)
      }
    } finally {
      this.#challenges.remove(token)
    }
  }

  async #until(
    url: string,
    post: (url: string, payload: object | null) => Promise<AcmeAnswer>,
    wanted: readonly string[],
    signal: AbortSignal,
  ): Promise<z.infer<typeof orderSchema>> {
    for (;;) {
      const answer = await post(url, null)
      const order = contentOf(answer, orderSchema)
      if (wanted.includes(order.status)) return order
      if (order.status === 'invalid') {
        const { type = 'invalid', detail = 'no reason' } = order.error ?? {}
        throw new AcmeFault(type, `the order was refused: ${detail}`)
      }
      await this.#pause(answer, signal)
    }
  }

  async #pause(answer: AcmeAnswer, signal: AbortSignal): Promise<void> {
    await sleep(Math.min(answer.retryAfterMs ?? this.#pollMs, 60_000), undefined, { signal })
  }

  /** `anew`: registered again, with the key that there is. */
  #accountOf(signal: AbortSignal, anew = false): Promise<Account> {
    return this.#turn.run(async () => {
      if (this.#account) return this.#account
      const { directoryUrl, email } = this.#config
      const stored = await this.#store.account(directoryUrl)
      const key = stored
        ? createPrivateKey(stored.key)
        : (await makeKeys('ec', { namedCurve: 'P-256' })).privateKey
      if (stored && !anew) {
        this.#account = { key, url: stored.url }
        return this.#account
      }
      const { newAccount } = await this.#link.directory(signal)
      const wish = {
        termsOfServiceAgreed: true,
        ...(email === undefined ? {} : { contact: [`mailto:${email}`] }),
      }
      const { location: url } = await this.#link.post(newAccount, wish, key, null, signal)
      if (url === null) throw new AcmeFault('malformedAnswer', 'its account has no place')
      const pem = key.export({ type: 'pkcs8', format: 'pem' }).toString()
      await this.#store.keepAccount({ directoryUrl, url, key: pem })
      this.#account = { key, url }
      return this.#account
    })
  }

  /** What is under way is cut. */
  async destroy(): Promise<void> {
    await this.#link.destroy()
  }
}

const givenIn = (answer: AcmeAnswer): string => {
  try {
    const text = answer.body.toString()
    certificatesIn(text)
    return plainCertificates(text)
  } catch {
    throw new AcmeFault('malformedAnswer', 'it gave no certificate that can be read')
  }
}
