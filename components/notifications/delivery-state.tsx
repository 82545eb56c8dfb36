import type { Notification } from '@/server/contract/answers/notification.ts'
import type { ObservedState } from '@/server/contract/states.ts'
import { StateGlyph } from '../ui/state-glyph.tsx'
import { STATE_TEXT } from '../ui/state-mark.tsx'

const LOOKS: Readonly<Record<Notification['state'], { shape: ObservedState; words: string }>> = {
  waiting: { shape: 'degraded', words: 'waiting' },
  sending: { shape: 'draining', words: 'sending' },
  sent: { shape: 'up', words: 'sent' },
  failed: { shape: 'down', words: 'failed' },
  silenced: { shape: 'drained', words: 'silenced' },
}

/** What became of a message, as glyph and word. */
export function DeliveryState({ state }: { state: Notification['state'] }) {
  const { shape, words } = LOOKS[state]
  return <StateWords shape={shape} words={words} />
}

/** A glyph of a state with a word of our own. */
export function StateWords({ shape, words }: { shape: ObservedState; words: string }) {
  return (
    <span className={`inline-flex items-center gap-1.5 whitespace-nowrap font-medium ${STATE_TEXT[shape]}`}>
      <StateGlyph shape={shape} />
      {words}
    </span>
  )
}
