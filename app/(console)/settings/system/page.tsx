import { AuditLog } from '@/components/settings/audit-log.tsx'
import { SystemFigures } from '@/components/settings/system-figures.tsx'
import { PageHeading } from '@/components/ui/page-heading.tsx'

export default function SystemPage() {
  return (
    <>
      <PageHeading title="System" />
      <SystemFigures />
      <AuditLog />
    </>
  )
}
