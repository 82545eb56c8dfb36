import type { Log } from './log.ts'

export interface LastResortOptions {
  log: Log
  /** Who ends, for the log: for example `node fra-1`. */
  what: string
  /** Begins the orderly end. Called once, however many errors escape; what it throws or rejects is only logged. */
  end(error: unknown): unknown
  /** When the process ends in any case, in ms after the first error. Asked at that moment. */
  deadlineMs(): number
  /** Default `process.exit`. */
  exit?: (code: number) => void
}

/** Later errors that are still logged: one that repeats while everything ends must not fill a disk. */
const MAX_LATER_LOGGED = 5

const sentenceOf = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}` : String(error)

/**
 * What happens when an error gets past every guard (https://nodejs.org/api/process.html#event-uncaughtexception): nothing is known
 * about the state any more, so the process ends, once, within a deadline, with exit code 1 and the reason in its last line.
 */
export class LastResort {
  readonly #options: LastResortOptions
  #first: { error: unknown } | null = null
  #later = 0
  #said = false
  #deadline: NodeJS.Timeout | undefined
  readonly #onEscaped = (error: unknown): void => this.#escaped(error)

  constructor(options: LastResortOptions) {
    this.#options = options
    process.on('uncaughtException', this.#onEscaped)
    process.on('unhandledRejection', this.#onEscaped)
  }

  /** True once an error has escaped: the process must not end with 0. */
  get used(): boolean {
    return this.#first !== null
  }

  /** The last line: why the process ended. Nothing happens where no error escaped. */
  sayWhy(): void {
    if (this.#first === null || this.#said) return
    this.#said = true
    const { error } = this.#first
    const more = this.#later === 0 ? '' : `; ${this.#later} more came while it ended`
    this.#options.log.fatal(
      { err: error },
      `${this.#options.what} ended because an error escaped: ${sentenceOf(error)}${more}`,
    )
  }

  /** Lets go of the process. Where an error has escaped, later ones stay swallowed: the reason must remain the last line. */
  release(): void {
    clearTimeout(this.#deadline)
    if (this.used) return
    process.off('uncaughtException', this.#onEscaped)
    process.off('unhandledRejection', this.#onEscaped)
  }

  #escaped(error: unknown): void {
    const { log, what, end, deadlineMs, exit = (code: number) => process.exit(code) } = this.#options
    if (this.#first !== null) {
      this.#later += 1
      // What comes after the last line is not logged: the last line is the reason.
      if (!this.#said && this.#later <= MAX_LATER_LOGGED)
        log.error({ err: error }, 'another error escaped while ending')
      return
    }
    this.#first = { error }
    const limitMs = deadlineMs()
    log.fatal({ err: error, limitMs }, `an error escaped; ${what} ends within ${Math.ceil(limitMs / 1000)} s`)
    this.#deadline = setTimeout(() => {
      try {
        log.fatal(`${what} did not end in time`)
        this.sayWhy()
      } finally {
        // Also where nobody reads the log any more and to write it throws.
        exit(1)
      }
    }, limitMs)
    try {
      Promise.resolve(end(error)).catch((cause: unknown) =>
        log.error({ err: cause }, 'the orderly end failed'),
      )
    } catch (cause) {
      log.error({ err: cause }, 'the orderly end failed')
    }
  }
}
