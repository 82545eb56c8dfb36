import type { NodeTable } from '../../../contract/answers/node-table.ts'
import { cleanText } from '../untrusted-json.ts'
import type { MappedRow } from './facts.ts'
import type { Page } from './page-reader.ts'
import type { PresetColumn, PresetTable } from './presets/preset.ts'
import type { Sample } from './sample-line.ts'
import { select } from './selection.ts'

const MAX_ROWS = 200

type Cell = NodeTable['rows'][number][string]

/** Which series were found for each name, and what they say. */
export const mappedTable = (rows: readonly MappedRow[]): NodeTable => ({
  id: 'mapped',
  title: 'Mapped series',
  columns: [
    { key: 'name', label: 'Name', cell: 'name' },
    { key: 'series', label: 'Series', cell: 'name' },
    { key: 'count', label: 'Found', cell: 'count' },
    { key: 'value', label: 'Value', cell: 'text' },
  ],
  rows: rows.map(({ name, series, count, value }) => ({ name, series, count, value: String(value) })),
  total: rows.length,
})

/** A table of a preset, or null where the page has nothing for it. */
export const presetTable = (page: Page, table: PresetTable): NodeTable | null => {
  const rows = new Map<string, Record<string, Cell>>()
  for (const column of table.columns)
    for (const [key, samples] of groupsOf(page, table, column)) {
      const row = rows.get(key) ?? keyCells(table, samples)
      const cell = cellOf(column, samples)
      if (cell !== null) row[column.key] = cell
      rows.set(key, row)
    }
  const { present } = table
  const all = [...rows]
    .filter(([, row]) => present === undefined || row[present] !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, row]) => row)
  if (all.length === 0) return null
  return {
    id: table.id,
    title: table.title,
    columns: [
      ...table.by.map(({ label, title }) => ({ key: label, label: title, cell: 'name' as const })),
      ...table.columns.map(({ key, label, cell }) => ({ key, label, cell })),
    ],
    rows: all
      .slice(0, MAX_ROWS)
      .map((row) => ({ ...Object.fromEntries(table.columns.map(({ key }) => [key, null])), ...row })),
    total: all.length,
  }
}

/** The names of series that tables want. */
export const namesOfTables = (tables: readonly PresetTable[]): string[] =>
  tables.flatMap(({ columns }) => columns.map(({ metric }) => metric))

/** Series of a column by the row that they belong to; those that lack a label of the table belong to none. */
const groupsOf = (page: Page, { by }: PresetTable, column: PresetColumn): Map<string, Sample[]> => {
  const groups = new Map<string, Sample[]>()
  for (const sample of select(page, column)) {
    if (by.some(({ label }) => !sample.labels.has(label))) continue
    const key = JSON.stringify(by.map(({ label }) => sample.labels.get(label)))
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [sample])
    else group.push(sample)
  }
  return groups
}

const keyCells = ({ by }: PresetTable, [sample]: readonly Sample[]): Record<string, Cell> =>
  Object.fromEntries(by.map(({ label }) => [label, cleanText(sample?.labels.get(label) ?? '')]))

const cellOf = (column: PresetColumn, samples: readonly Sample[]): Cell => {
  const { cell, words, wordIn, tones } = column
  if (wordIn !== undefined) {
    const word = samples.find(({ value }) => value === 1)?.labels.get(wordIn)
    return word === undefined
      ? null
      : { tone: tones?.[word] ?? 'unknown', word: cleanText(word).slice(0, 64) }
  }
  const value = samples.reduce((sum, sample) => sum + sample.value, 0)
  if (!Number.isFinite(value)) return null
  return cell === 'state' ? (words?.[value] ?? null) : value
}
