import { searchEvents } from './event-search.ts'
import type { ReadTools } from './read-tools.ts'
import { addUpSteps, forgetSteps } from './series-steps.ts'

/** Rows of each table. Counting reads an index from end to end, so each table takes one turn. */
const countRows = async (tools: ReadTools, tables: readonly string[]): Promise<Record<string, number>> => {
  const counts: Record<string, number> = {}
  for (const table of tables) {
    const { rows } = await tools.run(`SELECT COUNT(*) FROM "${table}"`, [])
    counts[table] = Number(rows[0]?.[0] ?? 0)
  }
  return counts
}

/** The reads that consist of many statements, by name. */
export const READS = {
  events: searchEvents,
  series: addUpSteps,
  counts: countRows,
}

/** Forgets what was kept of earlier reads. */
export const forgetReads = (): void => forgetSteps()
