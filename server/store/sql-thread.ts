import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { parentPort } from 'node:worker_threads'
import { AppError } from '../contract/errors.ts'
import type { ReadTools } from './read-tools.ts'
import { forgetReads, READS } from './reads.ts'
import { packFailure, type SqlReply, type SqlRequest, type SqlTable, type SqlValue } from './sql-message.ts'

/**
 * A thread that holds one connection to the database and does nothing else. SQLite works, and waits for the disk, on the thread that
 * calls it; here no event loop depends on that thread. Statements run in the order in which they come. A read of many rows is cut into
 * short statements, and everything else that waits gets its turn between two of them.
 */

/** Most rows of one answer: the largest one, all hosts of a fleet, has 200 000. */
const maxRows = 500_000

let database: DatabaseSync | null = null

const opened = (): DatabaseSync => {
  if (database === null) throw Object.assign(new Error('The database is not open'), { code: 'CLIENT_CLOSED' })
  return database
}

/** Names of SQLite's result codes (https://sqlite.org/rescode.html), as libSQL's client and Prisma's adapter know them. */
const RESULT_CODES = [
  'OK',
  'ERROR',
  'INTERNAL',
  'PERM',
  'ABORT',
  'BUSY',
  'LOCKED',
  'NOMEM',
  'READONLY',
  'INTERRUPT',
  'IOERR',
  'CORRUPT',
  'NOTFOUND',
  'FULL',
  'CANTOPEN',
  'PROTOCOL',
  'EMPTY',
  'SCHEMA',
  'TOOBIG',
  'CONSTRAINT',
  'MISMATCH',
  'MISUSE',
  'NOLFS',
  'AUTH',
  'FORMAT',
  'RANGE',
  'NOTADB',
]

/** An error of SQLite with its code by name, the lower byte of the number being the code itself. */
const named = (error: unknown): unknown => {
  const rawCode = (error as { errcode?: unknown } | null)?.errcode
  if (typeof rawCode !== 'number') return error
  return Object.assign(error as Error, {
    code: `SQLITE_${RESULT_CODES[rawCode & 0xff] ?? 'ERROR'}`,
    rawCode,
  })
}

const toSql = (value: unknown): SqlValue | Uint8Array => {
  if (typeof value === 'boolean') return value ? 1 : 0
  if (value instanceof Date) return value.getTime()
  if (value instanceof ArrayBuffer) return new Uint8Array(value)
  return (value ?? null) as SqlValue | Uint8Array
}

const fromSql = (value: unknown): unknown =>
  value instanceof Uint8Array
    ? value.buffer.slice(value.byteOffset, value.byteOffset + value.byteLength)
    : value

/** One by one, so that a statement that finds too much ends early: nothing could stop it from outside, and memory is limited. */
const rowsOf = (found: Iterable<unknown[]>): unknown[][] => {
  const rows: unknown[][] = []
  for (const row of found) {
    if (rows.length === maxRows)
      throw new AppError('ERR_CAPACITY', `A statement found more than ${maxRows} rows`, { limit: maxRows })
    rows.push(row.map(fromSql))
  }
  return rows
}

/** How many statements stay prepared: the same text comes again and again, for example for every node of a chart. */
const maxPrepared = 64
/** Longer ones list rows or names, and hardly ever repeat. */
const maxPreparedLength = 2_000
const prepared = new Map<string, Statement>()

/** `close` exists since Node.js 26, and the types do not have it yet. */
type Statement = StatementSync & { close(): void }

const prepare = (sql: string): Statement => {
  const known = prepared.get(sql)
  if (known !== undefined) {
    // Not in two hands, and gone where it fails.
    prepared.delete(sql)
    return known
  }
  const statement = opened().prepare(sql) as Statement
  statement.setReturnArrays(true)
  return statement
}

/** The memory of a statement is not part of the heap: unless it is closed, it is held until the next collection, which may take minutes. */
const putBack = (sql: string, statement: Statement): void => {
  if (sql.length > maxPreparedLength) {
    statement.close()
    return
  }
  prepared.set(sql, statement)
  for (const [oldest, unused] of prepared) {
    if (prepared.size <= maxPrepared) break
    prepared.delete(oldest)
    unused.close()
  }
}

