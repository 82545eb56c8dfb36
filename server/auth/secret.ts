import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../contract/index.ts'

const read = (path: string): string | null => {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

/** The secret that signs session cookies: made once, kept in `<data>/auth-secret`, mode 0600. Throws `ERR_DATA_FOLDER`. */
export const authSecret = (dataDir: string): string => {
  const path = join(dataDir, 'auth-secret')
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    const kept = read(path)
    if (kept !== null && kept.length >= 32) {
      chmodSync(path, 0o600)
      return kept
    }
    const made = randomBytes(32).toString('base64url')
    try {
      writeFileSync(path, `${made}\n`, { mode: 0o600, flag: kept === null ? 'wx' : 'w' })
    } catch (error) {
      // Another start made it in this moment.
      const theirs = (error as NodeJS.ErrnoException).code === 'EEXIST' ? read(path) : null
      if (theirs !== null && theirs.length >= 32) return theirs
      throw error
    }
    return made
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new AppError(
      'ERR_DATA_FOLDER',
      `The secret for sessions cannot be kept in ${path}: ${why}`,
      { path },
      { cause },
    )
  }
}
