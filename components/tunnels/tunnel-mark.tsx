'use client'

import type { Tunnel } from '@/server/contract/fleet.ts'
import { TUNNEL_WORDS } from '@/server/contract/state-words.ts'
import { useKnown } from '../data/known.ts'
import { StateGlyph } from '../ui/state-glyph.tsx'

/** The state of a host's tunnel as glyph and word; in the past tense while nothing is known of now. */
export function TunnelMark({ state }: { state: Tunnel['state'] }) {
  const { known } = useKnown()
  const lost = state === 'lost'
  return (
    <span
      className={`inline-flex items-center gap-1.5 font-medium ${known ? (lost ? 'text-down' : 'text-up') : 'text-unknown'}`}
      data-tunnel-state={state}
    >
      <StateGlyph shape={known ? (lost ? 'down' : 'up') : 'unknown'} />
      {!known && 'was '}
      {TUNNEL_WORDS[state]}
    </span>
  )
}
