import type { Connection } from './connection.ts'
import type { Reader } from './reader.ts'
import type { HistoryDocument, HistoryEnd, HistoryState } from './store.ts'

const rowsPerStatement = 500

const LEFT: HistoryEnd['state'] = 'left'

const placeholders = (rows: number, columns: number): string =>
  new Array(rows).fill(`(${new Array(columns).fill('?').join(', ')})`).join(', ')

/** Stores judgements, and documents as nodes sent them, in one transaction. */
export const writeHistory = (
  connection: Connection,
  states: readonly (HistoryState | HistoryEnd)[],
  documents: readonly HistoryDocument[],
): Promise<void> =>
  connection.transaction(async (run) => {
    for (let start = 0; start < states.length; start += rowsPerStatement) {
      const rows = states.slice(start, start + rowsPerStatement)
      await run(
        `INSERT INTO "state_changes" ("scope", "at", "state", "intent", "problems") VALUES ${placeholders(rows.length, 5)}`,
        rows.flatMap(({ scope, at, state, intent, problems }) => [
          scope,
          Math.trunc(at),
          state,
          intent,
          JSON.stringify(problems),
        ]),
      )
    }
    for (const { node, at, data } of documents) {
      await run('INSERT INTO "health_documents" ("node", "at", "data") VALUES (?, ?, ?)', [
        node,
        Math.trunc(at),
        JSON.stringify(data),
      ])
    }
  })

const parsed = (text: unknown): unknown => {
  try {
    return JSON.parse(String(text))
  } catch {
    // Damaged on disk: what it said is not known, but the rest of the row is.
    return null
  }
}

/** Each scope's last judgement at or before `at` (epoch ms); a scope without one, or one that had left, is absent. */
export const readStatesAt = async (reader: Reader, at: number): Promise<HistoryState[]> => {
  const { rows } = await reader.lookUp(
    `WITH RECURSIVE "known" ("scope") AS (
      SELECT MIN("scope") FROM "state_changes"
      UNION ALL
      SELECT (SELECT MIN("s"."scope") FROM "state_changes" "s" WHERE "s"."scope" > "known"."scope") FROM "known" WHERE "known"."scope" IS NOT NULL
    )
    SELECT "s"."scope", "s"."at", "s"."state", "s"."intent", "s"."problems" FROM "known" JOIN "state_changes" "s"
      ON "s"."id" = (SELECT "id" FROM "state_changes" "l" WHERE "l"."scope" = "known"."scope" AND "l"."at" <= ? ORDER BY "l"."at" DESC, "l"."id" DESC LIMIT 1)`,
    [Math.trunc(at)],
  )
  return rows.flatMap(([scope, since, state, intent, problems]) => {
    if (state === LEFT) return []
    const said = parsed(problems)
    return {
      scope: String(scope),
      at: Number(since),
      state: state as HistoryState['state'],
      intent: intent as HistoryState['intent'],
      problems: Array.isArray(said) ? said.map(String) : [],
    }
  })
}

/** A node's newest document at `at` (epoch ms); null where there was none. */
export const readDocumentAt = async (
  reader: Reader,
  node: string,
  at: number,
): Promise<HistoryDocument | null> => {
  const { rows } = await reader.lookUp(
    'SELECT "at", "data" FROM "health_documents" WHERE "node" = ? AND "at" <= ? ORDER BY "at" DESC, "id" DESC LIMIT 1',
    [node, Math.trunc(at)],
  )
  const [row] = rows
  return row === undefined ? null : { node, at: Number(row[0]), data: parsed(row[1]) }
}
