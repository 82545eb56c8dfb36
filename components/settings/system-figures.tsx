'use client'

import type { ReactNode } from 'react'
import type { SystemInfo } from '@/server/contract/answers/system.ts'
import { useSystem } from '../data/access.ts'
import { Panel } from '../panels/panel.tsx'
import { Facts } from '../ui/facts.tsx'
import { formatBytes, formatDuration, formatNumber, UNKNOWN } from '../ui/format.ts'
import { Time } from '../ui/time.tsx'

const usedOf = (used: number | null | undefined, allowed: number | undefined): string =>
  used == null || allowed === undefined
    ? UNKNOWN
    : `${formatBytes(used)} of ${formatBytes(allowed)}, ${formatNumber(Math.round((used / allowed) * 100))}\u202f%`

type Fact = readonly [name: string, value: ReactNode]

/** What people call the rows of a table of the store; a table without a word keeps its own name. */
const ROWS: Record<string, string> = {
  gaps: 'Times without data',
  timeline_items: 'Timeline entries',
  audit_rows: 'Audit log',
  state_changes: 'Changes of state',
  health_documents: 'Health documents',
}
const rowsName = (table: string): string =>
  ROWS[table] ?? `${table.charAt(0).toUpperCase()}${table.slice(1)}`.replaceAll('_', ' ')

/** `48h` of the file as `48 h`. */
const spanOf = (setting: string | undefined): string =>
  setting?.replace(/(\d)(?=[a-z])/g, '$1\u202f') ?? UNKNOWN

const watching = ({ version, startedAt, collector, live }: SystemInfo): Fact[] => [
  ['Version', version],
  ['Running since', <Time key="s" at={startedAt} as="full" />],
  ['Lateness p99', formatDuration(collector.latenessP99Ms)],
  ['Polls missed', formatNumber(collector.pollsMissed)],
  ['Nodes polled', formatNumber(collector.targets)],
  ['Event streams', formatNumber(collector.streams)],
  ['Browsers watching', formatNumber(live.subscribers)],
]

const keeping = ({ store, retention }: SystemInfo): Fact[] => [
  ['On disk', formatBytes(store.bytes)],
  ['Of the size allowed', usedOf(store.usedBytes, retention.sizeBytes)],
  [
    'Grows a day',
    store.growthBytesPerDay == null ? 'not known yet' : formatBytes(Math.max(0, store.growthBytesPerDay)),
  ],
  ['Samples kept for', spanOf(retention.raw)],
  ['Events kept for', spanOf(retention.events)],
  ['Oldest event', store.oldest?.events ? <Time key="e" at={store.oldest.events} as="full" /> : UNKNOWN],
  ['Last backup', store.backup ? <Time key="b" at={store.backup.at} as="full" /> : 'none known'],
]

const waiting = ({ room, store }: SystemInfo): Fact[] => [
  ['Long reads', formatNumber(store.reads?.waiting)],
  [
    'Events',
    room ? `${formatNumber(room.events.queued)} (${formatBytes(room.events.queuedBytes)})` : UNKNOWN,
  ],
  ['History', formatNumber(room?.history?.waiting)],
]

/** What was given up at a ceiling since the start, as numbers: all zero in a room that keeps up. */
const givenUp = ({ room, store, live }: SystemInfo): [name: string, count: number | undefined][] => [
  ['Samples', store.samplesDropped],
  ['Events', room?.events.dropped],
  [
    'Events refused from nodes',
    room && Object.values(room.events.refused).reduce((sum, count) => sum + count, 0),
  ],
  ['History', room?.history?.dropped],
  ['Hosts left out', room?.hosts.overflowed],
  ['Signals not judged', room?.signals?.faults],
  ['Long reads refused', store.reads?.refused],
  ['Long reads too slow', store.reads?.tooSlow],
  ['Browsers disconnected as slow', live.slowClosed],
  ['Browsers cut to a snapshot', live.slowCut],
]

function Group({ title, facts }: { title: string; facts: readonly Fact[] }) {
  return (
    <div>
      <h3 className="mb-2 text-soft">{title}</h3>
      <Facts items={facts} />
    </div>
  )
}

/** Figures that matter when something is wrong: folded, with a summary in a few words. */
function FoldedGroup({
  title,
  says,
  open = false,
  facts,
}: {
  title: string
  says: string
  open?: boolean
  facts: readonly Fact[]
}) {
  return (
    <details open={open}>
      <summary className="min-h-6 text-soft">
        {title} <span className="text-faint">{says}</span>
      </summary>
      <div className="pt-3">
        <Facts items={facts} />
      </div>
    </details>
  )
}

/** How the collector itself is doing. */
export function SystemFigures() {
  const system = useSystem()
  const { data } = system
  return (
    <Panel title="Collector" query={system} rows={8} reserve={430} reserveOnPhone={668}>
      {data && <Figures data={data} />}
    </Panel>
  )
}

function Figures({ data }: { data: SystemInfo }) {
  const lost = givenUp(data)
  const isAnyLost = lost.some(([, count]) => (count ?? 0) > 0)
  return (
    <div className="grid gap-6">
      {!data.store.ok && (
        <p className="text-down">
          The store fails: {data.store.reason ?? 'for an unknown reason'}. {data.store.remedy}
        </p>
      )}
      <Facts items={watching(data)} />
      <Group title="Store" facts={keeping(data)} />
      <Group title="Waiting for the store" facts={waiting(data)} />
      <FoldedGroup
        title="Lost since the start"
        says={isAnyLost ? 'Something was.' : 'Nothing: the collector keeps up.'}
        open={isAnyLost}
        facts={[
          ...lost.map(([name, count]) => [name, formatNumber(count)] as const),
          ['Nodes read more slowly for', formatDuration(data.room?.events.throttledMs)],
        ]}
      />
      <FoldedGroup
        title="Rows in the store"
        says={`${formatNumber(Object.values(data.store.rows).reduce((sum, rows) => sum + rows, 0))} in all`}
        facts={Object.entries(data.store.rows).map(([table, rows]) => [rowsName(table), formatNumber(rows)])}
      />
    </div>
  )
}
