'use client'

import type { SystemInfo } from '@/server/contract/answers/system.ts'
import { useSystem } from '../data/access.ts'
import { Panel } from '../panels/panel.tsx'
import { Facts } from '../ui/facts.tsx'
import { formatBytes, formatDuration, formatNumber } from '../ui/format.ts'
import { Time } from '../ui/time.tsx'

const usedOf = (used: number | null | undefined, allowed: number | undefined): string =>
  used == null || allowed === undefined
    ? '–'
    : `${formatBytes(used)} of ${formatBytes(allowed)} (${Math.round((used / allowed) * 100)} %)`

/** Everything with a ceiling: what waits below it, and what was given up at it since the start. */
const heldBack = ({ room, store, live }: SystemInfo): [string, string][] => {
  const facts: [string, string][] = [
    ['Samples given up', formatNumber(store.samplesDropped ?? 0)],
    ['Long reads waiting', formatNumber(store.reads?.waiting ?? 0)],
    ['Long reads refused', formatNumber(store.reads?.refused ?? 0)],
    ['Long reads given up', formatNumber(store.reads?.tooSlow ?? 0)],
    ['Browsers cut to a snapshot', formatNumber(live.slowCut ?? 0)],
  ]
  if (room === undefined) return facts
  const refused = Object.values(room.events.refused).reduce((sum, count) => sum + count, 0)
  return [
    ...facts,
    ['Events waiting', `${formatNumber(room.events.queued)} (${formatBytes(room.events.queuedBytes)})`],
    ['Events given up', formatNumber(room.events.dropped)],
    ['Events of nodes refused', formatNumber(refused)],
    ['Nodes read more slowly for', formatDuration(room.events.throttledMs)],
    ['Hosts known', formatNumber(room.hosts.known)],
    ['Hosts left out', formatNumber(room.hosts.overflowed)],
    ['History waiting', formatNumber(room.history?.waiting ?? 0)],
    ['History given up', formatNumber(room.history?.dropped ?? 0)],
    ['Signals not judged', formatNumber(room.signals?.faults ?? 0)],
  ]
}

/** How the collector itself does. */
export function SystemFigures() {
  const system = useSystem()
  const { data } = system
  return (
    <Panel title="Collector" query={system}>
      {data && (
        <div className="grid gap-4">
          {!data.store.ok && (
            <p className="text-down">
              The store fails: {data.store.reason ?? 'for an unknown reason'}. {data.store.remedy}
            </p>
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
              [
                'Grows a day',
                data.store.growthBytesPerDay == null
                  ? 'not known yet'
                  : formatBytes(Math.max(0, data.store.growthBytesPerDay)),
              ],
              ['Raw data kept for', data.retention.raw],
              ['Events kept for', data.retention.events ?? '–'],
              ['Of the size allowed', usedOf(data.store.usedBytes, data.retention.sizeBytes)],
              [
                'Events since',
                data.store.oldest?.events ? <Time key="e" at={data.store.oldest.events} as="full" /> : '–',
              ],
              [
                'Last backup',
                data.store.backup ? <Time key="b" at={data.store.backup.at} as="full" /> : 'none known',
              ],
              ...heldBack(data),
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
