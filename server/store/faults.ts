/** Why a store cannot be used, and what to do about it. */
interface Fault {
  reason: string
  remedy: string
  /** Stays until the file is replaced: one successful write says nothing about the rest. */
  lasting?: true
}

const disk = 'Free space on its disk, or look for errors of the disk; it goes on by itself.'
const restore =
  'Stop the server, keep a copy of the file, and put a backup in its place (docs/runbook.md, "The database is damaged").'
const owner =
  'Give the file and its folder to the user of the server, with permission to write; it goes on by itself.'
const locked = 'Find what else has the file open, for example with fuser, and end it; it goes on by itself.'

/** SQLite result codes (https://sqlite.org/rescode.html) that say the store is ill, not that the statement is wrong. */
const BY_CODE: Record<string, Fault> = {
  SQLITE_BUSY: { reason: 'the database is locked by another process', remedy: locked },
  SQLITE_LOCKED: { reason: 'the database is locked', remedy: locked },
  SQLITE_READONLY: { reason: 'the database cannot be written', remedy: owner },
  SQLITE_IOERR: { reason: 'the disk gave an I/O error', remedy: disk },
  SQLITE_CORRUPT: { reason: 'the database is damaged', remedy: restore, lasting: true },
  SQLITE_NOTADB: { reason: 'the file is not a database', remedy: restore, lasting: true },
  SQLITE_FULL: { reason: 'the disk is full', remedy: disk },
  SQLITE_CANTOPEN: { reason: 'the database file cannot be opened', remedy: owner },
  SQLITE_PERM: { reason: 'the database file may not be used by this user', remedy: owner },
  SQLITE_PROTOCOL: { reason: 'the database could not be locked', remedy: locked },
}

/** System errors while the file was created. */
const BY_ERRNO: Record<string, Fault> = {
  ENOSPC: BY_CODE.SQLITE_FULL as Fault,
  EDQUOT: BY_CODE.SQLITE_FULL as Fault,
  EFBIG: BY_CODE.SQLITE_FULL as Fault,
  EIO: BY_CODE.SQLITE_IOERR as Fault,
}

export const fileGone = 'the database file is gone from its place'
export const diskSilent = 'the disk does not answer'

const REMEDIES: Record<string, string> = {
  ...Object.fromEntries(Object.values(BY_CODE).map(({ reason, remedy }) => [reason, remedy])),
  [fileGone]: 'Put the file back, or restart the server to begin a new one.',
  [diskSilent]: 'Look at the disk: a write to it has not ended; it goes on by itself.',
}

const codeOf = (error: unknown): string | null => {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : null
}

/** The fault that an error of the database means, or null. */
export const faultOf = (error: unknown): Fault | null => {
  const code = codeOf(error)
  if (code === null) return null
  // Extended codes such as SQLITE_IOERR_WRITE say where it happened.
  const primary = /^SQLITE_[A-Z]+/.exec(code)?.[0]
  return BY_ERRNO[code] ?? (primary === undefined ? null : (BY_CODE[primary] ?? null))
}

/** One sentence: what to do. */
export const remedyOf = (reason: string): string =>
  REMEDIES[reason] ?? 'Look at the log of the server; it tries again by itself.'