const forgetPrepared = (): void => {
  for (const statement of prepared.values()) statement.close()
  prepared.clear()
}

const answerOf = (statement: Statement, args: unknown): SqlTable => {
  const columns = statement.columns()
  const values = ((args ?? []) as unknown[]).map(toSql)
  if (columns.length === 0) {
    const { changes, lastInsertRowid } = statement.run(...values)
    return {
      columns: [],
      columnTypes: [],
      rows: [],
      rowsAffected: Number(changes),
      lastInsertRowid: BigInt(lastInsertRowid),
    }
  }
  return {
    columns: columns.map(({ name }) => name),
    columnTypes: columns.map(({ type }) => type ?? ''),
    rows: rowsOf(statement.iterate(...values) as unknown as Iterable<unknown[]>),
    rowsAffected: 0,
    lastInsertRowid: undefined,
  }
}

/** Runs a statement once for each `width` arguments. What was done before one that fails is the transaction's to undo. */
const answerOfEach = (statement: Statement, args: readonly unknown[], width: number): SqlTable => {
  let rowsAffected = 0
  for (let start = 0; start < args.length; start += width) {
    const { changes } = statement.run(...(args.slice(start, start + width) as SqlValue[]))
    rowsAffected += Number(changes)
  }
  return { columns: [], columnTypes: [], rows: [], rowsAffected, lastInsertRowid: undefined }
}

const execute = (sql: string, args: unknown, width?: number): SqlTable => {
  let statement: Statement | null = null
  try {
    statement = prepare(sql)
    const table =
      width === undefined ? answerOf(statement, args) : answerOfEach(statement, args as unknown[], width)
    putBack(sql, statement)
    return table
  } catch (error) {
    statement?.close()
    throw named(error)
  }
}

/** A script brings its own transaction; one that failed in the middle leaves none open. */
const script = (sql: string): void => {
  // It may change tables.
  forgetPrepared()
  try {
    opened().exec(sql)
  } catch (error) {
    if (database?.isTransaction) database.exec('ROLLBACK')
    throw named(error)
  }
}

const open = (path: string, readOnly: boolean): void => {
  close()
  forgetReads()
  try {
    // Written to through another connection; this one only has to wait where a checkpoint needs everybody for a moment.
    database = new DatabaseSync(path, { timeout: readOnly ? 1_000 : 0 })
    if (readOnly) database.exec('PRAGMA query_only = ON')
    // The header is read by the first statement: a file that is not a database fails now.
    database.prepare('PRAGMA schema_version').get()
  } catch (error) {
    close()
    throw named(error)
  }
}

const close = (): void => {
  forgetPrepared()
  database?.close()
  database = null
}

/** Reads that wait for their next statement, first come, first served: one statement for each turn of the loop. */
const turns: (() => void)[] = []
const nextTurn = (): void => {
  turns.shift()?.()
  if (turns.length > 0) setImmediate(nextTurn)
}
const turn = (): Promise<void> =>
  new Promise((resolve) => {
    turns.push(resolve)
    if (turns.length === 1) setImmediate(nextTurn)
  })

const read = async (name: string, input: unknown, budgetMs: number): Promise<unknown> => {
  const startedAt = performance.now()
  const tools: ReadTools = {
    leftMs: () => budgetMs - (performance.now() - startedAt),
    run: async (sql, args) => {
      await turn()
      return execute(sql, args)
    },
  }
  const work = READS[name as keyof typeof READS] as (tools: ReadTools, input: unknown) => Promise<unknown>
  return work(tools, input)
}

const answer = async (request: SqlRequest): Promise<unknown> => {
  switch (request.op) {
    case 'open':
      open(request.path, request.readOnly)
      return null
    case 'execute':
      return execute(request.sql, request.args, request.width)
    case 'script':
      script(request.sql)
      return null
    case 'read':
      return read(request.name, request.input, request.budgetMs)
    case 'forget':
      forgetReads()
      return null
    case 'close':
      close()
      return null
  }
}

parentPort?.on('message', async ({ id, request }: { id: number; request: SqlRequest }) => {
  let reply: SqlReply
  try {
    reply = { id, value: await answer(request) }
  } catch (error) {
    reply = { id, failure: packFailure(error) }
  }
  parentPort?.postMessage(reply)
})
