import type { SqlTable, SqlValue } from './sql-message.ts'

/** What a read of many rows works with, on the thread of the reading connection. */
export interface ReadTools {
  /** One short statement. Others get their turn before it. */
  run(sql: string, args: readonly SqlValue[]): Promise<SqlTable>
  /** What is left of the time that this read may take, in ms. */
  leftMs(): number
}
