import type { Overview } from '@/server/contract/fleet.ts'
import { formatClock, type Zone } from '../ui/format.ts'
import type { Glyph } from '../ui/state-glyph.tsx'

const LOOK = {
  ok: { shape: 'up', tone: 'text-up', level: 'ok' },
  attention: { shape: 'degraded', tone: 'text-degraded', level: 'attention' },
  outage: { shape: 'down', tone: 'text-down', level: 'outage' },
} as const
const NOT_KNOWN = { shape: 'unknown', tone: 'text-unknown', level: 'unknown' } as const

export interface Headline {
  text: string
  shape: Glyph
  tone: string
  level: 'ok' | 'attention' | 'outage' | 'unknown'
}

/** The first sentence; while the present is not known, since when, and what it said then. */
export const headlineOf = (
  { verdict, at }: Pick<Overview, 'verdict' | 'at'>,
  known: boolean,
  zone: Zone,
): Headline =>
  known
    ? { text: verdict.text, ...LOOK[verdict.level] }
    : {
        text: `Not known since ${formatClock(Date.parse(at), zone)} (then: ${verdict.was ?? verdict.text})`,
        ...NOT_KNOWN,
      }
