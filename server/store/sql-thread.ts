import { pathToFileURL } from 'node:url'
import { parentPort } from 'node:worker_threads'
import { PrismaLibSql } from '@prisma/adapter-libsql'
import { forgetReads, READS, type ReadTools } from './reads.ts'
import { packFailure, type SqlReply, type SqlRequest, type SqlTable, type SqlValue } from './sql-message.ts'

/**
 * A thread that holds one connection to the database and does nothing else. libSQL works, and waits for the disk, on the thread
 * that calls it; here that thread is nobody's event loop. Statements are done in the order in which they come. A read of many
 * rows is cut into short statements, and between two of them everything else that waits gets its turn.
 */

type Client = ReturnType<PrismaLibSql['createClient']>

let client: Client | null = null

const opened = (): Client => {
  if (client === null) throw Object.assign(new Error('The database is not open'), { code: 'CLIENT_CLOSED' })
  return client
}

const execute = async (sql: string, args: unknown): Promise<SqlTable> => {
  const result = await opened().execute({ sql, args: (args ?? []) as SqlValue[] })
  const width = result.columns.length
  return {
    columns: [...result.columns],
    columnTypes: [...result.columnTypes],
    rows: result.rows.map((row) => Array.from({ length: width }, (_, index) => row[index])),
    rowsAffected: result.rowsAffected,
    lastInsertRowid: result.lastInsertRowid,
  }
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
      client?.close()
      client = null
      forgetReads()
      client = new PrismaLibSql({ url: '' }).createClient({ url: pathToFileURL(request.path).href })
      if (request.readOnly) {
        await client.execute('PRAGMA query_only = ON')
        await client.execute('PRAGMA busy_timeout = 1000')
      }
      return null
    case 'execute':
      return execute(request.sql, request.args)
    case 'script':
      await opened().executeMultiple(request.sql)
      return null
    case 'read':
      return read(request.name, request.input, request.budgetMs)
    case 'forget':
      forgetReads()
      return null
    case 'close':
      client?.close()
      client = null
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
