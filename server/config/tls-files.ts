import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { resolve } from 'node:path'
import type { Problem } from '../contract/errors.ts'
import type { TlsMaterial } from '../contract/kinds/entry.ts'

type Written = Record<string, unknown>

const NAMES = ['ca', 'cert', 'key'] as const
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/**
 * The PEM files that entries of `nodes` name by `ca`, `cert` and `key`, for themselves and for their webhooks. Read and checked with the
 * file that names them, so that a wrong one is a mistake of the configuration and not a node that cannot be reached.
 */
export class TlsFiles {
  /** Files that were read, or should have been. */
  readonly files = new Set<string>()
  readonly #folder: string
  readonly #readFile: (path: string) => string
  /** By path: a thousand nodes may name one authority. Null where it cannot be read. */
  readonly #texts = new Map<string, string | null>()

  /** @param folder of the configuration file: paths are relative to it */
  constructor(folder: string, readFile: (path: string) => string) {
    this.#folder = folder
    this.#readFile = readFile
  }

  /** What is wrong with the files of the entries; `file` as it was written, perhaps of the wrong shape. */
  problemsIn(file: unknown): Problem[] {
    const nodes = (file as Written | null)?.nodes
    if (!Array.isArray(nodes)) return []
    return nodes.flatMap((entry: unknown, index) =>
      typeof entry === 'object' && entry !== null
        ? [
            ...this.#problemsOf(entry as Written, `nodes[${index}]`),
            ...this.#problemsOf(webhookOf(entry), `nodes[${index}].drain.webhook`),
          ]
        : [],
    )
  }

  /** The entry with what its files hold beside their names; the same where it names none. */
  withMaterial<T extends object>(entry: T): T & { tls?: TlsMaterial } {
    const tls = this.materialOf(entry)
    const webhook = webhookOf(entry)
    const hookTls = this.materialOf(webhook)
    return {
      ...entry,
      ...(tls === undefined ? {} : { tls }),
      ...(hookTls === undefined ? {} : { drain: { webhook: { ...webhook, tls: hookTls } } }),
    }
  }

  /** What the files of an entry hold; absent where it names none. */
  materialOf(entry: object): TlsMaterial | undefined {
    const named = NAMES.flatMap((name) => {
      const path = (entry as Written)[name]
      const text = typeof path === 'string' ? this.#textOf(path) : null
      return text === null ? [] : [[name, name === 'key' ? text : plainPem(text)] as const]
    })
    return named.length === 0 ? undefined : Object.fromEntries(named)
  }

  #problemsOf(entry: Written, at: string): Problem[] {
    const named = NAMES.filter((name) => typeof entry[name] === 'string' && entry[name] !== '')
    const [first] = named
    if (first === undefined) return []
    if (typeof entry.url === 'string' && /^http:/i.test(entry.url))
      return [
        {
          path: `${at}.${first}`,
          message: 'is for TLS, and url begins with http:, which sends everything in the clear; write https:',
        },
      ]
    const problems: Problem[] = []
    const read = <T>(name: (typeof NAMES)[number], parse: (text: string) => T | string): T | null => {
      const path = entry[name]
      if (typeof path !== 'string' || path === '') return null
      const text = this.#textOf(path)
      const parsed = text === null ? 'which cannot be read' : parse(text)
      if (typeof parsed !== 'string') return parsed
      problems.push({ path: `${at}.${name}`, message: `names the file ${path}, ${parsed}` })
      return null
    }
    read('ca', certificatesIn)
    const certificates = read('cert', certificatesIn)
    const key = read('key', keyIn)
    if (entry.key !== undefined && entry.cert === undefined)
      problems.push({
        path: `${at}.key`,
        message: 'has no cert beside it; a client certificate takes both, for example cert: ./collector.pem',
      })
    if (entry.cert !== undefined && entry.key === undefined)
      problems.push({
        path: `${at}.cert`,
        message: 'has no key beside it; a client certificate takes both, for example key: ./collector.key',
      })
    if (certificates?.[0] && key && !certificates[0].checkPrivateKey(key))
      problems.push({
        path: `${at}.key`,
        message: `names the file ${entry.key}, whose key is not that of the first certificate in ${entry.cert}`,
      })
    return problems
  }

  #textOf(name: string): string | null {
    const path = resolve(this.#folder, name)
    this.files.add(path)
    const known = this.#texts.get(path)
    if (known !== undefined) return known
    let text: string | null = null
    try {
      text = this.#readFile(path)
    } catch {
      // The reason does not matter to the person who has to mend it, and may say more about this machine than it should.
    }
    this.#texts.set(path, text)
    return text
  }
}

/** The webhook that an entry is drained by, perhaps of the wrong shape; empty where it names none. */
const webhookOf = (entry: object): Written => {
  const { drain } = entry as { drain?: unknown }
  const webhook = (drain as { webhook?: unknown } | null | undefined)?.webhook
  return typeof webhook === 'object' && webhook !== null ? (webhook as Written) : {}
}

/** Certificates alone, a line break between each: OpenSSL passes over one that begins on the line where another ends, without a word. */
const plainPem = (text: string): string => `${(text.match(CERTIFICATE) ?? []).join('\n')}\n`

/** The certificates of a PEM text, or what is wrong with it in words that follow its name. */
const certificatesIn = (text: string): X509Certificate[] | string => {
  const blocks = text.match(CERTIFICATE) ?? []
  if (blocks.length === 0) return 'which holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)'
  const certificates: X509Certificate[] = []
  for (const block of blocks) {
    try {
      certificates.push(new X509Certificate(block))
    } catch {
      return `of which certificate ${certificates.length + 1} cannot be read`
    }
  }
  return certificates
}

const keyIn = (text: string): KeyObject | string => {
  if (/ENCRYPTED/.test(text)) return 'whose key needs a passphrase; a key without one is read'
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text))
    return 'which holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)'
  try {
    return createPrivateKey(text)
  } catch {
    return 'whose key cannot be read'
  }
}
