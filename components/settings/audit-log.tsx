'use client'

import type { AuditRow } from '@/server/contract/access.ts'
import { deedWords } from '@/server/contract/reason-words.ts'
import { useAudit } from '../data/access.ts'
import { Panel } from '../panels/panel.tsx'
import { type Column, DataTable } from '../ui/data-table.tsx'
import { Time } from '../ui/time.tsx'

const COLUMNS: readonly Column<AuditRow>[] = [
  { name: 'When', by: (row) => row.at, cell: (row) => <Time at={row.at} as="full" /> },
  { name: 'Who', className: 'font-medium', by: (row) => row.actor, cell: (row) => row.actor },
  {
    name: 'Did',
    by: (row) => deedWords(row.action),
    title: (row) => row.action,
    cell: (row) => deedWords(row.action),
  },
  { name: 'To', className: 'num text-left!', by: (row) => row.object, cell: (row) => row.object },
  { name: 'Reason', className: 'max-w-96 truncate', cell: (row) => row.reason ?? '–' },
  { name: 'From', className: 'num text-left!', by: (row) => row.address, cell: (row) => row.address ?? '–' },
]

/** Who did what; rows are only ever added. */
export function AuditLog() {
  const audit = useAudit()
  return (
    <Panel
      title="Audit log"
      query={audit}
      empty={audit.data?.items.length === 0 && 'Nobody has done anything yet.'}
    >
      <DataTable
        label="Audit log"
        columns={COLUMNS}
        rows={audit.data?.items ?? []}
        rowKey={(row) => String(row.id)}
      />
    </Panel>
  )
}
