import { PageHeading } from '@/components/ui/page-heading.tsx'

export default function NotFound() {
  return (
    <PageHeading
      title="There is no such page"
      intro="The address may be from an older version, or mistyped."
    />
  )
}
