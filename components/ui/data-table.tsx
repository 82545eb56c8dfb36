'use client'

import {
  type ColumnDef,
  getCoreRowModel,
  getSortedRowModel,
  type RowData,
  type SortingState,
  type Row as TableRow,
  useReactTable,
} from '@tanstack/react-table'
import { useVirtualizer } from '@tanstack/react-virtual'
import { memo, type ReactNode, useMemo, useRef, useState } from 'react'
import { byName } from './by-name.ts'

/** One column of a table over `Row`. */
export interface Column<Row> {
  /** The text of the head, which names the column. */
  name: string
  cell: (row: Row) => ReactNode
  /** What rows are sorted by; a column without it cannot be sorted. What is not known (null) comes last either way. */
  by?: (row: Row) => string | number | null | undefined
  /** Figures are aligned to the right, and sorting begins with the largest. */
  numeric?: boolean
  className?: string | ((row: Row) => string)
  /** The full text of a cell that is cut. */
  title?: (row: Row) => string | undefined
  /** A class, where only the rows on screen exist: such a table has a fixed layout. */
  width?: string
  /** The edge at which it stays on a phone while the others scroll: what a row is about at the left, what can be done at the right. */
  stays?: 'left' | 'right'
  /** The head says its name to screen readers alone. */
  silent?: boolean
}

/** Above this the table scrolls within itself, under a head that stays. */
const TALL_ROWS = 30
const VIRTUAL_ROW_PX = 40

const PLAIN =
  'w-full min-w-max border-collapse [&_td.num]:text-right [&_td]:h-9 [&_td]:border-hairline [&_td]:border-t [&_td]:py-1 [&_td]:pr-6 [&_td]:align-middle'
const VIRTUAL =
  'w-full min-w-[68rem] table-fixed border-separate border-spacing-0 [&_td]:h-10 [&_td]:truncate [&_td]:border-hairline [&_td]:border-t [&_td]:pr-4 [&_th]:pr-4'

const compare = (a: unknown, b: unknown): number =>
  typeof a === 'number' && typeof b === 'number' ? a - b : byName(String(a), String(b))

const defined = <Row extends RowData>(column: Column<Row>): ColumnDef<Row> => {
  const { by } = column
  return {
    id: column.name,
    accessorFn: (row) => by?.(row) ?? undefined,
    enableSorting: by !== undefined,
    sortDescFirst: column.numeric ?? false,
    sortUndefined: 'last',
    sortingFn: (a: TableRow<Row>, b: TableRow<Row>, id) => compare(a.getValue(id), b.getValue(id)),
  }
}

/**
 * A table that is sorted by its heads: by a press or by the keyboard, upwards, downwards, and back to the order in which it was given.
 * Wide ones scroll within themselves, never the page. With `virtual`, only the rows on screen exist.
 */
export function DataTable<Row extends RowData>({
  label,
  columns,
  rows,
  rowKey,
  rowData,
  virtual = false,
}: {
  label: string
  /** The same list each time: another one makes the table anew. */
  columns: readonly Column<Row>[]
  rows: readonly Row[]
  rowKey: (row: Row) => string
  /** `data-` attributes of a row. */
  rowData?: (row: Row) => Record<`data-${string}`, string>
  /** Thousands of rows of one height. */
  virtual?: boolean
}) {
  const scroller = useRef<HTMLElement>(null)
  const [sorting, setSorting] = useState<SortingState>([])
  const definitions = useMemo(() => columns.map(defined), [columns])
  const table = useReactTable({
    data: rows as Row[],
    columns: definitions,
    state: { sorting },
    onSortingChange: setSorting,
    getRowId: rowKey,
    getCoreRowModel: getCoreRowModel(),
    getSortedRowModel: getSortedRowModel(),
    enableMultiSort: false,
  })
  const sorted = table.getRowModel().rows
  const window = useVirtualizer({
    count: virtual ? sorted.length : 0,
    getScrollElement: () => scroller.current,
    estimateSize: () => VIRTUAL_ROW_PX,
    overscan: 12,
  })
  const items = window.getVirtualItems()
  const before = items[0]?.start ?? 0
  const after = virtual ? window.getTotalSize() - (items.at(-1)?.end ?? 0) : 0
  const shown = virtual
    ? items.flatMap(({ index }) => (sorted[index] ? [{ row: sorted[index], index }] : []))
    : sorted.map((row, index) => ({ row, index }))
  const tall = virtual || rows.length > TALL_ROWS
  return (
    <section
      ref={scroller}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
      tabIndex={0}
      aria-label={`${label}, table`}
      className={`relative ${tall ? 'max-h-[80vh] overflow-auto' : 'overflow-x-auto'}`}
    >
      <table
        {...(virtual ? { 'aria-rowcount': sorted.length + 1 } : {})}
        className={virtual ? VIRTUAL : PLAIN}
      >
        <thead className={tall ? 'sticky top-0 z-10 bg-canvas' : ''}>
          <tr className="text-left text-faint text-xs">
            {table.getFlatHeaders().map(({ column }, index) => (
              <Head
                key={column.id}
                name={column.id}
                look={columns[index]}
                fixed={virtual}
                sorted={column.getIsSorted()}
                onSort={column.getCanSort() ? column.getToggleSortingHandler() : undefined}
              />
            ))}
          </tr>
        </thead>
        <tbody>
          {before > 0 && <tr style={{ height: before }} />}
          {shown.map(({ row, index }) => (
            <BodyRow
              key={row.id}
              row={row.original}
              columns={columns as readonly Column<unknown>[]}
              rowIndex={virtual ? index + 2 : undefined}
              rowData={rowData as DataOf}
            />
          ))}
          {after > 0 && <tr style={{ height: after }} />}
        </tbody>
      </table>
    </section>
  )
}

