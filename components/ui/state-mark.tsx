'use client'

import { OBSERVED_WORDS } from '@/server/contract/state-words.ts'
import type { ObservedState } from '@/server/contract/states.ts'
import { useKnown } from '../data/known.ts'
import { StateGlyph } from './state-glyph.tsx'

export const STATE_TEXT: Record<ObservedState, string> = {
  up: 'text-up',
  degraded: 'text-degraded',
  draining: 'text-draining',
  drained: 'text-drained',
  down: 'text-down',
  unknown: 'text-unknown',
}

/** A state as glyph and word, coloured; hollow and in the past tense while nothing is known of now. */
export function StateMark({ state, words }: { state: ObservedState; words?: string | undefined }) {
  const { known } = useKnown()
  return (
    <span
      className={`inline-flex items-center gap-1.5 whitespace-nowrap font-medium ${known ? STATE_TEXT[state] : 'text-unknown'}`}
      data-state={known ? state : 'unknown'}
    >
      <StateGlyph shape={known ? state : 'unknown'} />
      <span>
        {!known && 'was '}
        {OBSERVED_WORDS[state] ?? state}
        {words && <span className="font-normal">, {words}</span>}
      </span>
    </span>
  )
}
