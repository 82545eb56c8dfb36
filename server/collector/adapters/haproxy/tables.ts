import type { NodeTable, TABLE_TONES } from '../../../contract/answers/node-table.ts'
import type { HaproxyAnswer } from './answer.ts'
import { isDisabled } from './facts.ts'
import { checkWords, serverState } from './server-state.ts'
import type { StatRow } from './statistics.ts'

const MAX_ROWS = 500
const MAX_WORD = 64
const MAX_CELL = 256

type Column = NodeTable['columns'][number]
type Row = NodeTable['rows'][number]

const SESSIONS: Column[] = [
  { key: 'sessions', label: 'Sessions', cell: 'count' },
  { key: 'total', label: 'Sessions in all', cell: 'count' },
]
const STATE: Column = { key: 'state', label: 'State', cell: 'state' }
const name = (label: string): Column => ({ key: 'name', label, cell: 'name' })

const FRONTENDS: Column[] = [
  name('Frontend'),
  STATE,
  ...SESSIONS,
  { key: 'up', label: 'Bytes in', cell: 'bytes' },
  { key: 'down', label: 'Bytes out', cell: 'bytes' },
]
const BACKENDS: Column[] = [
  name('Backend'),
  STATE,
  ...SESSIONS,
  { key: 'queue', label: 'Queue', cell: 'count' },
  { key: 'active', label: 'Servers up', cell: 'count' },
  { key: 'since', label: 'For', cell: 'duration' },
]
const SERVERS: Column[] = [
  name('Server'),
  STATE,
  ...SESSIONS,
  { key: 'queue', label: 'Queue', cell: 'count' },
  { key: 'weight', label: 'Weight', cell: 'count' },
  { key: 'check', label: 'Last check', cell: 'text' },
  { key: 'since', label: 'For', cell: 'duration' },
]

/** Frontends, backends and servers of an answer, as they are there. */
export const tablesOf = ({ rows, admin }: HaproxyAnswer): NodeTable[] => {
  const of = (sort: StatRow['sort']) => rows.filter((row) => row.sort === sort)
  return [
    table('frontends', 'Frontends', FRONTENDS, of('frontend'), (row) => ({
      state: word(isDisabled(row) ? 'drained' : row.status === 'OPEN' ? 'up' : 'unknown', row),
      up: row.numbers.bin ?? null,
      down: row.numbers.bout ?? null,
    })),
    table('backends', 'Backends', BACKENDS, of('backend'), (row) => ({
      state: word(
        row.status.startsWith('UP') ? 'up' : row.status.startsWith('DOWN') ? 'down' : 'unknown',
        row,
      ),
      queue: row.numbers.qcur ?? null,
      active: row.numbers.act === undefined ? null : row.numbers.act + (row.numbers.bck ?? 0),
      since: since(row),
    })),
    table('servers', 'Servers', SERVERS, of('server'), (row) => ({
      name: `${row.proxy}/${row.name}`.slice(0, MAX_CELL),
      state: word(toneOf(row, admin.get(row.name)), row),
      queue: row.numbers.qcur ?? null,
      weight: row.numbers.weight ?? null,
      check: checkWords(row).slice(0, MAX_CELL) || null,
      since: since(row),
    })),
  ].filter(({ total }) => total > 0)
}

const table = (
  id: string,
  title: string,
  columns: Column[],
  rows: readonly StatRow[],
  more: (row: StatRow) => Row,
): NodeTable => ({
  id,
  title,
  columns,
  rows: rows.slice(0, MAX_ROWS).map((row) => ({
    name: row.proxy,
    sessions: row.numbers.scur ?? null,
    total: row.numbers.stot ?? null,
    ...more(row),
  })),
  total: rows.length,
})

const toneOf = (row: StatRow, admin: number | undefined): (typeof TABLE_TONES)[number] => {
  const state = serverState(row, admin)
  if (state.kind === 'out') return (row.numbers.scur ?? 0) > 0 ? 'draining' : 'drained'
  if (state.kind === 'down') return 'down'
  // `UP 1/3`: checks fail, not often enough yet.
  return row.status === 'UP' || row.status === 'no check' ? 'up' : 'degraded'
}

const word = (tone: (typeof TABLE_TONES)[number], { status }: StatRow) => ({
  tone,
  word: status.slice(0, MAX_WORD),
})

/** Milliseconds since its state changed. */
const since = ({ numbers }: StatRow): number | null =>
  numbers.lastchg === undefined ? null : numbers.lastchg * 1_000
