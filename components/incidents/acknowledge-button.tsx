'use client'

import { toast } from 'sonner'
import type { Incident } from '@/server/contract/incidents.ts'
import { errorText } from '../data/error-text.ts'
import { useIncidentAction } from '../data/incidents.ts'
import { useMay, useMe } from '../data/me.ts'
import { Button, buttonClass } from '../ui/button.tsx'

/** Acknowledges an open incident where it is shown; nothing for people who may not, or where somebody already has. */
export function AcknowledgeButton({ incident }: { incident: Incident }) {
  const me = useMe()
  const may = useMay('operator')
  const action = useIncidentAction(incident.id)
  if (incident.state !== 'open') return null
  // Its place is kept until the viewer's role is known, so that nothing moves when it appears.
  if (me.isPending) return <span aria-hidden="true" className={`${buttonClass()} invisible`} />
  if (!may) return null
  return (
    <Button
      aria-disabled={action.isPending || undefined}
      onClick={() => {
        if (action.isPending) return
        action.mutate('acknowledge', {
          onSuccess: () => toast(`Acknowledged: ${incident.title}. You have it.`),
          onError: (error) => toast.error(errorText(error)),
        })
      }}
    >
      Acknowledge
    </Button>
  )
}
