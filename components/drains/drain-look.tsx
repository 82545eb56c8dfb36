'use client'

import type { Drain } from '@/server/contract/drains.ts'
import { DRAIN_WORDS } from '@/server/contract/state-words.ts'
import type { DrainState } from '@/server/contract/states.ts'
import { useKnown } from '../data/known.ts'
import { type Glyph, StateGlyph } from '../ui/state-glyph.tsx'

const LOOK: Record<DrainState, { shape: Glyph; tone: string }> = {
  planned: { shape: 'waiting', tone: 'text-draining' },
  running: { shape: 'draining', tone: 'text-draining' },
  paused: { shape: 'paused', tone: 'text-degraded' },
  drained: { shape: 'drained', tone: 'text-drained' },
  resuming: { shape: 'draining', tone: 'text-draining' },
  resumed: { shape: 'done', tone: 'text-up' },
  aborting: { shape: 'draining', tone: 'text-degraded' },
  aborted: { shape: 'degraded', tone: 'text-degraded' },
  failed: { shape: 'down', tone: 'text-down' },
}

export function DrainMark({ state }: { state: DrainState }) {
  const { known } = useKnown()
  const look = known ? LOOK[state] : { shape: LOOK[state].shape, tone: 'text-unknown' }
  return (
    <span
      className={`inline-flex items-center gap-1.5 whitespace-nowrap font-medium ${look.tone}`}
      data-drain-state={state}
    >
      <StateGlyph shape={look.shape} />
      {DRAIN_WORDS[state] ?? state}
    </span>
  )
}

/** The region or node that a drain is of. */
export const subjectOf = (drain: Pick<Drain, 'region' | 'node'>): string => drain.region ?? drain.node ?? '?'
