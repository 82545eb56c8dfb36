'use client'

import { useAudit } from '../data/access.ts'
import { Panel } from '../panels/panel.tsx'
import { DataTable } from '../ui/data-table.tsx'
import { Time } from '../ui/time.tsx'

/** Who did what; rows are only ever added. */
export function AuditLog() {
  const audit = useAudit()
  return (
    <Panel
      title="Audit log"
      query={audit}
      empty={audit.data?.items.length === 0 && 'Nobody has done anything yet.'}
    >
      <DataTable label="Audit log" head={['When', 'Who', 'From', 'Did', 'To', 'Reason']}>
        {audit.data?.items.map((row) => (
          <tr key={row.id}>
            <td>
              <Time at={row.at} as="full" />
            </td>
            <td className="font-medium">{row.actor}</td>
            <td className="num text-left!">{row.address ?? '–'}</td>
            <td>{row.action}</td>
            <td className="num text-left!">{row.object}</td>
            <td className="max-w-96 truncate">{row.reason ?? '–'}</td>
          </tr>
        ))}
      </DataTable>
    </Panel>
  )
}
