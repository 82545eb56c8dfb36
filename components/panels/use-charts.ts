import { useMemo } from 'react'
import type { Measures } from '@/server/contract/answers/node.ts'
import type { ChartSpec } from '../charts/chart-specs.ts'
import { chartsWith } from '../charts/charts-with.ts'

/** The charts that have something to draw: the same list until that changes, so that a poll that changes numbers alone draws nothing anew. */
export const useCharts = (
  specs: readonly ChartSpec[],
  measures: Readonly<Measures> | undefined,
): readonly ChartSpec[] => {
  const drawn = chartsWith(specs, measures)
    .map(({ id }) => id)
    .join(' ')
  return useMemo(() => specs.filter(({ id }) => drawn.split(' ').includes(id)), [specs, drawn])
}
