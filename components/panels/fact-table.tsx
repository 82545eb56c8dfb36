'use client'

import { useMemo } from 'react'
import type { NodeTable } from '@/server/contract/answers/node-table.ts'
import { useKnown } from '../data/known.ts'
import { type Column, DataTable } from '../ui/data-table.tsx'
import { formatBytes, formatDuration, formatNumber, UNKNOWN } from '../ui/format.ts'
import { StateGlyph } from '../ui/state-glyph.tsx'
import { STATE_TEXT } from '../ui/state-mark.tsx'
import { Time } from '../ui/time.tsx'

type TableColumn = NodeTable['columns'][number]
type Row = NodeTable['rows'][number]
type Cell = Row[string]

const NUMERIC = new Set<TableColumn['cell']>(['count', 'bytes', 'duration', 'share'])

/** What a program knows beside its numbers, as its adapter put it into rows and columns. */
export function FactTable({ table }: { table: NodeTable }) {
  const columns = useMemo(() => {
    // A column without a single known value is left out.
    const isKnown = ({ key }: TableColumn): boolean => table.rows.some((row) => (row[key] ?? null) !== null)
    return table.columns.filter(isKnown).map(columnOf)
  }, [table])
  const keyed = useMemo(
    () => table.rows.map((row, index) => ({ ...row, [ROW]: String(index) })),
    [table.rows],
  )
  if (table.total === 0) return <p className="text-soft">There are none.</p>
  return (
    <>
      <DataTable label={table.title} columns={columns} rows={keyed} rowKey={(row) => String(row[ROW])} />
      {table.total > table.rows.length && (
        <p className="mt-2 text-faint">
          The first {formatNumber(table.rows.length)} of {formatNumber(table.total)}.
        </p>
      )}
    </>
  )
}

/** A key that no adapter uses. */
const ROW = '#'

const columnOf = ({ key, label, cell }: TableColumn): Column<Row> => ({
  name: label,
  numeric: NUMERIC.has(cell),
  ...(cell === 'name' ? { stays: 'left' as const } : {}),
  by: (row) => sortedBy(row[key]),
  cell: (row) => <FactCell kind={cell} value={row[key] ?? null} />,
})

const sortedBy = (value: Cell | undefined): string | number | null =>
  value === null || value === undefined ? null : typeof value === 'object' ? value.word : value

function FactCell({ kind, value }: { kind: TableColumn['cell']; value: Cell }) {
  if (value === null) return <span title="not known">{UNKNOWN}</span>
  if (typeof value === 'object') return <ToneMark tone={value.tone} word={value.word} />
  if (typeof value === 'string')
    return kind === 'name' ? <span className="num font-medium">{value}</span> : value
  switch (kind) {
    case 'bytes':
      return formatBytes(value)
    case 'duration':
      return formatDuration(value)
    case 'share':
      return `${formatNumber(value * 100)}\u202f%`
    case 'time':
      return <Time at={value} as="full" />
    default:
      return formatNumber(value)
  }
}

/** The program's own word, in the colour and shape of the state of ours that it is like. */
function ToneMark({ tone, word }: { tone: keyof typeof STATE_TEXT; word: string }) {
  const { known } = useKnown()
  const shown = known ? tone : 'unknown'
  return (
    <span className={`inline-flex items-center gap-1.5 whitespace-nowrap font-medium ${STATE_TEXT[shown]}`}>
      <StateGlyph shape={shown} />
      {word}
    </span>
  )
}
