import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { wantedOf } from '../../../../server/collector/adapters/prometheus/presets/registry.ts'
import { PROMETHEUS_PRESETS } from '../../../../server/contract/prometheus-map.ts'

/** What a page says each of its series to be. */
const typesOf = (preset: string): Map<string, string> => {
  const name = preset === 'nginx' ? 'nginx/exporter-metrics.txt' : `${preset}/metrics.txt`
  const page = readFileSync(new URL(`../../../fixtures/${name}`, import.meta.url), 'utf8')
  return new Map(
    [...page.matchAll(/^# TYPE (\S+) (\S+)/gm)].map(([, metric = '', type = '']) => [metric, type]),
  )
}

it.each(PROMETHEUS_PRESETS)(
  'columns of preset %s that count since the start of the program say so',
  (preset) => {
    const types = typesOf(preset)
    for (const { columns } of wantedOf(preset, undefined).tables)
      for (const { metric, label } of columns) {
        const type = types.get(metric)
        if (type === undefined) continue
        expect(/ in all$/.test(label), `${metric} is a ${type}, its label is ${label}`).toBe(
          type === 'counter',
        )
      }
  },
)
