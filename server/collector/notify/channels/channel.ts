import type { Message } from './message.ts'
import type { Outcome } from './outcome.ts'

/** A way to tell people something. */
export interface Channel {
  /** Where it leads, without what is secret of it; for people. */
  readonly target: string
  /** One attempt. Never rejects; `signal` ends it. */
  send(message: Message, signal: AbortSignal): Promise<Outcome>
}
