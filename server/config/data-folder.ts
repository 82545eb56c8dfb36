import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../contract/errors.ts'

export interface DataFolder {
  /** Where this kind of fleet keeps its things: the demo has a folder, and so a database, of its own. */
  readonly path: string
  release(): void
}

const CONFIGURED = 'configured'
const LOCK = 'collector.pid'

/**
 * Takes the data folder for one collector. Throws `ERR_DATA_FOLDER` in one sentence where it cannot be written, where another
 * collector uses it, or where it has held a real configuration and would now silently become a demo.
 */
export const openDataFolder = (root: string, demo: boolean, demoAsked: boolean): DataFolder => {
  const path = demo ? join(root, 'demo') : root
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
    const probe = join(path, '.writable')
    writeFileSync(probe, '')
    rmSync(probe)
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    throw new AppError(
      'ERR_DATA_FOLDER',
      `The data folder ${path} cannot be written (${reason}); set TIDEGATE_DATA to one that can`,
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
  const lock = takeLock(join(path, LOCK), path)
  if (!demo) writeFileSync(join(root, CONFIGURED), '')
  return { path, release: () => rmSync(lock, { force: true }) }
}

const takeLock = (file: string, path: string): string => {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx', mode: 0o600 })
      return file
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
      const owner = Number(readFileSync(file, 'utf8'))
      if (owner !== process.pid && isRunning(owner)) {
        throw new AppError(
          'ERR_DATA_FOLDER',
          `Another collector (process ${owner}) uses the data folder ${path}; stop it, or set TIDEGATE_DATA to another folder`,
          { path, process: owner },
        )
      }
      // Its owner was killed: the folder is free.
      rmSync(file, { force: true })
    }
  }
  throw new AppError('ERR_DATA_FOLDER', `The data folder ${path} is being taken by another collector`, {
    path,
  })
}

const isRunning = (pid: number): boolean => {
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
