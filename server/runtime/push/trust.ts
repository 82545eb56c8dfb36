import { readFile } from 'node:fs/promises'
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls'
import { AppError } from '../../contract/errors.ts'

/** Whom a push session trusts: the built-in authorities and, where named, one more. Throws `ERR_CONFIG`. */
export const trustedContext = async (ca: string | undefined): Promise<SecureContext> => {
  if (ca === undefined) return createSecureContext({ minVersion: 'TLSv1.2' })
  try {
    return createSecureContext({
      minVersion: 'TLSv1.2',
      ca: [...getCACertificates('default'), await readFile(ca, 'utf8')],
    })
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new AppError('ERR_CONFIG', `push.ca "${ca}" is not a readable PEM file: ${why}`, { ca }, { cause })
  }
}
