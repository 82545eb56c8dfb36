import { EventTail } from '@/components/events/event-tail.tsx'
import { PageHeading } from '@/components/ui/page-heading.tsx'

export default function EventsPage() {
  return (
    <>
      <PageHeading title="Events" />
      <EventTail />
    </>
  )
}
