'use client'

import { useKnown } from '../data/known.ts'
import { type Glyph, StateGlyph } from '../ui/state-glyph.tsx'

const RULES: readonly (readonly [RegExp, Glyph, string])[] = [
  [
    /^(?:node\.down|region\.unreachable|incident\.opened|signal\.opened|drain\.aborted|tunnel\.lost|target\.down|push\.failed|certificate\.failed)$/,
    'down',
    'text-down',
  ],
  [
    /^(?:push\.session_invalidated|push\.rejected|push\.retried|token\.pruned|node\.problem_found|tunnel\.refused|connection\.refused|stream\.gap|drain\.budget_exceeded|push\.breaker_opened|directory\.unreachable)$/,
    'degraded',
    'text-degraded',
  ],
  [/^(?:drain\.|tunnel\.replaced)/, 'draining', 'text-draining'],
  [
    /^(?:node\.recovered|node\.started|incident\.resolved|signal\.closed|tunnel\.registered|push\.session_connected|target\.up|node\.problem_cleared)$/,
    'up',
    'text-up',
  ],
]

/** The kind of event at a glance: bad, doubtful, moving, good, or plain. */
export function EventGlyph({ type }: { type: string }) {
  const { known } = useKnown()
  const rule = RULES.find(([pattern]) => pattern.test(type))
  return (
    <span className={rule && known ? rule[2] : 'text-faint'}>
      <StateGlyph shape={rule ? rule[1] : 'waiting'} />
    </span>
  )
}
