import { formatNumber } from '../ui/format.ts'
import { bandKeys, type ChartRow } from './chart-rows.ts'

/** A line's value in one step: `29`, or `29 (3 to 1 314)` where the step hides more than its average. */
export const readingOf = (row: ChartRow, key: string): string => {
  const value = row[key]
  if (value === null || value === undefined) return 'not measured'
  const { min, max } = bandKeys(key)
  const low = row[min]
  const high = row[max]
  return typeof low === 'number' && typeof high === 'number'
    ? `${formatNumber(value)} (${formatNumber(low)} to ${formatNumber(high)})`
    : formatNumber(value)
}
