import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { JSON_FACT_NAMES, JSON_MAP_NAMES, type JsonMetricName } from '../../server/contract/json-map.ts'
import { SERIES_METRICS } from '../../server/contract/series.ts'
import { NODE_KINDS } from '../../server/contract/states.ts'

const text = readFileSync(new URL('../../docs/adapters.md', import.meta.url), 'utf8')
const rowsOf = (head: string): string[][] => {
  const table = text.slice(text.indexOf(head)).split('\n\n')[0] ?? ''
  const rows = table.split('\n').slice(2)
  return rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('`', '')),
  )
}

it('has a row in docs/adapters.md for every kind of node, and a section', () => {
  expect(rowsOf('| kind |').map(([kind]) => kind)).toEqual([...NODE_KINDS])
  for (const kind of NODE_KINDS) expect(text).toContain(`\n## ${kind}\n`)
})

it('has a row in docs/adapters.md for every name that can be mapped, and says which are counted', () => {
  const rows = rowsOf('| name | at the pointer |')
  expect(rows.map(([name]) => name).sort()).toEqual([...JSON_MAP_NAMES].sort())
  for (const [name, what] of rows) {
    if ((JSON_FACT_NAMES as readonly string[]).includes(name ?? '')) continue
    const { kind } = SERIES_METRICS[name as JsonMetricName]
    expect(what, name).toBe(kind === 'counter' ? 'number, counted' : 'number, now')
  }
})
