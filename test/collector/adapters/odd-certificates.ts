import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import type { Certificate } from './certificates.ts'

/** One value in DER (X.690). */
const der = (tag: number, ...parts: readonly (Buffer | string)[]): Buffer => {
  const body = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)))
  const size = body.length
  const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), body])
}
const sequence = (...parts: readonly Buffer[]): Buffer => der(0x30, ...parts)
const oid = (...bytes: readonly number[]): Buffer => der(0x06, Buffer.from(bytes))

const ECDSA_SHA256 = sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02))
const COMMON_NAME = oid(0x55, 0x04, 0x03)
const ALT_NAMES = oid(0x55, 0x1d, 0x11)
const CONSTRAINTS = oid(0x55, 0x1d, 0x13)
const UTF8 = 0x0c
const UTC_TIME = 0x17
const LONG_TIME = 0x18

const pem = (what: string, bytes: Buffer): string =>
  `-----BEGIN ${what}-----\n${(bytes.toString('base64').match(/.{1,64}/g) ?? []).join('\n')}\n-----END ${what}-----\n`

/** What a certificate says, byte by byte as nobody would write it. */
export interface OddFields {
  /** Bytes of its common name; absent: it has no name at all. */
  readonly name?: Buffer | string
  /** Its DNS names; absent: it names none. */
  readonly names?: readonly (Buffer | string)[]
  /** Its IP addresses, four bytes each. */
  readonly addresses?: readonly Buffer[]
  /** As the text that stands there; 15 characters and more are GeneralizedTime. */
  readonly from?: string
  readonly to?: string
}

/** Signs certificates that no tool would make. */
export class OddAuthority {
  readonly #key: KeyObject
  readonly cert: string

  constructor() {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    this.#key = privateKey
    const extension = sequence(
      CONSTRAINTS,
      der(0x01, Buffer.from([0xff])),
      der(0x04, sequence(der(0x01, Buffer.from([0xff])))),
    )
    this.cert = this.#signed({ name: 'Ops' }, publicKey, extension)
  }

  issue(fields: OddFields): Certificate {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const { names = [], addresses = [] } = fields
    const all = [...names.map((name) => der(0x82, name)), ...addresses.map((bytes) => der(0x87, bytes))]
    const extension = all.length === 0 ? null : sequence(ALT_NAMES, der(0x04, sequence(...all)))
    return {
      cert: this.#signed(fields, publicKey, extension),
      key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    }
  }

  #signed(fields: OddFields, key: KeyObject, extension: Buffer | null): string {
    const body = sequence(
      der(0xa0, der(0x02, Buffer.from([2]))),
      der(0x02, Buffer.from([1 + Math.floor(Math.random() * 100)])),
      ECDSA_SHA256,
      nameOf('Ops'),
      sequence(timeOf(fields.from ?? '260101000000Z'), timeOf(fields.to ?? '491231235959Z')),
      nameOf(fields.name),
      key.export({ type: 'spki', format: 'der' }),
      ...(extension === null ? [] : [der(0xa3, sequence(extension))]),
    )
    const signature = sign('sha256', body, this.#key)
    return pem('CERTIFICATE', sequence(body, ECDSA_SHA256, der(0x03, Buffer.from([0]), signature)))
  }
}

const nameOf = (name: Buffer | string | undefined): Buffer =>
  name === undefined ? sequence() : sequence(der(0x31, sequence(COMMON_NAME, der(UTF8, name))))

const timeOf = (text: string): Buffer => der(text.length >= 15 ? LONG_TIME : UTC_TIME, text)
