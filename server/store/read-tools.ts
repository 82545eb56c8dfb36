import type { SqlTable, SqlValue } from './sql-message.ts'

/** What a read of many rows works with, on the thread of the reading connection. */
export interface ReadTools {
  /** One short statement. Others may get their turn first. */
  run(sql: string, args: readonly SqlValue[]): Promise<SqlTable>
  /** How much of this read's time is left, in ms. */
  leftMs(): number
}
