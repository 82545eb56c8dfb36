'use client'

import type { Incident } from '@/server/contract/incidents.ts'
import { INCIDENT_WORDS, SEVERITY_WORDS } from '@/server/contract/state-words.ts'
import type { Severity } from '@/server/contract/states.ts'
import { useKnown } from '../data/known.ts'
import { type Glyph, StateGlyph } from '../ui/state-glyph.tsx'

const SEVERITY: Record<Severity, { shape: Glyph; tone: string }> = {
  critical: { shape: 'down', tone: 'text-down' },
  warning: { shape: 'degraded', tone: 'text-degraded' },
  info: { shape: 'drained', tone: 'text-drained' },
}

/** Severity while it lasts; a check once it is over. */
export function IncidentMark({ incident }: { incident: Pick<Incident, 'severity' | 'state'> }) {
  const { known } = useKnown()
  const over = incident.state === 'resolved'
  const look = !known
    ? ({ shape: over ? 'done' : 'unknown', tone: 'text-unknown' } as const)
    : over
      ? ({ shape: 'done', tone: 'text-up' } as const)
      : SEVERITY[incident.severity]
  return (
    <span
      className={`inline-flex items-center gap-1.5 whitespace-nowrap font-medium ${look.tone}`}
      data-incident-state={incident.state}
    >
      <StateGlyph shape={look.shape} />
      {over
        ? INCIDENT_WORDS.resolved
        : `${SEVERITY_WORDS[incident.severity]}, ${INCIDENT_WORDS[incident.state]}`}
    </span>
  )
}
