'use client'

import { useMemo } from 'react'
import { toast } from 'sonner'
import {
  type MaintenanceState,
  type MaintenanceWindow,
  maintenanceSubject,
} from '@/server/contract/maintenance.ts'
import { errorText } from '../data/error-text.ts'
import { useMaintenance, useMaintenanceChanges } from '../data/maintenance.ts'
import { useMay } from '../data/me.ts'
import { Panel } from '../panels/panel.tsx'
import { ConfirmButton } from '../ui/confirm-button.tsx'
import { type Column, DataTable } from '../ui/data-table.tsx'
import { Time } from '../ui/time.tsx'
import { endWords } from './end-words.ts'
import { HeldBackList } from './held-back-list.tsx'

const COLUMNS: readonly Column<MaintenanceWindow>[] = [
  { name: 'What', className: 'font-medium', by: ({ title }) => title, cell: ({ title }) => title },
  { name: 'Of', className: 'num text-left!', by: maintenanceSubject, cell: maintenanceSubject },
  { name: 'From', by: ({ from }) => from, cell: ({ from }) => <Time at={from} as="full" /> },
  { name: 'To', by: ({ to }) => to, cell: ({ to }) => <Time at={to} as="full" /> },
  {
    name: 'Why',
    className: 'max-w-96 truncate',
    title: ({ reason }) => reason,
    cell: ({ reason }) => reason,
  },
  { name: 'By', by: ({ createdBy }) => createdBy, cell: ({ createdBy }) => createdBy },
]
const ENDED_BY: Column<MaintenanceWindow> = {
  name: 'Ended early by',
  by: ({ endedBy }) => endedBy ?? null,
  cell: ({ endedBy }) => endedBy ?? '–',
}

const LISTS: readonly { status: MaintenanceState; title: string; empty: string; ends: string | null }[] = [
  { status: 'active', title: 'Active', empty: 'Nothing is in maintenance.', ends: 'End' },
  { status: 'planned', title: 'Planned', empty: 'No maintenance is planned.', ends: 'Remove' },
  { status: 'past', title: 'Past', empty: 'No maintenance has been announced before.', ends: null },
]

/** Every window: those that hold now, those to come, and those that were. */
export function MaintenanceLists() {
  return LISTS.map((list) => <List key={list.status} {...list} />)
}

function List({ status, title, empty, ends }: (typeof LISTS)[number]) {
  const windows = useMaintenance(status)
  const may = useMay('operator')
  const { end } = useMaintenanceChanges()
  const finish = end.mutate
  const columns = useMemo((): readonly Column<MaintenanceWindow>[] => {
    if (ends === null) return [...COLUMNS, ENDED_BY]
    if (!may) return COLUMNS
    return [
      ...COLUMNS,
      {
        name: 'Actions',
        stays: 'right',
        silent: true,
        cell: (window) => (
          <ConfirmButton
            label={ends}
            ask={`${ends} ${window.title}`}
            says={endWords(window)}
            keep="Keep it"
            onConfirm={() => finish(window.id, { onError: (error) => toast.error(errorText(error)) })}
          />
        ),
      },
    ]
  }, [ends, may, finish])
  const rows = windows.data?.items ?? []
  return (
    <Panel
      title={title}
      query={windows}
      rows={1}
      reserve={36}
      empty={windows.data && rows.length === 0 && empty}
    >
      <DataTable
        label={`${title} maintenance`}
        columns={columns}
        rows={rows}
        rowKey={({ id }) => id}
        rowData={({ id }) => ({ 'data-maintenance': id })}
      />
      {status === 'active' && <HeldBackList windows={rows} />}
    </Panel>
  )
}
