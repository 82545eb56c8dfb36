'use client'

import { toast } from 'sonner'
import type { Incident } from '@/server/contract/incidents.ts'
import { errorText } from '../data/error-text.ts'
import { useIncidentAction } from '../data/incidents.ts'
import { useMay } from '../data/me.ts'
import { Button } from '../ui/button.tsx'

/** Takes an open incident on, where it is shown; nothing for those who may not, or where somebody has it. */
export function AcknowledgeButton({ incident }: { incident: Incident }) {
  const may = useMay('operator')
  const action = useIncidentAction(incident.id)
  if (!may || incident.state !== 'open') return null
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
