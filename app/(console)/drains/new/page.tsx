import { DrainForm } from '@/components/drains/drain-form.tsx'
import { PageHeading } from '@/components/ui/page-heading.tsx'

export default function NewDrainPage() {
  return (
    <>
      <PageHeading
        title="New drain"
        intro="Takes a region or a node out of service, one node after the other, and proves it empty. Nothing happens before you type its id."
      />
      <DrainForm />
    </>
  )
}
