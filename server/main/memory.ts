import { realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { type DataFolder, makeFolder, openDataFolder } from '../config/data-folder.ts'
import type { Environment } from '../config/environment.ts'
import { FolderLock } from '../config/folder-lock.ts'
import type { Config } from '../config/schema.ts'
import type { RoomProblem } from '../contract/fleet.ts'
import type { Log } from '../observe/log.ts'
import { databasePath } from '../store/connection.ts'
import { SqliteStore } from '../store/sqlite-store.ts'

/** How long things are kept, as the configuration names it. */
export const retentionOf = (config: Config | null) => ({
  ...(config?.retention.raw === undefined ? {} : { samplesMs: config.retention.raw }),
  ...(config?.retention.events === undefined ? {} : { eventsMs: config.retention.events }),
  ...(config?.retention.size === undefined ? {} : { maxBytes: config.retention.size }),
})

/** The demo never writes into a database that was configured for real use. */
export const storeUrl = (settings: Environment, config: Config | null, dataDir: string): string => {
  const named = config === null ? null : (settings.databaseUrl ?? config.store.url ?? null)
  return named ?? `file:${join(dataDir, 'tidegate.db')}`
}

/** @param intervalMs usual time between two polls of a node */
export const createStore = (
  settings: Environment,
  config: Config | null,
  dataDir: string,
  log: Log,
  intervalMs: number,
): SqliteStore =>
  new SqliteStore({
    url: storeUrl(settings, config, dataDir),
    log,
    expectedIntervalMs: intervalMs,
    retention: retentionOf(config),
  })

/**
 * Takes the data folder, and the database by a lock of its own: another server may have another folder and name this database.
 */
export const takeDataFolder = async (
  settings: Environment,
  config: Config | null,
  log: Log,
): Promise<DataFolder> => {
  const onWait = (owner: string | null) =>
    log.warn({ owner }, 'another process holds the data folder; its end is waited for, at most 10 s')
  const folder = await openDataFolder(settings.dataDir, config === null, settings.demoAsked, { onWait })
  const database = databasePath(storeUrl(settings, config, folder.path))
  try {
    makeFolder(dirname(database))
    const lock = await FolderLock.take(`${realPath(database)}.lock`, `the database ${database}`, { onWait })
    return {
      path: folder.path,
      release() {
        lock.release()
        folder.release()
      },
    }
  } catch (error) {
    folder.release()
    throw error
  }
}

/** One file has one lock, whichever link leads to it. */
const realPath = (file: string): string => {
  try {
    return realpathSync(file)
  } catch {
    // It does not exist yet, but its folder may be a link.
    return join(realpathSync(dirname(file)), basename(file))
  }
}

const loadedAt = new Date().toISOString()

/** What pages and the verdict say while the store does not record, or while some of it cannot be read. */
export const storeProblem = (store: SqliteStore): RoomProblem | null => {
  const { ok, reason, path, remedy, since, unreadable } = store.health()
  if (ok && unreadable !== undefined && unreadable.count > 0)
    return {
      code: 'store_rows_unreadable',
      text: `${unreadable.count === 1 ? 'A row of the database cannot be read and is' : `${unreadable.count} rows of the database cannot be read and are`} left out (${unreadable.example}).`,
      remedy:
        'Repair the row in a copy of the database, or restore a backup (docs/runbook.md, "The database is damaged").',
      since: loadedAt,
    }
  if (ok) return null
  return {
    code: 'store_not_recording',
    text: `Nothing is recorded: ${reason ?? 'the store cannot be used'}${path === undefined ? '' : ` (${path})`}.`,
    remedy: remedy ?? 'Look at the log of the server; it tries again by itself.',
    since: since ?? new Date().toISOString(),
  }
}
