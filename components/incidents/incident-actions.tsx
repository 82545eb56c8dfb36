'use client'

import { Download } from 'lucide-react'
import { toast } from 'sonner'
import type { Incident } from '@/server/contract/incidents.ts'
import { errorText } from '../data/error-text.ts'
import { useIncidentAction } from '../data/incidents.ts'
import { useMay } from '../data/me.ts'
import { Button, buttonClass } from '../ui/button.tsx'

const NEXT = {
  open: ['acknowledge', 'mitigate', 'resolve'],
  acknowledged: ['mitigate', 'resolve'],
  mitigated: ['resolve'],
  resolved: [],
} as const
const SAID = {
  acknowledge: 'Acknowledged. You have it.',
  mitigate: 'Marked mitigated.',
  resolve: 'Resolved.',
} as const
const LABEL = { acknowledge: 'Acknowledge', mitigate: 'Mark mitigated', resolve: 'Resolve' } as const

/** The next useful action first; for viewers only the exports. */
export function IncidentActions({ incident }: { incident: Incident }) {
  const may = useMay('operator')
  const action = useIncidentAction(incident.id)
  return (
    <div className="grid gap-2">
      <div className="flex flex-wrap gap-2">
        {may &&
          NEXT[incident.state].map((name, index) => (
            <Button
              key={name}
              tone={index === 0 ? 'primary' : 'plain'}
              aria-disabled={action.isPending || undefined}
              onClick={() => {
                if (!action.isPending) action.mutate(name, { onSuccess: () => toast(SAID[name]) })
              }}
            >
              {LABEL[name]}
            </Button>
          ))}
        {(['md', 'json'] as const).map((format) => (
          <a
            key={format}
            href={`/api/v1/incidents/${incident.id}/export?format=${format}`}
            download={`incident-${incident.id}.${format}`}
            className={buttonClass('quiet')}
          >
            <Download size={14} aria-hidden />
            {format === 'md' ? 'Post-mortem (Markdown)' : 'Everything (JSON)'}
          </a>
        ))}
      </div>
      {action.error && (
        <p role="alert" className="text-down">
          {errorText(action.error)}
        </p>
      )}
    </div>
  )
}
