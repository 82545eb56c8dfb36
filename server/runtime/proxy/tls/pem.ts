import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { open } from 'node:fs/promises'

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g
/** All authorities that a system trusts take a quarter of it. */
const MAX_BYTES = 1024 * 1024

/** Whether a value is PEM itself, and not the path of a file. */
export const isPem = (value: string): boolean => value.includes('-----BEGIN ')

/** What cannot be used, in words that follow its name. */
export class PemFault extends Error {}

/** The text that a value stands for: itself, or the file that it names. Throws `PemFault`. */
export const pemText = async (value: string): Promise<string> => {
  if (isPem(value)) return value
  try {
    // A pipe would be waited for without end.
    const file = await open(value, 'r')
    try {
      const stat = await file.stat()
      if (!stat.isFile() || stat.size > MAX_BYTES) throw new Error('no small file')
      return await file.readFile('utf8')
    } finally {
      await file.close()
    }
  } catch {
    throw new PemFault(`names the file ${value}, which cannot be read`)
  }
}

/** The certificates of a PEM text, the first one's own first. Throws `PemFault`. */
export const certificatesIn = (text: string): X509Certificate[] => {
  const blocks = text.match(CERTIFICATE) ?? []
  if (blocks.length === 0)
    throw new PemFault('holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)')
  return blocks.map((block, index) => {
    try {
      return new X509Certificate(block)
    } catch {
      throw new PemFault(`holds a certificate, number ${index + 1}, that cannot be read`)
    }
  })
}

/** Certificates alone, a line break between each: OpenSSL passes over one that begins on the line where another ends, without a word. */
export const plainCertificates = (text: string): string => `${(text.match(CERTIFICATE) ?? []).join('\n')}\n`

/** The private key of a PEM text. Throws `PemFault`. */
export const keyIn = (text: string): KeyObject => {
  if (text.includes('ENCRYPTED'))
    throw new PemFault('holds a key that needs a passphrase; one without is read')
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text))
    throw new PemFault('holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)')
  try {
    return createPrivateKey(text)
  } catch {
    throw new PemFault('holds a key that cannot be read')
  }
}
