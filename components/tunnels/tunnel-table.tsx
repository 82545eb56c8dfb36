'use client'

import { useVirtualizer } from '@tanstack/react-virtual'
import { useRef, useState } from 'react'
import type { Tunnel } from '@/server/contract/fleet.ts'
import { useMay } from '../data/me.ts'
import { KickDialog } from './kick-dialog.tsx'
import { TunnelRow } from './tunnel-row.tsx'

const ROW_PX = 40
const COLUMNS = [
  { name: 'Host', width: 'w-36' },
  { name: 'State', width: 'w-32' },
  { name: 'Node', width: 'w-24' },
  { name: 'For', width: 'w-28' },
  { name: 'Last gap', width: 'w-24' },
  { name: 'Last close', width: '' },
  { name: 'Presence', width: 'w-64' },
  { name: 'Actions', width: 'w-20' },
] as const

/** Thousands of rows: only those on screen exist, between two spacers. */
export function TunnelTable({ tunnels }: { tunnels: Tunnel[] }) {
  const scroller = useRef<HTMLElement>(null)
  const mayKick = useMay('operator')
  const [kick, setKick] = useState<Tunnel | null>(null)
  const virtual = useVirtualizer({
    count: tunnels.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    overscan: 12,
  })
  const items = virtual.getVirtualItems()
  const before = items[0]?.start ?? 0
  const after = virtual.getTotalSize() - (items.at(-1)?.end ?? 0)
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard */}
      <section ref={scroller} tabIndex={0} aria-label="Tunnels, table" className="max-h-[80vh] overflow-auto">
        <table
          aria-rowcount={tunnels.length + 1}
          className="w-full min-w-[68rem] table-fixed border-separate border-spacing-0 [&_td]:h-10 [&_td]:truncate [&_td]:border-hairline [&_td]:border-t [&_td]:pr-4"
        >
          <thead className="sticky top-0 z-10 bg-canvas">
            <tr className="text-left text-faint text-xs">
              {COLUMNS.map(({ name, width }) => (
                <th key={name} scope="col" className={`py-1 pr-4 font-medium ${width}`}>
                  {name === 'Actions' ? <span className="sr-only">{name}</span> : name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {before > 0 && <tr style={{ height: before }} />}
            {items.map((item) => {
              const tunnel = tunnels[item.index]
              return tunnel ? (
                <TunnelRow
                  key={tunnel.hostId}
                  tunnel={tunnel}
                  index={item.index}
                  {...(mayKick ? { onKick: setKick } : {})}
                />
              ) : null
            })}
            {after > 0 && <tr style={{ height: after }} />}
          </tbody>
        </table>
      </section>
      {kick && <KickDialog tunnel={kick} onClose={() => setKick(null)} />}
    </>
  )
}
