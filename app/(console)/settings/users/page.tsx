import { TokenSettings } from '@/components/settings/token-settings.tsx'
import { UserSettings } from '@/components/settings/user-settings.tsx'
import { PageHeading } from '@/components/ui/page-heading.tsx'

export default function AccessPage() {
  return (
    <>
      <PageHeading
        title="Access"
        intro="Viewers read. Operators drain, acknowledge and kick. Administrators also manage access and may force."
      />
      <UserSettings />
      <TokenSettings />
    </>
  )
}
