'use client'

import { useMemo, useState } from 'react'
import type { Tunnel } from '@/server/contract/fleet.ts'
import { useMay } from '../data/me.ts'
import { type Column, DataTable } from '../ui/data-table.tsx'
import { KickDialog } from './kick-dialog.tsx'
import { TUNNEL_COLUMNS } from './tunnel-columns.tsx'

/** Hosts by the thousand. */
export function TunnelTable({ tunnels }: { tunnels: readonly Tunnel[] }) {
  const mayKick = useMay('operator')
  const [kick, setKick] = useState<Tunnel | null>(null)
  const columns = useMemo(
    (): readonly Column<Tunnel>[] => [
      ...TUNNEL_COLUMNS,
      {
        name: 'Actions',
        stays: 'right',
        silent: true,
        width: 'w-20',
        className: 'text-right',
        cell: (tunnel) =>
          mayKick &&
          tunnel.state !== 'lost' && (
            <button
              type="button"
              onClick={() => setKick(tunnel)}
              aria-label={`Kick ${tunnel.hostId}`}
              className="min-h-7 rounded-[3px] px-2 text-accent hover:bg-accent-wash"
            >
              Kick…
            </button>
          ),
      },
    ],
    [mayKick],
  )
  return (
    <>
      <DataTable
        label="Tunnels"
        columns={columns}
        rows={tunnels}
        rowKey={(tunnel) => tunnel.hostId}
        rowData={(tunnel) => ({ 'data-host': tunnel.hostId })}
        virtual
      />
      {kick && <KickDialog tunnel={kick} onClose={() => setKick(null)} />}
    </>
  )
}