type DataOf = ((row: never) => Record<`data-${string}`, string>) | undefined

/** Drawn anew only where its own contents or place changed: neither scrolling nor a neighbour's news costs it anything. */
const BodyRow = memo(
  function BodyRow({
    row,
    columns,
    rowIndex,
    rowData,
  }: {
    row: unknown
    columns: readonly Column<unknown>[]
    rowIndex: number | undefined
    /** Says the same of the same row: another function alone is no reason to draw. */
    rowData: DataOf
  }) {
    return (
      <tr {...(rowIndex === undefined ? {} : { 'aria-rowindex': rowIndex })} {...rowData?.(row as never)}>
        {columns.map((column) => (
          <td key={column.name} className={classOf(column, row)} title={column.title?.(row)}>
            {column.cell(row)}
          </td>
        ))}
      </tr>
    )
  },
  (before, after) =>
    before.row === after.row && before.columns === after.columns && before.rowIndex === after.rowIndex,
)

const STAYS = {
  left: 'max-sm:sticky max-sm:left-0 max-sm:z-1 max-sm:bg-canvas',
  right: 'max-sm:sticky max-sm:right-0 max-sm:z-1 max-sm:bg-canvas',
} as const

const classOf = <Row,>({ numeric, className, stays }: Column<Row>, row: Row): string => {
  const own = typeof className === 'function' ? className(row) : (className ?? '')
  return `${numeric ? 'num text-right ' : ''}${stays ? `${STAYS[stays]} ` : ''}${own}`
}

const ARIA_SORT = { asc: 'ascending', desc: 'descending' } as const
const ARROW = { asc: '↑', desc: '↓' } as const

function Head({
  name,
  look,
  fixed,
  sorted,
  onSort,
}: {
  name: string
  look: Pick<Column<never>, 'numeric' | 'width' | 'silent' | 'stays'> | undefined
  /** The table has a fixed layout. */
  fixed: boolean
  sorted: false | 'asc' | 'desc'
  onSort: ((event: unknown) => void) | undefined
}) {
  const side = look?.numeric ? 'text-right' : ''
  return (
    <th
      scope="col"
      {...(sorted ? { 'aria-sort': ARIA_SORT[sorted] } : {})}
      className={`py-1 pr-6 font-medium ${side} ${(fixed && look?.width) || ''} ${look?.stays ? STAYS[look.stays] : ''}`}
    >
      {look?.silent ? (
        <span className="sr-only">{name}</span>
      ) : onSort === undefined ? (
        name
      ) : (
        <button
          type="button"
          onClick={onSort}
          className={`font-medium hover:text-ink ${side} ${sorted ? 'text-ink' : ''}`}
        >
          {name}
          <span aria-hidden="true">{sorted ? ` ${ARROW[sorted]}` : ''}</span>
        </button>
      )}
    </th>
  )
}
