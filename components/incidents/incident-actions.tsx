'use client'

import { Download } from 'lucide-react'
import { toast } from 'sonner'
import type { Incident } from '@/server/contract/incidents.ts'
import { listWords, verbFor } from '@/server/contract/words.ts'
import { errorText } from '../data/error-text.ts'
import { useIncidentAction } from '../data/incidents.ts'
import { useMay } from '../data/me.ts'
import { Button, buttonClass } from '../ui/button.tsx'
import { ConfirmButton } from '../ui/confirm-button.tsx'
import { TitleButton } from './title-button.tsx'

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
  const holding = [
    ...new Set(incident.signals.filter(({ closedAt }) => closedAt === undefined).map(({ kind }) => kind)),
  ]
  return (
    <div className="grid gap-2">
      <div className="flex flex-wrap gap-2">
        {may &&
          NEXT[incident.state].map((name, index) => {
            const tone = index === 0 ? 'primary' : 'plain'
            const act = () => {
              if (!action.isPending) action.mutate(name, { onSuccess: () => toast(SAID[name]) })
            }
            return name === 'resolve' && holding.length > 0 ? (
              <ConfirmButton
                key={name}
                label={LABEL[name]}
                ask={`Resolve although ${listWords(holding)} still ${verbFor(holding.length, 'holds', 'hold')}`}
                says={`${holding.length === 1 ? 'This signal stays' : 'These signals stay'} quiet until ${holding.length === 1 ? 'it has' : 'they have'} closed once; only then can ${holding.length === 1 ? 'it open' : 'they open'} an incident again. A new signal opens one at once.`}
                keep="Keep it open"
                tone={tone}
                disabled={action.isPending}
                onConfirm={act}
              />
            ) : (
              <Button key={name} tone={tone} aria-disabled={action.isPending || undefined} onClick={act}>
                {LABEL[name]}
              </Button>
            )
          })}
        {may && <TitleButton incident={incident} />}
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
