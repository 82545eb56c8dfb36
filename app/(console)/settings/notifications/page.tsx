import { NotificationSettings } from '@/components/notifications/notification-settings.tsx'
import { PageHeading } from '@/components/ui/page-heading.tsx'

export default function NotificationsPage() {
  return (
    <>
      <PageHeading
        title="Notifications"
        intro="Who is told of incidents, and whether it arrived. Channels stand under notify in the configuration file."
      />
      <NotificationSettings />
    </>
  )
}
