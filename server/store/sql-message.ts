import { AppError, type ErrorCode } from '../contract/errors.ts'

export type SqlValue = string | number | bigint | null

/** The result of a statement, as it crosses to another thread: rows by position. */
export interface SqlTable {
  columns: string[]
  columnTypes: string[]
  rows: unknown[][]
  rowsAffected: number
  lastInsertRowid: bigint | undefined
}

/** What may be asked of a thread that holds one connection. */
export type SqlRequest =
  | { op: 'open'; path: string; readOnly: boolean }
  /** `width`: the statement runs once for each so many arguments, and answers no rows. */
  | { op: 'execute'; sql: string; args: unknown; width?: number | undefined }
  | { op: 'script'; sql: string }
  | { op: 'read'; name: string; input: unknown; budgetMs: number }
  | { op: 'forget' }
  | { op: 'close' }

/** An error on its way between threads: structured cloning keeps only the message. */
export interface SqlFailure {
  name: string
  message: string
  code: string | null
  rawCode: number | undefined
  facts: Record<string, unknown> | null
}

export type SqlReply = { id: number; value: unknown } | { id: number; failure: SqlFailure }

export const packFailure = (error: unknown): SqlFailure => {
  const { code, rawCode } = (error ?? {}) as { code?: unknown; rawCode?: unknown }
  return {
    name: error instanceof Error ? error.name : 'Error',
    message: error instanceof Error ? error.message : String(error),
    code: typeof code === 'string' ? code : null,
    rawCode: typeof rawCode === 'number' ? rawCode : undefined,
    facts: error instanceof AppError ? error.facts : null,
  }
}

/** The same error on this side: an `AppError` again, or one with the fields by which Prisma's adapter knows the driver's own. */
export const unpackFailure = (failure: SqlFailure): Error => {
  if (failure.facts !== null) return new AppError(failure.code as ErrorCode, failure.message, failure.facts)
  const error = new Error(failure.message)
  error.name = failure.name
  return Object.assign(
    error,
    failure.code === null ? {} : { code: failure.code },
    failure.rawCode === undefined ? {} : { rawCode: failure.rawCode },
  )
}
