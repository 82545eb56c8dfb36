import { Bell, Flag, MessageSquare, Radio, Rocket, ShieldAlert, User, Waves } from 'lucide-react'
import type { TimelineKind } from '@/server/contract/incidents.ts'

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

export function TimelineGlyph({ kind }: { kind: TimelineKind }) {
  const Glyph = GLYPHS[kind] ?? Radio
  return (
    <Glyph size={14} aria-hidden className={`relative top-0.5 shrink-0 ${TONES[kind] ?? 'text-faint'}`} />
  )
}
