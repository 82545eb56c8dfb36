import { createHash, createHmac, randomBytes } from 'node:crypto'
import { sameBytes } from '../wire/same-secret.ts'
import { type AccessRequest, headerOf } from './request.ts'

/** How long a device is known after its last sign-in, in seconds: half a year. */
const maxAgeSeconds = 180 * 24 * 60 * 60

const COOKIE = /^([\w-]{22})\.([0-9a-z]{1,11})\.([\w-]{43})$/

/**
 * A cookie by which a browser that has signed in as somebody is known again. It opens nothing: it only keeps others' wrong guesses
 * from locking its owner out (the device cookies of OWASP's notes on online guessing). It is signed, bound to the account, and
 * named after it, so that people who share a browser do not lose theirs.
 */
export class DeviceCookie {
  readonly #key: Buffer
  readonly #prefix: string
  readonly #now: () => number

  /** @param prefix as of the session's cookie: it keeps servers on one machine apart */
  constructor(options: { secret: string; prefix: string; now: () => number }) {
    this.#key = createHmac('sha256', options.secret).update('tidegate device cookie').digest()
    this.#prefix = options.prefix
    this.#now = options.now
  }

  /** The device's id where it has signed in as this account before; else null. */
  deviceOf(request: AccessRequest, account: string): string | null {
    const prefix = `${this.#nameFor(account)}=`
    for (const part of (headerOf(request, 'cookie') ?? '').split(';')) {
      const cookie = part.trim()
      if (!cookie.startsWith(prefix)) continue
      const [, id = '', issued = '', signature = ''] = COOKIE.exec(cookie.slice(prefix.length)) ?? []
      const expected = this.#sign(account, id, issued)
      if (!sameBytes(Buffer.from(signature), Buffer.from(expected))) continue
      const age = this.#now() / 1_000 - Number.parseInt(issued, 36)
      return age <= maxAgeSeconds ? id : null
    }
    return null
  }

  /** The value of `Set-Cookie` for a device that has just signed in. Its id stays, so that its count does too. */
  issue(account: string, id: string | null, secure: boolean): string {
    const device = id ?? randomBytes(16).toString('base64url')
    const issued = Math.floor(this.#now() / 1_000).toString(36)
    const value = `${device}.${issued}.${this.#sign(account, device, issued)}`
    return `${this.#nameFor(account)}=${value}; Max-Age=${maxAgeSeconds}; Path=/api/auth; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`
  }

  #nameFor(account: string): string {
    return `${this.#prefix}.device-${createHash('sha256').update(account).digest('hex').slice(0, 12)}`
  }

  #sign(account: string, id: string, issued: string): string {
    return createHmac('sha256', this.#key)
      .update(JSON.stringify([account, id, issued]))
      .digest('base64url')
  }
}
