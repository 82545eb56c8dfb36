import { MaintenanceForm } from '@/components/maintenance/maintenance-form.tsx'
import { MaintenanceLists } from '@/components/maintenance/maintenance-lists.tsx'
import { PageHeading } from '@/components/ui/page-heading.tsx'

export default function MaintenancePage() {
  return (
    <>
      <PageHeading
        title="Maintenance"
        intro="What is announced here opens no incident while it lasts. What still holds when it ends opens one in the next second."
      />
      <MaintenanceLists />
      <MaintenanceForm />
    </>
  )
}
