import { NotificationSettings } from '@/components/notifications/notification-settings.tsx'
import { PageHeading } from '@/components/ui/page-heading.tsx'

export default function NotificationsPage() {
  return (
    <>
      <PageHeading
        title="Notifications"
        intro="Who is notified of incidents, and whether the messages arrived. Channels are listed under notify in the configuration file."
      />
      <NotificationSettings />
    </>
  )
}
