import type { ObservedState } from '@/server/contract/states.ts'
import { StateGlyph } from './state-glyph.tsx'

export const STATE_TEXT: Record<ObservedState, string> = {
  up: 'text-up',
  degraded: 'text-degraded',
  draining: 'text-draining',
  drained: 'text-drained',
  down: 'text-down',
  unknown: 'text-unknown',
}

/** A state as glyph and word, coloured. */
export function StateMark({ state }: { state: ObservedState }) {
  return (
    <span
      className={`inline-flex items-center gap-1.5 whitespace-nowrap font-medium ${STATE_TEXT[state]}`}
      data-state={state}
    >
      <StateGlyph shape={state} />
      {state}
    </span>
  )
}
