import { createHash, randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AppError } from '../contract/index.ts'
import type { Log } from '../observe/log.ts'
import type { Connection } from './connection.ts'

export interface Migration {
  name: string
  sql: string
  /** SHA-256 of the file in hex, as Prisma records it. */
  checksum: string
}

export const migrationsFolder = fileURLToPath(new URL('../../prisma/migrations', import.meta.url))

/** The migrations of this version, oldest first. */
export const readMigrations = (folder: string = migrationsFolder): Migration[] =>
  readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort()
    .map((name) => {
      const file = readFileSync(join(folder, name, 'migration.sql'))
      return { name, sql: file.toString('utf8'), checksum: createHash('sha256').update(file).digest('hex') }
    })

/** Prisma's own table, column for column, so that its command line agrees with it. */
const recordTable = `CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
    "id"                    TEXT PRIMARY KEY NOT NULL,
    "checksum"              TEXT NOT NULL,
    "finished_at"           DATETIME,
    "migration_name"        TEXT NOT NULL,
    "logs"                  TEXT,
    "rolled_back_at"        DATETIME,
    "started_at"            DATETIME NOT NULL DEFAULT current_timestamp,
    "applied_steps_count"   INTEGER UNSIGNED NOT NULL DEFAULT 0
)`

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`

/** A database whose tables do not match its record of migrations, for example because the record was lost. */
const unfinished = (connection: Connection, name: string, cause: unknown): unknown => {
  const known = connection.translate(cause)
  if (known instanceof AppError) return known
  const why = cause instanceof Error ? cause.message : String(cause)
  const reason = `the database could not be brought to this version: ${name}: ${why}`
  return new AppError(
    'ERR_STORE_UNAVAILABLE',
    `The store is unavailable: ${reason} (${connection.path})`,
    { reason, path: connection.path, migration: name },
    { cause },
  )
}

/**
 * Brings the database to this version. Each migration is in one transaction with its record, so a crash leaves either both or neither.
 * Throws `ERR_DATABASE_NEWER` where it holds migrations that this version does not know.
 */
export const applyMigrations = async (
  connection: Connection,
  log: Log,
  migrations: Migration[] = readMigrations(),
): Promise<string[]> => {
  await connection.query(recordTable)
  const { rows } = await connection.query(
    'SELECT "migration_name", "checksum" FROM "_prisma_migrations" WHERE "finished_at" IS NOT NULL AND "rolled_back_at" IS NULL',
  )
  const applied = new Map(rows.map((row) => [String(row.migration_name), String(row.checksum)]))
  const known = new Set(migrations.map((migration) => migration.name))
  const unknown = [...applied.keys()].filter((name) => !known.has(name)).sort()
  if (unknown.length > 0) {
    throw new AppError(
      'ERR_DATABASE_NEWER',
      `The database ${connection.path} was made by a newer version (it holds ${unknown.join(', ')}); start that version, or use another data folder`,
      { path: connection.path, migrations: unknown },
    )
  }
  const done: string[] = []
  for (const migration of migrations) {
    const checksum = applied.get(migration.name)
    if (checksum !== undefined) {
      if (checksum !== migration.checksum)
        log.warn({ migration: migration.name }, 'this migration was edited after it was applied')
      continue
    }
    const now = Date.now()
    const record = [
      quoted(randomUUID()),
      quoted(migration.checksum),
      now,
      quoted(migration.name),
      now,
      1,
    ].join(', ')
    // Foreign keys cannot be switched within a transaction, and Prisma's table rebuilds need them off.
    try {
      await connection.script(`PRAGMA foreign_keys = OFF;
BEGIN IMMEDIATE;
${migration.sql.trim().replace(/;?$/, ';')}
INSERT INTO "_prisma_migrations" ("id", "checksum", "finished_at", "migration_name", "started_at", "applied_steps_count") VALUES (${record});
COMMIT;`)
    } catch (error) {
      throw unfinished(connection, migration.name, error)
    } finally {
      await connection.query('PRAGMA foreign_keys = ON')
    }
    done.push(migration.name)
  }
  if (done.length > 0) log.info({ migrations: done }, 'database migrated')
  return done
}
