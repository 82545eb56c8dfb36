'use client'

import { useSystem } from '../queries/access.ts'
import { Facts } from '../ui/facts.tsx'
import { formatBytes, formatDuration, formatNumber } from '../ui/format.ts'
import { Panel } from '../ui/panel.tsx'
import { Time } from '../ui/time.tsx'

/** How the collector itself does. */
export function SystemFigures() {
  const system = useSystem()
  const { data } = system
  return (
    <Panel title="Collector" query={system}>
      {data && (
        <div className="grid gap-4">
          {!data.store.ok && (
            <p className="text-down">The store fails: {data.store.reason ?? 'for an unknown reason'}</p>
          )}
          <Facts
            items={[
              ['Version', data.version],
              ['Running since', <Time key="s" at={data.startedAt} as="full" />],
              ['Lateness p99', formatDuration(data.collector.latenessP99Ms)],
              ['Polls missed', formatNumber(data.collector.pollsMissed)],
              ['Nodes polled', formatNumber(data.collector.targets)],
              ['Event streams', formatNumber(data.collector.streams)],
              ['Browsers watching', formatNumber(data.live.subscribers)],
              ['Cut for being slow', formatNumber(data.live.slowClosed)],
              ['Store', formatBytes(data.store.bytes)],
              ['Raw data kept for', data.retention.raw],
              ...Object.entries(data.store.rows).map(
                ([table, rows]) => [`Rows: ${table}`, formatNumber(rows)] as const,
              ),
            ]}
          />
        </div>
      )}
    </Panel>
  )
}
