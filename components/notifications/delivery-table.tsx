'use client'

import Link from 'next/link'
import type { Notification } from '@/server/contract/answers/notification.ts'
import { useDeliveries } from '../data/notifications.ts'
import { Panel } from '../panels/panel.tsx'
import { type Column, DataTable } from '../ui/data-table.tsx'
import { Time } from '../ui/time.tsx'
import { DeliveryState } from './delivery-state.tsx'

const COLUMNS: readonly Column<Notification>[] = [
  { name: 'State', by: (row) => row.state, cell: (row) => <DeliveryState state={row.state} /> },
  { name: 'When', by: (row) => row.createdAt, cell: (row) => <Time at={row.createdAt} as="full" /> },
  { name: 'Channel', className: 'font-medium', by: (row) => row.channel, cell: (row) => row.channel },
  {
    name: 'Message',
    className: 'max-w-96 truncate',
    by: (row) => row.kind,
    title: (row) => `${row.kind}: ${row.reason}`,
    cell: (row) =>
      row.incidentId === null ? (
        row.reason
      ) : (
        <Link href={`/incidents/${row.incidentId}`} className="text-accent hover:underline">
          {row.reason}
        </Link>
      ),
  },
  {
    name: 'Attempts',
    numeric: true,
    className: 'num',
    by: (row) => row.attempts,
    cell: (row) => row.attempts,
  },
  {
    name: 'Next attempt',
    by: (row) => row.nextAttemptAt,
    cell: (row) => (row.nextAttemptAt === null ? 'none' : <Time at={row.nextAttemptAt} as="full" />),
  },
  {
    name: 'Last error',
    className: 'max-w-96 truncate',
    title: (row) => row.lastError ?? undefined,
    cell: (row) => row.lastError ?? '–',
  },
]

/** What was sent lately, and whether it arrived. */
export function DeliveryTable() {
  const deliveries = useDeliveries(true)
  return (
    <Panel
      title="Deliveries"
      query={deliveries}
      empty={
        deliveries.data?.items.length === 0 &&
        'Nothing was sent yet. An incident or a test makes the first row.'
      }
    >
      <DataTable
        label="Deliveries"
        columns={COLUMNS}
        rows={deliveries.data?.items ?? []}
        rowKey={(row) => row.id}
        rowData={(row) => ({ 'data-state': row.state })}
      />
    </Panel>
  )
}
