import { Bell, BellOff, Flag, MessageSquare, Radio, Rocket, ShieldAlert, User, Waves } from 'lucide-react'
import type { TimelineItem, TimelineKind } from '@/server/contract/incidents.ts'

const GLYPHS = {
  event: Radio,
  signal: ShieldAlert,
  incident: Flag,
  drain: Waves,
  operator: User,
  notification: Bell,
  annotation: Rocket,
  note: MessageSquare,
} as const
const TONES: Partial<Record<TimelineKind, string>> = {
  signal: 'text-degraded',
  incident: 'text-down',
  drain: 'text-draining',
  note: 'text-accent',
  operator: 'text-accent',
}

/** Of a notification the glyph says whether it arrived. */
const lookOf = ({ kind, data }: Pick<TimelineItem, 'kind' | 'data'>) => {
  if (kind !== 'notification') return { Glyph: GLYPHS[kind] ?? Radio, tone: TONES[kind] ?? 'text-faint' }
  if (data.state === 'silenced') return { Glyph: BellOff, tone: 'text-faint' }
  const tone =
    data.state === 'failed' ? 'text-down' : data.state === 'waiting' ? 'text-degraded' : 'text-faint'
  return { Glyph: Bell, tone }
}

export function TimelineGlyph({ item }: { item: Pick<TimelineItem, 'kind' | 'data'> }) {
  const { Glyph, tone } = lookOf(item)
  return <Glyph size={14} aria-hidden className={`relative top-0.5 shrink-0 ${tone}`} />
}
