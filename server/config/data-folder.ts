import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { AppError } from '../contract/errors.ts'
import { FolderLock, type LockOptions } from './folder-lock.ts'

export interface DataFolder {
  /** Where this kind of fleet keeps its things: the demo has a folder, and so a database, of its own. */
  readonly path: string
  release(): void
}

const CONFIGURED = 'configured'
const LOCK = 'tidegate.lock'
/** What the version before wrote: a number that a reboot gives to somebody else. */
const OLD_LOCK = 'collector.pid'

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : 'unknown'

/** Nothing fits on the disk, in the quota, or in the limit of a file: the folder itself is fine, and the store says what is wrong. */
const isFull = (error: unknown): boolean => ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(codeOf(error))

/**
 * Makes a folder and those above it, one level at a time: Node's own `recursive` never returns where a file system takes no folders
 * (`/proc`). Throws what the file system says.
 */
export const makeFolder = (path: string): void => {
  const whole = resolve(path)
  if (existsSync(whole)) return
  makeFolder(dirname(whole))
  try {
    mkdirSync(whole, { mode: 0o700 })
  } catch (error) {
    // Somebody else was quicker.
    if (codeOf(error) !== 'EEXIST') throw error
  }
}

/**
 * Takes the data folder for one collector, and waits up to 10 s for one that is just ending. Throws `ERR_DATA_FOLDER` in one
 * sentence where the folder cannot be written or another collector uses it, `ERR_CONFIG` where it has held a real configuration
 * and would now silently become a demo. A full disk is no reason: the room then comes up and says so.
 */
export const openDataFolder = async (
  root: string,
  demo: boolean,
  demoAsked: boolean,
  options: LockOptions = {},
): Promise<DataFolder> => {
  const path = demo ? join(root, 'demo') : root
  try {
    makeFolder(path)
    const probe = join(path, '.writable')
    try {
      writeFileSync(probe, '')
    } catch (error) {
      if (!isFull(error)) throw error
    }
    rmSync(probe, { force: true })
  } catch (error) {
    throw new AppError(
      'ERR_DATA_FOLDER',
      `The data folder ${path} cannot be written (${codeOf(error)}); set TIDEGATE_DATA to one that can`,
      { path },
      { cause: error },
    )
  }
  if (demo && !demoAsked && existsSync(join(root, CONFIGURED))) {
    throw new AppError(
      'ERR_CONFIG',
      `${root} has held a real configuration, and none is named now; set TIDEGATE_CONFIG to it, or TIDEGATE_DEMO=1 for the demo fleet`,
      { path: root },
    )
  }
  const lock = await FolderLock.take(join(path, LOCK), `the data folder ${path}`, options)
  rmSync(join(path, OLD_LOCK), { force: true })
  if (!demo) {
    try {
      writeFileSync(join(root, CONFIGURED), '')
    } catch (error) {
      if (!isFull(error)) {
        lock.release()
        throw error
      }
    }
  }
  return { path, release: () => lock.release() }
}
