import type { ObservedState } from '@/server/contract/states.ts'

/** The same six shapes everywhere; they differ without colour. */
export type Glyph = ObservedState | 'paused' | 'done' | 'waiting'

const SHAPES: Record<Glyph, React.ReactNode> = {
  up: <circle cx="6" cy="6" r="4" fill="currentColor" />,
  degraded: <path d="M6 1.5 11 10.5H1Z" fill="currentColor" />,
  draining: (
    <>
      <circle cx="6" cy="6" r="4" fill="none" stroke="currentColor" strokeWidth="1.5" />
      <path d="M6 2a4 4 0 0 1 0 8Z" fill="currentColor" />
    </>
  ),
  drained: <circle cx="6" cy="6" r="4" fill="none" stroke="currentColor" strokeWidth="1.5" />,
  down: <path d="M2 2 10 10M10 2 2 10" stroke="currentColor" strokeWidth="2.5" strokeLinecap="square" />,
  unknown: (
    <circle cx="6" cy="6" r="4" fill="none" stroke="currentColor" strokeWidth="1.5" strokeDasharray="2 1.6" />
  ),
  paused: <path d="M3 2h2v8H3zM7 2h2v8H7z" fill="currentColor" />,
  done: <path d="M1.5 6.5 4.5 9.5 10.5 2.5" fill="none" stroke="currentColor" strokeWidth="2" />,
  waiting: <path d="M2 6h8" stroke="currentColor" strokeWidth="2" />,
}

export function StateGlyph({ shape }: { shape: Glyph }) {
  return (
    <svg
      viewBox="0 0 12 12"
      width="12"
      height="12"
      aria-hidden="true"
      className="inline-block shrink-0 align-[-1px]"
    >
      {SHAPES[shape]}
    </svg>
  )
}
