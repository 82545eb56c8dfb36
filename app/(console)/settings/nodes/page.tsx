import { TryTarget } from '@/components/probe/try-target.tsx'
import { PageHeading } from '@/components/ui/page-heading.tsx'

export default function NodesSettingsPage() {
  return (
    <>
      <PageHeading
        title="Add nodes"
        intro="What is watched is listed in tidegate.yaml, which is read again whenever it is saved. Try a system here first, to see what it is, what is understood of it, and the line to paste."
      />
      <TryTarget />
    </>
  )
}
