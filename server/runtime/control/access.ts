import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { AppError } from '../../contract/errors.ts'
import { sameSecret } from '../../wire/same-secret.ts'

const MIN_TOKEN_LENGTH = 16

/** Throws `ERR_ORIGIN` for requests from a web page: only servers and command lines call a node. */
export const refuseOrigin = (request: IncomingMessage): void => {
  if (request.headers.origin === undefined) return
  throw new AppError('ERR_ORIGIN', 'The control listener answers no web pages: the request carries an Origin')
}

/** Throws `ERR_UNAUTHENTICATED` unless the request carries the control token as bearer (RFC 6750 §2.1). */
export const requireToken = (request: IncomingMessage, token: string): void => {
  const given = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1]
  if (given !== undefined && sameSecret(given, token)) return
  throw new AppError(
    'ERR_UNAUTHENTICATED',
    given === undefined
      ? 'This call needs Authorization: Bearer <control token>'
      : 'The control token is wrong',
  )
}

const readToken = async (path: string): Promise<string | null> => {
  try {
    const token = (await readFile(path, 'utf8')).trim()
    return token.length >= MIN_TOKEN_LENGTH ? token : null
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw new AppError(
      'ERR_DATA_FOLDER',
      `The control token ${path} cannot be read`,
      { path },
      { cause: error },
    )
  }
}

/**
 * The token of a node without a configured one: that of `<data>/control-token` (0600), written where it is missing; without a
 * folder a fresh one. Throws `ERR_DATA_FOLDER`.
 */
export const ensureControlToken = async (
  dataDir: string | undefined,
): Promise<{ token: string; path: string | null }> => {
  const fresh = randomBytes(32).toString('base64url')
  if (dataDir === undefined) return { token: fresh, path: null }
  const path = join(dataDir, 'control-token')
  const known = await readToken(path)
  if (known !== null) return { token: known, path }
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 })
    const handle = await open(path, 'w', 0o600)
    try {
      await handle.chmod(0o600) // The mode above applies only to a new file.
      await handle.writeFile(`${fresh}\n`)
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw new AppError(
      'ERR_DATA_FOLDER',
      `The control token cannot be written to ${path}`,
      { path },
      { cause: error },
    )
  }
  return { token: fresh, path }
}
