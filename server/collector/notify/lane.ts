import { isDeepStrictEqual } from 'node:util'
import type { ChannelConfig } from '../../contract/index.ts'
import { durationWords } from '../../contract/words.ts'
import type { Log } from '../../observe/log.ts'
import { Backoff, EQUAL_JITTER } from '../../time/backoff.ts'
import { within } from '../../time/deadline.ts'
import type { Channel } from './channels/channel.ts'
import type { Message } from './channels/message.ts'
import type { Outcome } from './channels/outcome.ts'
import { openChannel } from './channels/registry.ts'

/** However long a receiver asks to wait: it is tried again after this at the latest. */
const MAX_RETRY_AFTER_MS = 3_600_000

export interface LaneFigures {
  sent: number
  /** Attempts that failed and are made again. */
  retried: number
  /** Messages given up. */
  failed: number
  /** Messages told in a summary instead. */
  heldBack: number
}

/** One channel in force: what it is, how it does, and when it is asked again. One message at a time, so that they arrive in order. */
export class Lane {
  readonly figures: LaneFigures = { sent: 0, retried: 0, failed: 0, heldBack: 0 }
  /** True while a message is on its way. */
  isBusy = false
  #config: ChannelConfig
  #channel: Channel
  readonly #backoff: Backoff
  readonly #monotonic: () => number
  #pausedUntil = 0
  #failingSince: number | null = null
  #lastError: string | null = null

  constructor(
    config: ChannelConfig,
    options: { retryBaseMs: number; retryMaxMs: number; monotonic: () => number },
  ) {
    this.#config = config
    this.#channel = openChannel(config)
    this.#monotonic = options.monotonic
    this.#backoff = new Backoff({
      baseMs: options.retryBaseMs,
      maxMs: options.retryMaxMs,
      jitter: EQUAL_JITTER,
    })
  }

  get config(): ChannelConfig {
    return this.#config
  }

  get channel(): Channel {
    return this.#channel
  }

  /** Epoch ms; null while its last attempt was good. */
  get failingSince(): number | null {
    return this.#failingSince
  }

  get lastError(): string | null {
    return this.#lastError
  }

  /** Whether it may be asked now. */
  get isReady(): boolean {
    return !this.isBusy && this.#monotonic() >= this.#pausedUntil
  }

  /** Another entry of the same name; answers whether it differs. What failed before says nothing of it. */
  change(config: ChannelConfig): boolean {
    if (isDeepStrictEqual(config, this.#config)) return false
    this.#config = config
    this.#channel = openChannel(config)
    this.#backoff.reset()
    this.#pausedUntil = 0
    return true
  }

  /** What is known of it from before a restart. */
  resume(failingSince: number | null): void {
    this.#failingSince ??= failingSince
  }

  /** Sends a message once, within so many ms. Never rejects. */
  async attempt(message: Message, limitMs: number, log: Log): Promise<Outcome> {
    const late = (error: string): Outcome => ({
      state: 'failed',
      error,
      answer: null,
      isFinal: false,
      retryAfterMs: null,
    })
    const { channel } = this
    try {
      return await within(limitMs, (signal) => channel.send(message, signal), {
        late: () => late(`${channel.target} did not answer within ${durationWords(limitMs)}`),
      })
    } catch (error) {
      log.error({ err: error, channel: this.#config.name }, 'a channel threw')
      return late('it could not be sent for a reason that the log has')
    }
  }

  /** Takes in what became of an attempt at `now` (epoch ms); answers after how many ms the next one is made. */
  saw(outcome: Outcome, now: number): number {
    if (outcome.state === 'sent') {
      this.#backoff.reset()
      this.#pausedUntil = 0
      this.#failingSince = null
      this.#lastError = null
      return 0
    }
    this.#failingSince ??= now
    this.#lastError = outcome.error
    // The receiver answered and refused this message alone: the next one need not wait.
    if (outcome.isFinal) return 0
    const asked = Math.min(outcome.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS)
    const waitMs = Math.max(this.#backoff.next(), asked)
    this.#pausedUntil = this.#monotonic() + waitMs
    return waitMs
  }
}
